"""Takeaways of 07_evaluate: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

from typing import Any

import polars as pl

from recomart_lib.core.text import bullets, percent, plural, safe
from recomart_lib.evaluate.diagnostics import FEW


def champion(table: pl.DataFrame, protocol: str) -> str:
    """The best model of a protocol, and whether its lead is more than chance."""
    rows = table.sort("ndcg@10", "model", descending=[True, False])
    if rows.height < 2:
        return f"Protocol *{protocol}*: nobody can be judged."
    first, second = rows.row(0, named=True), rows.row(1, named=True)
    clear = first["ndcg@10_ci"][0] > second["ndcg@10_ci"][1]
    lead = "their intervals do not overlap" if clear else "their intervals overlap: the paired tests below tell more"
    return (
        f"**Protocol *{protocol}*: {first['model']} leads with ndcg@10 {first['ndcg@10']:.4f} "
        f"({first['ndcg@10_ci'][0]:.4f} to {first['ndcg@10_ci'][1]:.4f})**, before {second['model']} "
        f"({second['ndcg@10']:.4f}); {lead}."
    )


def compared(test: pl.DataFrame, protocol: str) -> str:
    """Which models are better, worse or not to be told apart from the chosen one, by paired tests (Holm, 5 %)."""
    sure = test.filter(pl.col("p_holm") < 0.05)
    groups = {
        "better": sure.filter(pl.col("difference") > 0),
        "worse": sure.filter(pl.col("difference") < 0),
        "not to be told apart": test.join(sure, on="model", how="anti"),
    }
    named = [f"{word}: {', '.join(rows['model'])}" for word, rows in groups.items() if rows.height]
    if not named:
        return f"Protocol *{protocol}*: there is no other model to compare with."
    return f"**Protocol *{protocol}*, beside {test['reference'][0]}** (chosen on valid): {'; '.join(named)}."


def rating_model(errors: dict[str, dict[str, float]], metrics: dict[str, dict[str, Any]]) -> str:
    """Where the best of the rating models stands as a ranker."""
    raters = sorted(errors.keys() & metrics.keys(), key=lambda name: (errors[name]["rmse"], name))
    if not raters:
        return "There is no rating in the test window to judge the rating model by."
    best, mean, floor = raters[0], errors["global_mean"]["rmse"], metrics["popularity"]["ndcg@10"]
    own, ranks = errors[best]["rmse"], metrics[best]["ndcg@10"]
    better = "better" if own < mean else "no better"
    place = "below" if ranks < floor else "above"
    others = f"Of {plural(len(raters), 'rating model')} it is the best. " if len(raters) > 1 else ""
    return (
        f"**{safe(best)} predicts ratings {better} than the mean rating (RMSE {own:.3f} against {mean:.3f}), and ranks "
        f"{place} popularity (ndcg@10 {ranks:.4f} against {floor:.4f}).** {others}"
        "Guessing how much somebody will like a thing is another task than guessing what they will pick."
    )


def targets(card: pl.DataFrame) -> str:
    """How many targets are met, by protocol."""
    if not card.height:
        return "**Nobody can be judged in the test window: no target can be met or missed.**"
    parts = []
    for protocol in card.get_column("protocol").unique(maintain_order=True):
        rows = card.filter(pl.col("protocol") == protocol)
        met = rows.filter(pl.col("verdict").is_in(["met", "clearly met"])).height
        sure = rows.filter(pl.col("verdict") == "clearly met").height
        parts.append(
            f"protocol *{protocol}*: {met} of {rows.height} met, {sure} of them surely (lower bound above the target)"
        )
    return "**Targets: " + "; ".join(parts) + ".**"


def who_loses(shares: dict[str, float], model: str, against: str) -> str:
    """For whom the model is worse than a simple list."""
    return (
        f"**{percent(shares['worse'])} of the users are served worse by {model} than by {against}**, "
        f"{percent(shares['better'])} better, {percent(shares['equal'])} alike."
    )


def _interval(row: dict[str, Any]) -> str:
    """`0.1234 (0.1200 to 0.1270)` of a row with mean, low, high."""
    return f"{row['mean']:.4f} ({row['low']:.4f} to {row['high']:.4f})"


def _apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["low"] > other["high"] or other["low"] > one["high"]


def weeks(table: pl.DataFrame, model: str, metric: str = "ndcg@10") -> str:
    """How a list that was fixed at the cut ages. `table`: `beyond.summary` by week, days and model."""
    rows = table.filter(pl.col("model") == model, pl.col("metric") == metric, pl.col("days") == 7).sort("week")
    if rows.height < 2:
        return "The test window has fewer than two full weeks with somebody to judge: how lists age cannot be told."
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    change = last["mean"] / first["mean"] - 1 if first["mean"] else 0.0
    if _apart(first, last):
        verdict = f"it {'gains' if change > 0 else 'loses'} {percent(abs(change))}, more than chance"
    else:
        verdict = "the intervals overlap: no ageing can be told from chance"
    return f"**{model}'s lists, {metric}: {_interval(first)} in week {first['week']}, {_interval(last)} in week {last['week']}**; {verdict}."


def learning_curve(table: pl.DataFrame, model: str, against: str, metric: str = "ndcg@10") -> str:
    """From which history on a model serves users better than a simple list. `table`: `beyond.summary` by history.

    Groups of fewer than FEW users are left out: their intervals say nothing.
    """
    rows = table.filter(pl.col("metric") == metric, pl.col("n") >= FEW)
    own = {row["history"]: row for row in rows.filter(pl.col("model") == model).sort("history").to_dicts()}
    theirs = {
        row["history"]: row for row in rows.filter(pl.col("model") == against).to_dicts() if row["history"] in own
    }
    if not theirs or model == against:
        return f"{model} and {against} are one model, or there is nobody whom both were judged by."
    better = [name for name, row in theirs.items() if own[name]["low"] > row["high"]]
    worse = [name for name, row in theirs.items() if own[name]["high"] < row["low"]]
    alike = [name for name in theirs if name not in better + worse]
    groups = {"surely above": better, "not to be told apart from": alike, "surely below": worse}
    told = "; ".join(f"{word} {against} for {', '.join(names)}" for word, names in groups.items() if names)
    names = list(own)
    shown = ", ".join(f"{_interval(row)} for {name}" for name, row in own.items() if name in (names[0], names[-1]))
    return f"**By distinct products taken before the cut, {metric} of {model} is {shown}.** It is {told}."


def backtested(table: pl.DataFrame, model: str, protocol: str, metric: str = "ndcg@10") -> str:
    """Whether the chosen model leads at other cuts too. `table`: `beyond.summary` by cut, protocol and model."""
    rows = table.filter(pl.col("protocol") == protocol, pl.col("metric") == metric).sort("cut", "mean", "model")
    own = rows.filter(pl.col("model") == model)
    n = rows.get_column("cut").n_unique()
    if not own.height:
        return f"Protocol *{protocol}*: nobody can be judged at any cut."
    top = rows.group_by("cut", maintain_order=True).agg(pl.col("mean").max().alias("top"))
    leads = own.join(top, on="cut").filter(pl.col("mean") == pl.col("top")).height
    lowest, highest = own.get_column("mean").min(), own.get_column("mean").max()
    few = "" if own.height == n else f" (of {n} in all: it reads features, which were stored for these only)"
    span = f"{metric} from {lowest:.4f} to {highest:.4f}" if own.height > 1 else f"{metric} {lowest:.4f}"
    return f"**Protocol *{protocol}*: {model} leads at {leads} of the {plural(own.height, 'cut')} at which it was judged**{few}; {span}."


def calibrated(bins: pl.DataFrame, errors: dict[str, float]) -> str:
    """Whether estimated chances can be taken at their word. `bins`: `evaluation.calibrated`; `errors`: by model."""
    if not bins.height:
        return "No model of this run tells a probability: there is nothing to hold against what happened."
    sentences = []
    for (model,), rows in bins.group_by("model", maintain_order=True):
        share = rows.get_column("n") / rows.get_column("n").sum()
        told, happened = (rows.get_column("estimate") * share).sum(), (rows.get_column("observed") * share).sum()
        held = rows.filter(pl.col("estimate").is_between("low", "high")).height
        way = "too high" if told > happened else "too low"
        verdict = "its chances can be taken at their word" if held == rows.height else f"on the whole {way}"
        sentences.append(
            f"**{model} foretold {percent(told)} on average, and {percent(happened)} happened**: {verdict}; the estimate lies within "
            f"the interval in {held} of {plural(rows.height, 'bin')}, expected calibration error {percent(errors[model])}."
        )
    return bullets(*sentences) if len(sentences) > 1 else sentences[0]


def catalogue(table: pl.DataFrame, model: str, taken: str = "(taken)", k: int = 10) -> str:
    """Whether a model shows more of what is popular than users take. `table`: `beyond.catalogue_use`."""
    rows = {row["model"]: row for row in table.iter_rows(named=True)}
    if model not in rows or rows[taken][f"popularity@{k}"] is None:
        return "Nobody can be judged: how the catalogue is used cannot be told."
    own, theirs = rows[model], rows[taken]
    low, high = own[f"popularity@{k}_ci"]
    reference = theirs[f"popularity@{k}"]
    way = (
        "leans to what is popular"
        if low > reference
        else "leans away from what is popular"
        if high < reference
        else "shows about as popular products as users take"
    )
    return (
        f"**{model} {way}**: its products stand at {percent(own[f'popularity@{k}'])} of the popularity ranking on average, what "
        f"users took at {percent(reference)}. It shows {percent(own[f'shown@{k}'])} of the catalogue (users took "
        f"{percent(theirs[f'shown@{k}'])}), Gini {own[f'gini@{k}']:.2f} (taken: {theirs[f'gini@{k}']:.2f})."
    )


def flattered(table: pl.DataFrame, metric: str = "ndcg@10") -> str:
    """How much better models look on a random split. `table`: `beyond.summary` by split and model."""
    rows = {(row["split"], row["model"]): row for row in table.filter(pl.col("metric") == metric).to_dicts()}
    sentences = []
    for model in dict.fromkeys(model for split, model in rows if ("time", model) in rows and ("random", model) in rows):
        time, chance = rows["time", model], rows["random", model]
        if not _apart(time, chance):
            word = "no surely different number"
        elif time["mean"] == 0:
            word = "a number above nothing"
        else:
            ratio = chance["mean"] / time["mean"]
            word = (
                f"{ratio:.1f} times the number: it flatters"
                if ratio > 1
                else f"{ratio:.2f} times the number: it does not flatter here"
            )
        sentences.append(
            f"**{model}: a random split gives {word}** ({metric} {_interval(chance)} instead of {_interval(time)})."
        )
    return bullets(*sentences) or "Nobody can be judged in protocol *novel*: the splits cannot be compared."


def longer(by_k: pl.DataFrame, model: str) -> str:
    """What a longer list buys. `by_k`: `evaluation.by_length`."""
    rows = by_k.filter(pl.col("model") == model).sort("k")
    if rows.height < 2:
        return "Nobody can be judged: what longer lists buy cannot be told."
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    return (
        f"**{model}: a list of {last['k']} finds {percent(last['recall'])} of what users take, a list of {first['k']} "
        f"{percent(first['recall'])}**; ndcg is {first['ndcg']:.4f} at {first['k']} and {last['ndcg']:.4f} at {last['k']}."
    )


def breadth(board: pl.DataFrame, model: str, k: int = 10) -> str:
    """What a model's accuracy costs in coverage. `board`: `evaluation.leaderboard`."""
    rows = {row["model"]: row for row in board.iter_rows(named=True) if row["model"] != "random"}
    if model not in rows:
        return "Nobody can be judged: accuracy cannot be held against coverage."
    own, widest = rows[model], max(rows.values(), key=lambda row: (row[f"coverage@{k}"], row["model"]))
    if widest["model"] == model:
        return f"**{model} also shows most of the catalogue**: {percent(own[f'coverage@{k}'])}."
    return (
        f"**{model} shows {percent(own[f'coverage@{k}'])} of the catalogue at ndcg@{k} {own[f'ndcg@{k}']:.4f}**; {widest['model']} "
        f"shows most, {percent(widest[f'coverage@{k}'])}, at ndcg@{k} {widest[f'ndcg@{k}']:.4f}."
    )


def weak(rows: list[dict[str, Any]], model: str, metric: str = "ndcg@10") -> str:
    """The groups of users whom a model serves surely worse than its average. `rows`: `beyond.weak`."""
    if not rows:
        return f"**In no group is {model} surely below its own average** (no interval ends below it)."
    named = "; ".join(f"{row['by']} {safe(row['slice'])} ({row['mean']:.4f}, n = {row['n']:,})" for row in rows[:6])
    more = f"; and {len(rows) - 6} more" if len(rows) > 6 else ""
    return f"**{model} is surely below its own average ({metric}) in {plural(len(rows), 'group')}**: {named}{more}."
