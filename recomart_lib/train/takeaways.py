"""Takeaways of 06_train: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.text import percent, plural, safe


def signal(table: pl.DataFrame, service: str) -> str:
    """Which feature alone tells most about what is taken again. `table`: see `lessons.signal`."""
    if not table.height:
        return "**Nothing to learn from features yet**: no pair that was known at an earlier cut was, or was not, taken again."
    top = table.row(0, named=True)
    telling = table.filter((pl.col("low") > 0.5) | (pl.col("high") < 0.5)).height
    way = "larger" if top["auc"] > 0.5 else "smaller"
    return f"**{safe(top['feature'])} tells most** of {plural(table.height, 'feature')} of {service}: what is taken again has the {way} value in {percent(max(top['auc'], 1 - top['auc']))} of comparisons (AUC {top['auc']:.3f}, {top['low']:.3f} to {top['high']:.3f}); {plural(telling, 'feature')} tell something."


def tuned(best: pl.DataFrame) -> str:
    """What tuning on valid decided. `best`: see `training.best`."""
    known = best.filter(pl.col("protocol") == "all").sort("ndcg@10", descending=True, nulls_last=True)
    if not known.height or known.get_column("ndcg@10")[0] is None:
        return "Nobody can be judged on valid: the first candidate of every model is taken."
    first = known.row(0, named=True)
    return f"**On valid, {safe(first['model'])} ranks best (ndcg@10 {first['ndcg@10']:.4f} in protocol *all*)**. Test was not looked at."


def searched(table: pl.DataFrame) -> str:
    """Whether searching found more than the defaults. `table`: see `training.searched`."""
    tried = table.filter(pl.col("trials") > 1)
    if not tried.height:
        return "**No model was searched**: every hyper-parameter is fixed in train.models, or train.n_trials is 1."
    gains = tried.filter(pl.col("best") > pl.col("defaults")).with_columns(gain=pl.col("best") - pl.col("defaults"))
    made = f"{plural(tried['trials'].sum(), 'trial')} of {plural(tried.height, 'model')}"
    if not gains.height:
        return f"**Searching found nothing better than the defaults** in {made}: they stay."
    top = gains.sort("gain", "model", descending=[True, False]).row(0, named=True)
    return (
        f"**Searching beat the defaults in {gains.height} of {plural(tried.height, 'model')}** ({made}), most of all in "
        f"{safe(top['model'])}: {top['defaults']:.4f} to {top['best']:.4f}. The gain is measured on the window that chose it: "
        "on test expect less."
    )


def traded(log: pl.DataFrame, best: pl.DataFrame) -> str:
    """What the choice does in each protocol, beside the defaults. `log`, `best`: see `training.tune`, `training.best`."""
    first = log.filter(pl.col("trial") == 0).select("model", "protocol", before="ndcg@10")
    moved = (
        best.filter(pl.col("trial") > 0)
        .join(first, on=["model", "protocol"])
        .filter(pl.col("ndcg@10") < pl.col("before"))
    )
    if not moved.height:
        return "The chosen parameters are worse than the defaults in neither protocol."
    worst = moved.sort(pl.col("before") - pl.col("ndcg@10"), descending=True).row(0, named=True)
    return (
        f"**The choice has a price in {plural(moved['model'].n_unique(), 'model')}**, most of all {safe(worst['model'])} in protocol "
        f"*{worst['protocol']}*: {worst['before']:.4f} to {worst['ndcg@10']:.4f}. train.tune_protocol says which protocol decides."
    )


def important(shares: pl.DataFrame, least: int) -> str:
    """Which hyper-parameter matters, by model. `shares`: see `training.importances`; `least`: the trials it asks for."""
    if not shares.height:
        return (
            f"**Not enough trials to tell which hyper-parameter matters**: it takes {least} trials (train.n_trials) of a model "
            "with two or more free ones, not all equally good."
        )
    top = shares.sort("share", descending=True, maintain_order=True).unique("model", keep="first", maintain_order=True)
    named = [
        f"{safe(row['model'])}: {safe(row['parameter'])} ({percent(row['share'])})" for row in top.iter_rows(named=True)
    ]
    return f"**What separates good trials from the others most**: {'; '.join(named)}. With so few trials this is a hint, no proof."
