"""Takeaways of 07_evaluate: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import polars as pl

from recomart_lib.core.schemas import PROTOCOLS
from recomart_lib.core.text import bullets, percent, plural, safe
from recomart_lib.evaluate.diagnostics import HOLDOUT, MIN_USERS
from recomart_lib.prepare import takeaways as prepare_takeaways


def best_model(table: pl.DataFrame, protocol: str) -> str:
    """Say which model is best in a protocol, and whether the intervals overlap."""
    rows = table.sort("ndcg@10", "model", descending=[True, False])
    if rows.height < 2:
        return f"Protocol *{protocol}*: no users to evaluate."
    first, second = rows.row(0, named=True), rows.row(1, named=True)
    clear = first["ndcg@10_ci"][0] > second["ndcg@10_ci"][1]
    lead = "their intervals do not overlap" if clear else "their intervals overlap: see the paired tests below"
    return (
        f"**Protocol *{protocol}*: {first['model']} leads with ndcg@10 {first['ndcg@10']:.4f} "
        f"({first['ndcg@10_ci'][0]:.4f} to {first['ndcg@10_ci'][1]:.4f})**, ahead of {second['model']} "
        f"({second['ndcg@10']:.4f}); {lead}."
    )


def comparison(test: pl.DataFrame, protocol: str) -> str:
    """Say which models differ significantly from the chosen one, by paired tests (Holm, 5 %)."""
    significant = test.filter(pl.col("p_holm") < 0.05)
    groups = {
        "significantly better": significant.filter(pl.col("difference") < 0),
        "significantly worse": significant.filter(pl.col("difference") > 0),
        "no significant difference": test.join(significant, on="model", how="anti"),
    }
    named = [f"{word}: {', '.join(rows['model'])}" for word, rows in groups.items() if rows.height]
    if not named:
        return f"Protocol *{protocol}*: there is no other model to compare with."
    return f"**Protocol *{protocol}*, compared with {test['reference'][0]}** (chosen before the test window): {'; '.join(named)}."


def rating_model(errors: dict[str, dict[str, float]], metrics: dict[str, dict[str, Any]]) -> str:
    """Say how well the best rating model predicts ratings, and how well it ranks."""
    raters = sorted(errors.keys() & metrics.keys(), key=lambda name: (errors[name]["rmse"], name))
    if not raters:
        return "There are no ratings in the test window: the rating models cannot be evaluated."
    best, mean, floor = raters[0], errors["global_mean"]["rmse"], metrics["popularity"]["ndcg@10"]
    own, ranks = errors[best]["rmse"], metrics[best]["ndcg@10"]
    better = "better" if own < mean else "no better"
    place = "below" if ranks < floor else "above"
    others = f"Of {plural(len(raters), 'rating model')} it has the lowest error. " if len(raters) > 1 else ""
    return (
        f"**{safe(best)} predicts ratings {better} than the mean rating (RMSE {own:.3f} against {mean:.3f}), and ranks "
        f"{place} popularity (ndcg@10 {ranks:.4f} against {floor:.4f}).** {others}"
        "Predicting how much users will like a product is a different task from predicting what they will choose."
    )


def targets(card: pl.DataFrame) -> str:
    """Count the targets that are met, by protocol."""
    if not card.height:
        return "**There are no users to evaluate in the test window: the targets cannot be checked.**"
    parts = []
    for protocol in card.get_column("protocol").unique(maintain_order=True):
        rows = card.filter(pl.col("protocol") == protocol)
        met = rows.filter(pl.col("verdict").is_in(["met", "clearly met"])).height
        clearly = rows.filter(pl.col("verdict") == "clearly met").height
        parts.append(
            f"protocol *{protocol}*: {met} of {rows.height} met, {clearly} of them clearly (the lower bound reaches the target)"
        )
    return "**Targets: " + "; ".join(parts) + ".**"


def worse_off(shares: dict[str, float], model: str, protocol: str, baseline: str = "popularity") -> str:
    """Say for how many users the model is worse than a simple baseline."""
    return (
        f"Protocol *{protocol}*: **{percent(shares['worse'])} of the users get a worse list from {model} than from "
        f"{baseline}**, {percent(shares['better'])} a better one, {percent(shares['equal'])} an equally good one."
    )


def _interval(row: dict[str, Any]) -> str:
    """`0.1234 (0.1200 to 0.1270)` of a row with mean, low, high."""
    return f"{row['mean']:.4f} ({row['low']:.4f} to {row['high']:.4f})"


def _disjoint(first: dict[str, Any], second: dict[str, Any]) -> bool:
    """Whether two intervals do not overlap."""
    return first["low"] > second["high"] or second["low"] > first["high"]


def few_users(
    boards: Mapping[str, pl.DataFrame], chosen: Mapping[str, str], split_metadata: Mapping[str, Any]
) -> list[str]:
    """How unsure the scores of a small shop are, per protocol where it is one.

    Parameters
    ----------
    boards
        Protocol -> leaderboard (see `evaluation.leaderboard`).
    chosen
        Protocol -> the chosen model.
    split_metadata
        From 04_prepare (reports/metrics/data.json).
    """
    counts, horizon = split_metadata["windows"]["test"], split_metadata["horizon_days"]
    sentences = []
    for protocol, board in boards.items():
        for row in board.filter(pl.col("model") == chosen[protocol]).iter_rows(named=True):
            interval = row["ndcg@10_ci"]
            sentences.append(prepare_takeaways.few_users(counts[f"evaluated_{protocol}"], protocol, *interval, horizon))
    return [sentence for sentence in sentences if sentence]


def user_sample(n_evaluated: int, n_users: int) -> str:
    """Say that the results at several cuts and on both splits are of a sample of users, if they are; else nothing.

    Parameters
    ----------
    n_evaluated, n_users
        See `Report.user_sample`.
    """
    if n_evaluated == n_users:
        return ""
    return (
        f"**These results are of a random sample of {n_evaluated:,} of {n_users:,} users**, the same for all models, and so are their intervals. "
        "The leaderboards and the target card are of all users."
    )


def staleness(table: pl.DataFrame, model: str, metric: str = "ndcg@10") -> str:
    """Say whether lists that were fixed at the cut go stale. `table`: `diagnostics.summary` by week, days and model."""
    rows = table.filter(pl.col("model") == model, pl.col("metric") == metric, pl.col("days") == 7).sort("week")
    if rows.height < 2:
        return (
            "The test window has fewer than two full weeks with users to evaluate: whether lists go stale is unknown."
        )
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    change = last["mean"] / first["mean"] - 1 if first["mean"] else 0.0
    if _disjoint(first, last):
        verdict = f"{'up' if change > 0 else 'down'} {percent(abs(change))}, and the intervals do not overlap"
    else:
        verdict = "the intervals overlap: there is no clear change"
    return f"**{model}'s lists, {metric}: {_interval(first)} in week {first['week']}, {_interval(last)} in week {last['week']}**; {verdict}."


def learning_curve(table: pl.DataFrame, model: str, baseline: str, metric: str = "ndcg@10") -> str:
    """Say how much history a model needs to beat a simple baseline. `table`: `diagnostics.summary` by history.

    Groups of fewer than MIN_USERS users are left out: their intervals are unreliable.
    """
    rows = table.filter(pl.col("metric") == metric, pl.col("n") >= MIN_USERS).sort("history")
    own, theirs = ({row["history"]: row for row in rows.filter(model=name).to_dicts()} for name in (model, baseline))
    both = [history for history in own if history in theirs]
    if not both or model == baseline:
        return (
            f"{model} and {baseline} cannot be compared: they are the same model, or no users were evaluated with both."
        )
    groups: dict[str, list[str]] = {"clearly above": [], "not clearly different from": [], "clearly below": []}
    for history in both:
        groups[_position(own[history], theirs[history])].append(history)
    verdict = "; ".join(f"{word} {baseline} for {', '.join(names)}" for word, names in groups.items() if names)
    shortest_and_longest = dict.fromkeys([next(iter(own)), next(reversed(own))])  # may be the same
    shown = ", ".join(f"{_interval(own[history])} for {history}" for history in shortest_and_longest)
    return (
        f"**By number of distinct products in the purchase history, {metric} of {model} is {shown}.** It is {verdict}."
    )


def _position(own: dict[str, Any], other: dict[str, Any]) -> str:
    """Where an interval is relative to another one."""
    if not _disjoint(own, other):
        return "not clearly different from"
    return "clearly above" if own["low"] > other["high"] else "clearly below"


def stability(table: pl.DataFrame, model: str, protocol: str, metric: str = "ndcg@10") -> str:
    """Say whether the chosen model also leads at other cuts. `table`: `diagnostics.summary` by cut, protocol and model."""
    rows = table.filter(pl.col("protocol") == protocol, pl.col("metric") == metric).sort("cut", "mean", "model")
    own = rows.filter(pl.col("model") == model)
    n = rows.get_column("cut").n_unique()
    if not own.height:
        return f"Protocol *{protocol}*: no users to evaluate at any cut."
    top = rows.group_by("cut", maintain_order=True).agg(pl.col("mean").max().alias("top"))
    leads = own.join(top, on="cut").filter(pl.col("mean") == pl.col("top")).height
    lowest, highest = own.get_column("mean").min(), own.get_column("mean").max()
    few = (
        ""
        if own.height == n
        else f" (of {n} in total: at the others it had nothing to learn from, or was too far behind to be fitted)"
    )
    span = f"{metric} from {lowest:.4f} to {highest:.4f}" if own.height > 1 else f"{metric} {lowest:.4f}"
    return f"**Protocol *{protocol}*: {model} leads at {leads} of the {plural(own.height, 'cut')} at which it was evaluated**{few}; {span}."


def calibration(bins: pl.DataFrame, errors: dict[str, float]) -> str:
    """Say whether probabilities are calibrated. `bins`: `calibration.calibration_by_model`; `errors`: by model."""
    if not bins.height:
        return "No model of this run predicts probabilities: there is nothing to check."
    sentences = []
    for (model,), rows in bins.group_by("model", maintain_order=True):
        share = rows.get_column("n") / rows.get_column("n").sum()
        predicted, observed = (rows.get_column("predicted") * share).sum(), (rows.get_column("observed") * share).sum()
        within = rows.filter(pl.col("predicted").is_between("low", "high")).height
        direction = "too high" if predicted > observed else "too low"
        verdict = "its probabilities are well calibrated" if within == rows.height else f"overall {direction}"
        sentences.append(
            f"**{model} predicted {percent(predicted)} on average, and {percent(observed)} were observed**: {verdict}; the prediction "
            f"is within the interval in {within} of {plural(rows.height, 'bin')}, expected calibration error {percent(errors[model])}."
        )
    return bullets(*sentences) if len(sentences) > 1 else sentences[0]


def catalogue(table: pl.DataFrame, model: str, protocol: str, k: int = 10) -> str:
    """Say whether a model favours popular products. `table`: `diagnostics.catalogue_use`."""
    rows = {row["model"]: row for row in table.iter_rows(named=True)}
    if model not in rows or rows[HOLDOUT][f"popularity@{k}"] is None:
        return f"Protocol *{protocol}*: no users to evaluate, so the use of the catalogue is unknown."
    own, holdout = rows[model], rows[HOLDOUT]
    low, high = own[f"popularity@{k}_ci"]
    reference = holdout[f"popularity@{k}"]
    verdict = (
        "favours popular products"
        if low > reference
        else "favours less popular products"
        if high < reference
        else "shows products about as popular as those in the holdout"
    )
    return (
        f"Protocol *{protocol}*: **{model} {verdict}**: the mean popularity percentile of its products is {percent(own[f'popularity@{k}'])}, "
        f"that of the holdout {percent(reference)}. It shows {percent(own[f'shown@{k}'])} of the catalogue (holdout: "
        f"{percent(holdout[f'shown@{k}'])}), Gini {own[f'gini@{k}']:.2f} (holdout: {holdout[f'gini@{k}']:.2f})."
    )


def random_split(table: pl.DataFrame, metric: str = "ndcg@10") -> str:
    """Say how much better models look on a random split. `table`: `diagnostics.summary` by split and model."""
    rows = {(row["split"], row["model"]): row for row in table.filter(pl.col("metric") == metric).to_dicts()}
    sentences = []
    for model in dict.fromkeys(model for split, model in rows if ("time", model) in rows and ("random", model) in rows):
        time, random = rows["time", model], rows["random", model]
        if not _disjoint(time, random):
            word = "no clearly different score"
        elif time["mean"] == 0:
            word = "a score above zero"
        else:
            ratio = random["mean"] / time["mean"]
            word = (
                f"{ratio:.1f} times the score: it is too optimistic"
                if ratio > 1
                else f"{ratio:.2f} times the score: it is not too optimistic here"
            )
        sentences.append(
            f"**{model}: a random split gives {word}** ({metric} {_interval(random)} instead of {_interval(time)})."
        )
    return bullets(*sentences) or "There are no users to evaluate in protocol *novel*: the splits cannot be compared."


def list_length(by_k: pl.DataFrame, model: str) -> str:
    """Say what longer lists add. `by_k`: `evaluation.by_length`."""
    rows = by_k.filter(pl.col("model") == model).sort("k")
    if rows.height < 2:
        return "There are no users to evaluate: the effect of longer lists is unknown."
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    return (
        f"**{model}: a list of {last['k']} finds {percent(last['recall'])} of the relevant products, a list of {first['k']} "
        f"{percent(first['recall'])}**; ndcg is {first['ndcg']:.4f} at {first['k']} and {last['ndcg']:.4f} at {last['k']}."
    )


def coverage(board: pl.DataFrame, model: str, k: int = 10) -> str:
    """Say what accuracy costs in coverage. `board`: `evaluation.leaderboard`."""
    rows = {row["model"]: row for row in board.iter_rows(named=True) if row["model"] != "random"}
    if model not in rows:
        return "There are no users to evaluate: accuracy and coverage cannot be compared."
    own, widest = rows[model], max(rows.values(), key=lambda row: (row[f"coverage@{k}"], row["model"]))
    if widest["model"] == model:
        return f"**{model} also has the highest coverage**: {percent(own[f'coverage@{k}'])}."
    return (
        f"**{model} shows {percent(own[f'coverage@{k}'])} of the catalogue at ndcg@{k} {own[f'ndcg@{k}']:.4f}**; {widest['model']} "
        f"has the highest coverage, {percent(widest[f'coverage@{k}'])}, at ndcg@{k} {widest[f'ndcg@{k}']:.4f}."
    )


def weak_slices(rows: list[dict[str, Any]], model: str, metric: str = "ndcg@10") -> str:
    """Name the groups of users in which a model is clearly below its average. `rows`: `diagnostics.weak_slices`."""
    if not rows:
        return f"**{model} is not clearly below its own average in any group** (no interval ends below it)."
    named = "; ".join(f"{row['by']} {safe(row['slice'])} ({row['mean']:.4f}, n = {row['n']:,})" for row in rows[:6])
    more = f"; and {len(rows) - 6} more" if len(rows) > 6 else ""
    return f"**{model} is clearly below its own average ({metric}) in {plural(len(rows), 'group')}**: {named}{more}."


def rules(names: Sequence[str], costs: pl.DataFrame, effects: pl.DataFrame, not_priced: Sequence[str]) -> list[str]:
    """Say what the shop's rules cost, and which of them have no price: one sentence or more.

    Parameters
    ----------
    names
        The keys of the shop's rules.
    costs, effects, not_priced
        See `rule_costs`.
    """
    if not names:
        return ["This shop has no rules for its lists: docs/lists.md explains the section `lists` of the shop file."]
    priced = len(names) > len(not_priced)
    prices = [rule_costs(costs, protocol) for protocol in PROTOCOLS] if priced else []
    return [*prices, *(rule_fills(effects, protocol) for protocol in PROTOCOLS), without_price(not_priced)]


def rule_costs(costs: pl.DataFrame, protocol: str, metric: str = "ndcg@10") -> str:
    """Say what the shop's rules cost in all, and which is the most expensive. `costs`: `rule_costs.costs`."""
    rows = costs.filter(pl.col("protocol") == protocol, pl.col("metric") == metric).to_dicts()
    if not rows:
        return f"Protocol *{protocol}*: no users to evaluate, so what the rules cost is unknown."
    total, n = rows[-1], rows[-1]["n"]  # all rules together stand at the end
    few = "" if n >= MIN_USERS else f" With {plural(n, 'user')}, intervals are unreliable."
    sentence = (
        f"**Protocol *{protocol}*: {_cost(total, metric)}**: from {total['without']:.4f} to {total['with']:.4f}, "
        f"the same {plural(n, 'user')}."
    )
    return f"{sentence}{_most_expensive(rows[:-1])}{few}"


def _cost(row: dict[str, Any], metric: str) -> str:
    """What a rule costs, with the interval of the cost."""
    rule, loss = safe(row["rule"]), -row["difference"]
    if row["low"] == row["high"] == 0:
        return f"{rule}: no change of {metric}"
    if row["low"] > 0:
        return f"{rule}: {metric} gains {row['difference']:.4f} (95 % {row['low']:.4f} to {row['high']:.4f})"
    verb = "costs" if row["high"] < 0 else "no clear change; costs"
    return f"{rule}: {verb} {loss:.4f} {metric} (95 % {-row['high']:.4f} to {-row['low']:.4f})"


def _most_expensive(alone: list[dict[str, Any]]) -> str:
    """Which of several rules costs most by itself; nothing if none clearly does."""
    clear = sorted((row for row in alone if row["high"] < 0), key=lambda row: (row["difference"], row["rule"]))
    if not alone:
        return ""
    if not clear:
        return " No rule alone has a clear cost."
    worst = clear[0]
    return (
        f" The most expensive rule is *{safe(worst['rule'])}*: alone it costs {-worst['difference']:.4f} "
        f"({-worst['high']:.4f} to {-worst['low']:.4f})."
    )


def rule_fills(effects: pl.DataFrame, protocol: str) -> str:
    """Say how many places were filled and how many lists are short. `effects`: `rule_costs.effects`."""
    rows = effects.filter(pl.col("protocol") == protocol).to_dicts()
    if not rows:
        return ""
    last = rows[-1]
    short = f"{plural(last['short'], 'list')} stayed short" if last["short"] else "no list stayed short"
    return (
        f"Protocol *{protocol}*, {safe(last['rule'])}: {percent(last['filled'])} of the places are filled from the next "
        f"model down, and {short}."
    )


def diversity(curve: pl.DataFrame, protocol: str, tolerance: float = 0.05, k: int = 10) -> str:
    """Say how far the knob can be turned before ndcg falls by more than `tolerance`. `curve`: `rule_costs.curve`."""
    rows = curve.filter(pl.col("protocol") == protocol).sort("knob").to_dicts()
    if len(rows) < 2 or not rows[0][f"ndcg@{k}"]:
        return f"Protocol *{protocol}*: no hits to lose, so what diversity costs is unknown."
    first, last = rows[0], rows[-1]
    within = list(takewhile(lambda row: row[f"ndcg@{k}"] >= (1 - tolerance) * first[f"ndcg@{k}"], rows))[-1]
    if within["knob"] == first["knob"]:
        head = f"already lists.diversity {rows[1]['knob']:g} costs more than {percent(tolerance)} of ndcg@{k}"
    else:
        head = f"up to lists.diversity {within['knob']:g}, ndcg@{k} stays within {percent(tolerance)} of the model's own lists"
    return f"**Protocol *{protocol}*: {head}** ({_knob(within, k)}); {_knob(last, k)}; without it, {_knob(first, k)}."


def _knob(row: dict[str, Any], k: int) -> str:
    spread = row[f"diversity@{k}"]
    text = "" if spread is None else f", diversity@{k} {spread:.3f}"
    return f"at {row['knob']:g}: ndcg@{k} {row[f'ndcg@{k}']:.4f}{text}, coverage {percent(row[f'coverage@{k}'])}"


def without_price(keys: Sequence[str]) -> str:
    """Say which of the shop's rules have no price. `keys`: of the section `lists`, see `rule_costs.not_priced`."""
    if not keys:
        return ""
    return f"Not priced: {', '.join(f'`{key}`' for key in keys)}. Availability and stock are known for today only, not for the cut."
