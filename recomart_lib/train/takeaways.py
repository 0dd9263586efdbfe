"""Takeaways of 06_train: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from recomart_lib.core.text import percent, plural, safe
from recomart_lib.models.base import ArrayModel
from recomart_lib.prepare import takeaways as prepare_takeaways
from recomart_lib.train.choice import FAR


def feature_importance(table: pl.DataFrame, service: str) -> str:
    """The most informative single feature. `table`: see `training_examples.feature_importance`."""
    if not table.height:
        return "**Feature importance cannot be computed yet**: no training example has a product that was bought again, or none that was not."
    top = table.row(0, named=True)
    n_informative = table.filter((pl.col("low") > 0.5) | (pl.col("high") < 0.5)).height
    direction = "larger" if top["auc"] > 0.5 else "smaller"
    return (
        f"**{safe(top['feature'])} is the most informative** of {plural(table.height, 'feature')} of {service}: products that are bought again have the "
        f"{direction} value in {percent(max(top['auc'], 1 - top['auc']))} of comparisons (AUC {top['auc']:.3f}, {top['low']:.3f} to {top['high']:.3f}). "
        f"The interval of {plural(n_informative, 'feature')} excludes 0.5."
    )


def choice(evidence: pl.DataFrame, protocol: str) -> str:
    """Which model is chosen in a protocol, and how sure that is. `evidence`: see `choice.table`."""
    rows = evidence.filter(pl.col("protocol") == protocol)
    if not rows.height:
        return f"Protocol *{protocol}*: no user can be evaluated before the test window, so popularity is chosen."
    best, chosen = (rows.row(by_predicate=pl.col(name), named=True) for name in ("best", "chosen"))
    sentences = [
        f"**Protocol *{protocol}*: {safe(best['model'])} leads in {best['leads']} of {plural(best['windows'], 'window')}**{_score(best)}."
    ]
    if chosen["model"] == best["model"]:
        sentences.append("It is chosen.")
    else:
        sentences.append(
            f"**{safe(chosen['model'])} is chosen**: of the {rows['within'].sum()} models within one standard error of it, the simplest "
            f"(behind by {chosen['difference']:.4f}, standard error {chosen['difference_error']:.4f})."
        )
    if rows["windows"].max() == 1:
        sentences.append(
            "Only one window decides: the data before it is too short for another, or train.n_backtests is below 3."
        )
    return " ".join(sentences)


def _score(row: dict[str, Any]) -> str:
    known = f", standard error {row['standard_error']:.4f}" if np.isfinite(row["standard_error"]) else ""
    return f" (mean ndcg@10 {row['mean']:.4f}{known})"


def fewer_windows(evidence: pl.DataFrame) -> str:
    """Which models were evaluated in fewer windows than others; else nothing. `evidence`: see `choice.table`."""
    n = evidence.get_column("windows").max() or 0
    names = evidence.filter(pl.col("windows") < n).get_column("model").unique().sort().to_list()
    if not names:
        return ""
    return (
        f"Evaluated in fewer than {plural(n, 'window')}: {safe(', '.join(names))}. At an earlier cut they had nothing to learn from, or were too far "
        f"behind to be fitted ({FAR:.0f} standard errors in the validation window, in both protocols). Two models are compared on the windows of both."
    )


def few_users(evidence: pl.DataFrame, scores: pl.DataFrame, horizon_days: int) -> list[str]:
    """How unsure the choice is in a small shop. `evidence`, `scores`: see `choice.table`."""
    newest = scores.filter(pl.col("cut") == pl.col("cut").max())
    sentences = []
    for row in evidence.filter("chosen").iter_rows(named=True):
        n_users = newest.filter(pl.col("protocol") == row["protocol"]).get_column("user_id").n_unique()
        half = 1.96 * row["standard_error"] if n_users > 1 else 1.0
        low, high = max(0.0, row["mean"] - half), min(1.0, row["mean"] + half)
        sentences.append(prepare_takeaways.few_users(n_users, row["protocol"], low, high, horizon_days))
    return [sentence for sentence in sentences if sentence]


def user_sample(sizes: tuple[int, int]) -> str:
    """How many users were evaluated, where it was a sample; else nothing. `sizes`: see `user_sample.sizes`."""
    n_evaluated, n_users = sizes
    if n_evaluated == n_users:
        return ""
    return (
        f"**A random sample of {n_evaluated:,} of {n_users:,} users** decides, the same for all models and trials. "
        "The lists of the test window are for all users."
    )


def limits(left_out: Mapping[str, str], fitted: Mapping[str, ArrayModel]) -> list[str]:
    """Which models were left out or simplified. `left_out`: see `limits.left_out`."""
    sentences = [
        f"**{safe(name)} is left out**: {reason}. Increase that limit, or rely on the models that carry a large catalogue (als, item_knn)."
        for name, reason in left_out.items()
    ]
    sentences += [f"**{safe(name)}**: {note}." for name, model in fitted.items() for note in model.notes]
    return sentences or [
        "No model is left out or simplified: every fit stays within train.max_memory_gb and train.max_fit_minutes."
    ]


def search_gain(table: pl.DataFrame) -> str:
    """Whether the search improved on the defaults. `table`: see `selection.search_results`."""
    searched = table.filter(pl.col("trials") > 1)
    if not searched.height:
        return "**No model was searched**: every hyper-parameter is fixed in train.models, or train.n_trials is 1."
    gains = searched.filter(pl.col("best") > pl.col("defaults")).with_columns(gain=pl.col("best") - pl.col("defaults"))
    effort = f"{plural(searched['trials'].sum(), 'trial')} of {plural(searched.height, 'model')}"
    if not gains.height:
        return f"**The search found nothing better than the defaults** in {effort}: they are kept."
    top = gains.sort("gain", "model", descending=[True, False]).row(0, named=True)
    return (
        f"**The search beat the defaults in {gains.height} of {plural(searched.height, 'model')}** ({effort}), most of all in "
        f"{safe(top['model'])}: {top['defaults']:.4f} to {top['best']:.4f}. The gain is measured on the same window that was used to choose: "
        "expect less in the test window."
    )


def trade_off(log: pl.DataFrame, best: pl.DataFrame) -> str:
    """Where the chosen parameters are worse than the defaults. `log`, `best`: see `selection.tune`, `best_trials`."""
    defaults = log.filter(pl.col("trial") == 0).select("model", "protocol", default="ndcg@10")
    worse = (
        best.filter(pl.col("trial") > 0)
        .join(defaults, on=["model", "protocol"])
        .filter(pl.col("ndcg@10") < pl.col("default"))
    )
    if not worse.height:
        return "The chosen parameters are worse than the defaults in neither protocol."
    worst = worse.sort(pl.col("default") - pl.col("ndcg@10"), descending=True).row(0, named=True)
    return (
        f"**There is a trade-off in {plural(worse['model'].n_unique(), 'model')}**: the chosen parameters are worse than the defaults in one protocol, "
        f"most of all {safe(worst['model'])} in protocol *{worst['protocol']}*: {worst['default']:.4f} to {worst['ndcg@10']:.4f}. "
        "train.tune_protocol sets which protocol decides."
    )


def hyperparameter_importance(shares: pl.DataFrame, min_trials: int) -> str:
    """The most important hyper-parameter of each model. `shares`: see `selection.hyperparameter_importance`."""
    if not shares.height:
        return (
            f"**Too few trials to estimate the importance of hyper-parameters**: it takes {min_trials} trials (train.n_trials) of a model "
            "with two or more free hyper-parameters, and trials of different quality."
        )
    top = shares.sort("share", descending=True, maintain_order=True).unique("model", keep="first", maintain_order=True)
    names = [
        f"{safe(row['model'])}: {safe(row['parameter'])} ({percent(row['share'])})" for row in top.iter_rows(named=True)
    ]
    return f"**Most important hyper-parameters**: {'; '.join(names)}. With so few trials this is a hint, not proof."
