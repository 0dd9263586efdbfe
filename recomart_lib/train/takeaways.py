"""Takeaways of 06_train: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from recomart_lib.core.model_names import SIMPLE, line, named, plain
from recomart_lib.core.protocol_names import MEANINGS, title
from recomart_lib.core.text import not_applicable, percent, plural, safe, score
from recomart_lib.models import MODELS
from recomart_lib.models.base import ArrayModel
from recomart_lib.prepare import takeaways as prepare_takeaways
from recomart_lib.train.choice import FAR
from recomart_lib.train.shown import SEARCHED


def feature_importance(table: pl.DataFrame, service: str) -> str:
    """The most informative single feature. `table`: see `training_examples.feature_importance`."""
    if not table.height:
        return not_applicable(
            "feature importance cannot be computed: no training example has a product that was bought again, or none that was not."
        )
    n_informative = table.filter((pl.col("low") > 0.5) | (pl.col("high") < 0.5)).height
    if not n_informative:
        return not_applicable(
            f"none of {plural(table.height, 'feature')} of {safe(service)} that are numbers is clearly informative by itself."
        )
    top = table.row(0, named=True)
    direction = "larger" if top["auc"] > 0.5 else "smaller"
    return (
        f"**{safe(top['feature'])} is the most informative** of the {plural(table.height, 'feature')} of {safe(service)} that are numbers and vary: products that are bought again have the "
        f"{direction} value in {percent(max(top['auc'], 1 - top['auc']))} of comparisons (AUC {top['auc']:.3f}, {top['low']:.3f} to {top['high']:.3f}). "
        f"The interval of {plural(n_informative, 'feature')} excludes 0.5."
    )


def choice(evidence: pl.DataFrame, protocol: str) -> str:
    """Which model is chosen in a protocol, and how sure that is. `evidence`: see `choice.table`."""
    rows = evidence.filter(pl.col("protocol") == protocol)
    if not rows.height:
        return not_applicable(
            f"{title(protocol)}: no user can be evaluated before the test window, so {plain('popularity')} is chosen."
        )
    best, chosen = (rows.row(by_predicate=pl.col(name), named=True) for name in ("best", "chosen"))
    if not best["mean"]:
        return not_applicable(
            f"{title(protocol)}: no model has a hit before the test window, so {plain(chosen['model'])} is chosen."
        )
    leads = f"{best['leads']} of {plural(best['windows'], 'window')} before the test window{_score(best)}"
    if chosen["model"] == best["model"]:
        sentences = [f"**{title(protocol)}: {named(best['model'])} is chosen.** It leads in {leads}."]
    else:
        sentences = [
            f"**{title(protocol)}: {named(chosen['model'])} is chosen**: of the {rows['within'].sum()} models within one standard error of "
            f"*{plain(best['model'])}*, the simplest (behind by {score(chosen['difference'])}, standard error {score(chosen['difference_error'])}).",
            f"*{plain(best['model'])}* leads in {leads}.",
        ]
    sentences.append(_rival(rows, chosen["model"]))
    if rows["windows"].max() == 1:
        sentences.append(
            "Only one window decides: the data before it is too short for another, or train.n_backtests is below 3."
        )
    return " ".join(sentence for sentence in sentences if sentence)


def caption(protocol: str) -> str:
    """The caption of a protocol's table."""
    return f"{title(protocol)}: {MEANINGS[protocol]}"


def chosen_models(evidence: pl.DataFrame) -> str:
    """What the chosen models are, each in one line. `evidence`: see `choice.table`."""
    lines = [f"*{plain(name)}*: {line(name)}" for name in _chosen(evidence) if line(name)]
    return f"**What is chosen**: {'; '.join(lines)}." if lines else ""


def what_they_do(evidence: pl.DataFrame) -> list[str]:
    """A paragraph per chosen model: what it does, what it learns from, what it cannot. `evidence`: see `choice.table`."""
    return [
        f"**{plain(name)}**{f': {line(name)}' if line(name) else ''}. {_learns(name)} It ranks only products "
        "with an event before the window, and a user without one gets the default list."
        for name in _chosen(evidence)
    ]


def _chosen(evidence: pl.DataFrame) -> list[str]:
    return evidence.filter("chosen").sort("protocol").get_column("model").unique(maintain_order=True).to_list()


def _learns(name: str) -> str:
    """What a model learns from."""
    if name in SIMPLE:
        return "It only counts what was chosen before the window, and learns nothing."
    if name in MODELS and MODELS[name].reads_features:
        return (
            "It learns from earlier windows: which of the proposed products were chosen, by what the features of 05 and "
            "the simple models said of them before. A change of taste that no earlier window shows is unknown to it."
        )
    return "It learns from who chose which products before the window. Why they were chosen is unknown to it."


def _rival(rows: pl.DataFrame, chosen: str) -> str:
    """The strongest simple model other than the chosen one."""
    simple = rows.filter(pl.col("model").is_in(SIMPLE), pl.col("model") != chosen).sort(
        "difference", maintain_order=True
    )
    if not simple.height:
        return ""
    row = simple.row(0, named=True)
    return f"The strongest simple list, *{plain(row['model'])}*, is behind the best by {score(row['difference'])}."


def _score(row: dict[str, Any]) -> str:
    known = f", standard error {score(row['standard_error'])}" if np.isfinite(row["standard_error"]) else ""
    return f" (mean ndcg@10 {score(row['mean'])}{known})"


def fewer_windows(evidence: pl.DataFrame) -> str:
    """Which models were evaluated in fewer windows than others; else nothing. `evidence`: see `choice.table`."""
    n = evidence.get_column("windows").max() or 0
    names = evidence.filter(pl.col("windows") < n).get_column("model").unique().sort().to_list()
    if not names:
        return ""
    return (
        f"Evaluated in fewer than {plural(n, 'window')}: {', '.join(f'*{plain(name)}*' for name in names)}. At an earlier cut they had nothing to learn from, or were too far "
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


def limits(left_out: Mapping[str, str], fitted: Mapping[str, ArrayModel], fell_back: Sequence[str] = ()) -> list[str]:
    """Which models were left out or simplified, or fell back on another.

    Parameters
    ----------
    left_out
        See `limits.left_out`.
    fell_back
        The fitted models that have nothing to learn from: see `choice.is_itself`.
    """
    if not fitted and not left_out:
        return [not_applicable("no model is to be fitted.")]
    sentences = [
        f"**{plain(name)} is left out**: {reason}. Increase that limit, or rely on the models that carry a large catalogue (als, item_knn)."
        for name, reason in left_out.items()
    ]
    sentences += [
        f"**{plain(name)} has nothing to learn from** before the test window (training examples, orders or attributes): its lists there are those of a "
        "simpler model, and its scores are not its own."
        for name in fell_back
    ]
    sentences += [f"**{plain(name)}**: {note}." for name, model in fitted.items() for note in model.notes]
    return sentences or [
        "No model is left out or simplified: every fit stays within train.max_memory_gb and train.max_fit_minutes."
    ]


def warning(left_out: Mapping[str, str], fell_back: Sequence[str]) -> str:
    """What a reader has to know first: models that were left out, or that fell back on a simpler one; else nothing."""
    parts = []
    if left_out:
        parts.append(f"left out, as a fit would need too much memory or time: {', '.join(map(plain, left_out))}")
    if fell_back:
        parts.append(
            f"without anything to learn from, so with the lists of a simpler model: {', '.join(map(plain, fell_back))}"
        )
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}." if parts else ""


def stored(n_models: int, n_rows: int) -> str:
    """What 07 will evaluate."""
    if not n_rows:
        return not_applicable("no lists are stored, as no user can be evaluated in the test window.")
    return f"{plural(n_models, 'model')} fitted; {plural(n_rows, 'recommendation')} for the test window stored, which 07 evaluates."


def predicted_ratings(predictions: pl.DataFrame) -> str:
    """What can be predicted. `predictions`: see `model_lists.predictions`."""
    if not predictions.height:
        return not_applicable("there are no ratings in the test window to be predicted.")
    n = predictions.select("user_id", "item_id").unique().height
    return f"{plural(n, 'rating')} in the test window."


def search_gain(table: pl.DataFrame, tune_protocol: str = "mean") -> str:
    """Whether the search improved on the defaults. `table`: see `selection.search_results`."""
    searched = table.filter(pl.col("trials") > 1)
    if not searched.height:
        return not_applicable(
            "no model was searched: all hyper-parameters are fixed (train.models), or train.n_trials is 1."
        )
    if not searched.get_column("best").count():
        return not_applicable("no user can be evaluated in the validation window, so the search has no result.")
    gains = searched.filter(pl.col("best") > pl.col("defaults")).with_columns(gain=pl.col("best") - pl.col("defaults"))
    effort = f"{plural(searched['trials'].sum(), 'trial')} of {plural(searched.height, 'model')}"
    if not gains.height:
        return f"**The search found nothing better than the defaults** in {effort}: they are kept."
    top = gains.sort("gain", "model", descending=[True, False]).row(0, named=True)
    return (
        f"**The search beat the defaults in {gains.height} of {plural(searched.height, 'model')}** ({effort}), most of all in "
        f"*{plain(top['model'])}*: ndcg@10, {SEARCHED[tune_protocol]}, from {score(top['defaults'])} to {score(top['best'])}. The gain is measured on "
        "the same window that was used to choose: expect less in the test window."
    )


def trade_off(log: pl.DataFrame, best: pl.DataFrame) -> str:
    """Where the chosen parameters are worse than the defaults. `log`, `best`: see `selection.tune`, `best_trials`."""
    defaults = log.filter(pl.col("trial") == 0).select("model", "protocol", default="ndcg@10")
    changed = (
        best.filter(pl.col("trial") > 0).join(defaults, on=["model", "protocol"]).drop_nulls(["ndcg@10", "default"])
    )
    if not changed.height:
        return not_applicable("the search changed no parameter, so no protocol lost by it.")
    worse = changed.filter(pl.col("ndcg@10") < pl.col("default"))
    if not worse.height:
        return "The chosen parameters are worse than the defaults in neither protocol."
    worst = worse.sort(pl.col("default") - pl.col("ndcg@10"), descending=True).row(0, named=True)
    return (
        f"**There is a trade-off in {plural(worse['model'].n_unique(), 'model')}**: the chosen parameters are worse than the defaults in one protocol, "
        f"most of all *{plain(worst['model'])}* in {title(worst['protocol'])}: {score(worst['default'])} to {score(worst['ndcg@10'])}. "
        "train.tune_protocol sets which protocol decides."
    )


def hyperparameter_importance(shares: pl.DataFrame, min_trials: int) -> str:
    """The most important hyper-parameter of each model. `shares`: see `selection.hyperparameter_importance`."""
    if not shares.height:
        return not_applicable(
            f"too few trials to estimate the importance of hyper-parameters. It takes {min_trials} trials (train.n_trials) of a model with two or more "
            "free hyper-parameters, and trials of different quality."
        )
    top = shares.sort("share", descending=True, maintain_order=True).unique("model", keep="first", maintain_order=True)
    names = [
        f"{plain(row['model'])}: {safe(row['parameter'])} ({percent(row['share'])})"
        for row in top.iter_rows(named=True)
    ]
    return f"**Most important hyper-parameters**: {'; '.join(names)}. With so few trials this is a hint, not proof."
