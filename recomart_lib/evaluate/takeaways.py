"""Takeaways of 07_evaluate: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from recomart_lib.core.model_names import named, plain
from recomart_lib.core.protocol_names import title
from recomart_lib.core.text import interval, not_applicable, percent, plural, safe, score, times
from recomart_lib.evaluate.answer import FOR_COLD
from recomart_lib.evaluate.answer_takeaways import SIGNIFICANT, no_users
from recomart_lib.evaluate.diagnostics import HOLDOUT, MIN_USERS
from recomart_lib.prepare import takeaways as prepare_takeaways

FAR_OFF = 0.1  # calibration error: ten percentage points

# What users are sliced by -> the words before the name of a slice.
GROUPS = {
    "activity": "activity",
    "tenure": "first seen",
    "country": "country",
    "category": "preferred category",
}


def best_model(table: pl.DataFrame, protocol: str) -> str:
    """Say which model is best in a protocol, and whether the intervals overlap. `table`: `evaluation.leaderboard`."""
    rows = table.sort("ndcg@10", "model", descending=[True, False])
    if rows.height < 2:
        return no_users(protocol)
    first, second = rows.row(0, named=True), rows.row(1, named=True)
    if not first["ndcg@10"]:
        return not_applicable(f"{title(protocol)}: no list of any model has a hit.")
    clear = first["ndcg@10_ci"][0] > second["ndcg@10_ci"][1]
    lead = "do not overlap" if clear else "overlap; the section *Is the lead significant?* compares user by user"
    return (
        f"**{title(protocol)}: {named(first['model'])} leads with ndcg@10 {interval(first['ndcg@10'], *first['ndcg@10_ci'])}**, "
        f"ahead of *{plain(second['model'])}* ({score(second['ndcg@10'])}). Their intervals {lead}."
    )


def fallbacks(models: list[str], protocol: str) -> str:
    """Name the models whose lists are the bestsellers; nothing if there is none. `models`: `diagnostics.same_lists`."""
    if not models:
        return ""
    shown = ", ".join(f"*{plain(model)}*" for model in models)
    return (
        f"{title(protocol)}: {shown} {'has' if len(models) == 1 else 'have'} nothing of {'its' if len(models) == 1 else 'their'} "
        "own to show here and fall back on the bestsellers: the same lists, the same scores."
    )


def comparison(test: pl.DataFrame, protocol: str) -> str:
    """Say which models differ significantly from the chosen one, by paired tests (Holm, 5 %)."""
    significant = test.filter(pl.col("p_holm") < SIGNIFICANT)
    groups = {
        "significantly better than": significant.filter(pl.col("difference") > 0),
        "**significantly worse** than": significant.filter(pl.col("difference") < 0),
        "not clearly different from": test.join(significant, on="model", how="anti"),
    }
    parts = [f"{word} {_names(rows)}" for word, rows in groups.items() if rows.height]
    if not parts:
        return not_applicable(f"{title(protocol)}: there is no other model to compare with.")
    return (
        f"**{title(protocol)}: {named(test['reference'][0])}**, chosen before the test window, is {'; '.join(parts)}."
    )


def _names(rows: pl.DataFrame) -> str:
    """The models of a comparison: all by name, or their number where they are many."""
    names = [f"*{plain(name)}*" for name in rows.get_column("model")]
    return ", ".join(names) if len(names) <= 6 else f"{len(names)} other models"


def rating_model(errors: dict[str, dict[str, float]], metrics: dict[str, dict[str, Any]]) -> str:
    """Say how well the best rating model predicts ratings, and how well it ranks."""
    raters = sorted(errors.keys() & metrics.keys(), key=lambda name: (errors[name]["rmse"], name))
    if not raters:
        return not_applicable("there are no ratings in the test window, so the rating models cannot be evaluated.")
    best, mean, floor = raters[0], errors["global_mean"]["rmse"], metrics["popularity"]["ndcg@10"]
    own, ranks = errors[best]["rmse"], metrics[best]["ndcg@10"]
    better = "better" if own < mean else "no better"
    place = "below" if ranks < floor else "above" if ranks > floor else "like"
    others = f"Of {plural(len(raters), 'rating model')} it has the lowest error. " if len(raters) > 1 else ""
    return (
        f"**{named(best)} predicts ratings {better} than the mean rating (RMSE {own:.3f} against {mean:.3f}), and ranks "
        f"{place} *{plain('popularity')}* (ndcg@10 {score(ranks)} against {score(floor)}).** {others}"
        "Predicting how much users will like a product is a different task from predicting what they will choose."
    )


def worse_off(shares: dict[str, float], model: str, protocol: str, baseline: str = "popularity") -> str:
    """Say for how many users the model is worse than a simple baseline."""
    if model == baseline:
        return not_applicable(f"{title(protocol)}: the chosen model is {plain(baseline)} itself.")
    if not any(shares.values()):
        return no_users(protocol)
    if shares["equal"] == 1:
        return not_applicable(f"{title(protocol)}: both lists are equally good for every user.")
    return (
        f"{title(protocol)}: **{percent(shares['worse'])} of the users get a worse list from {plain(model)} than from "
        f"{plain(baseline)}**, {percent(shares['better'])} a better one, {percent(shares['equal'])} an equally good one."
    )


def _of(row: dict[str, Any]) -> str:
    """`0.123 (0.120 to 0.127)` of a row with mean, low, high."""
    return interval(row["mean"], row["low"], row["high"])


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
            ends = row["ndcg@10_ci"]
            sentences.append(prepare_takeaways.few_users(counts[f"evaluated_{protocol}"], protocol, *ends, horizon))
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
        return not_applicable(
            "the test window has fewer than two full weeks with users to evaluate, so whether lists go stale is unknown."
        )
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    if not (first["mean"] or last["mean"]):
        return not_applicable(
            f"{metric.replace('_', ' ')} is 0 in the first and in the last week, so whether lists go stale is unknown."
        )
    if not _disjoint(first, last):
        verdict = "the intervals overlap: there is no clear change"
    elif first["mean"]:
        change = last["mean"] / first["mean"] - 1
        verdict = f"{'up' if change > 0 else 'down'} {percent(abs(change))}, and the intervals do not overlap"
    else:
        verdict = "up from nothing"
    return f"**{plain(model)}, {metric.replace('_', ' ')}: {_of(first)} in week {first['week']}, {_of(last)} in week {last['week']}**; {verdict}."


def learning_curve(table: pl.DataFrame, tests: pl.DataFrame, model: str, baseline: str, metric: str = "ndcg@10") -> str:
    """Say how much history a model needs to beat a simple baseline.

    Groups of fewer than MIN_USERS users are left out: their intervals are unreliable.

    Parameters
    ----------
    table
        `diagnostics.summary` by history.
    tests
        The two models compared within each group, user by user: `comparison.compare_groups`.
    """
    if model == baseline:
        return not_applicable(f"the chosen model is {plain(baseline)} itself.")
    if not tests.height:
        return not_applicable(f"no group of users by history has {MIN_USERS} or more who can be evaluated.")
    rows = {row["history"]: row for row in table.filter(model=model, metric=metric).iter_rows(named=True)}
    shortest_and_longest = dict.fromkeys([tests["history"][0], tests["history"][-1]])  # may be the same
    shown = ", ".join(f"{_of(rows[history])} for {history}" for history in shortest_and_longest)
    higher = tests.filter(pl.col("difference") > 0).height
    return (
        f"**By number of distinct products chosen before, {metric} of {plain(model)} is {shown}.** Its mean is above that of "
        f"{plain(baseline)} in {higher} of {plural(tests.height, 'group')}; compared user by user, {_by_group(tests)}."
    )


def _by_group(tests: pl.DataFrame) -> str:
    """In which groups a model is significantly better, worse, or neither. `tests`: `comparison.compare_groups`."""
    significant, above = pl.col("p_holm") < SIGNIFICANT, pl.col("difference") > 0
    parts = {
        "it is significantly better for": tests.filter(significant & above),
        "it is significantly worse for": tests.filter(significant & ~above),
        "there is no clear difference for": tests.filter(~significant),
    }
    return "; ".join(f"{words} {', '.join(rows['history'])}" for words, rows in parts.items() if rows.height)


def cold_users(table: pl.DataFrame, n_cold: int) -> str:
    """Say how good the default list of cold users is: the list that 08 delivers, else the best.

    Parameters
    ----------
    table
        `Report.cold_means`.
    n_cold
        The cold users of the test window; those who chose only unknown products are not evaluated.
    """
    if not table.height:
        return not_applicable("no cold user chose a known product in the test window.")
    delivered = (pl.col("model") == FOR_COLD).cast(pl.Int8)
    best = table.sort(delivered, "ndcg@10", "model", descending=[True, True, False]).row(0, named=True)
    if not best["ndcg@10"]:
        return not_applicable("no cold user chose a product of the default list.")
    others = n_cold - best["users"]
    only_unknown = (
        f" {plural(others, 'more cold user')} chose only products that were unknown before the window."
        if others > 0
        else ""
    )
    return (
        f"**{plural(best['users'], 'cold user')}: of ten products of *{plain(best['model'])}*, {10 * best['precision@10']:.2g} "
        f"were chosen**; {percent(best['hit_rate@10'])} of these users chose at least one.{only_unknown}"
    )


def calibration(bins: pl.DataFrame, errors: dict[str, float]) -> str:
    """Say whether probabilities are calibrated. `bins`: `calibration.calibration_by_model`; `errors`: by model."""
    if not bins.height:
        return not_applicable("no model of this run predicts probabilities.")
    return "\n\n".join(
        _calibration(model, rows, errors[model]) for (model,), rows in bins.group_by("model", maintain_order=True)
    )


def _calibration(model: str, rows: pl.DataFrame, error: float) -> str:
    share = rows.get_column("n") / rows.get_column("n").sum()
    predicted, observed = ((rows.get_column(name) * share).sum() for name in ("predicted", "observed"))
    within = rows.filter(pl.col("predicted").is_between("low", "high")).height
    direction = "too high" if predicted > observed else "too low"
    verdict = "well calibrated" if within == rows.height else f"{direction} overall"
    return (
        f"**The probabilities of {named(model)} are {verdict}**: {percent(predicted)} predicted on average, {percent(observed)} "
        f"observed{_ratio(predicted, observed) if within < rows.height else ''}. The prediction is within the interval in "
        f"{within} of {plural(rows.height, 'bin')}; predictions are off by {points(error)} on average (expected calibration "
        f"error){': do not plan with them' if error > FAR_OFF else ''}."
    )


def _ratio(predicted: float, observed: float) -> str:
    """`, 4.7 times what was observed`; nothing where nothing was observed."""
    return f", {times(predicted, observed)} what was observed" if observed else ""


def points(difference: float) -> str:
    """A difference of two shares: `9.2 percentage points`."""
    return f"{100 * difference:.2g} percentage points"


def catalogue(table: pl.DataFrame, model: str, protocol: str, k: int = 10) -> str:
    """Say whether a model favours popular products. `table`: `diagnostics.catalogue_use`."""
    rows = {row["model"]: row for row in table.iter_rows(named=True)}
    if model not in rows or rows[HOLDOUT][f"popularity@{k}"] is None:
        return no_users(protocol)
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
        f"{title(protocol)}: **{plain(model)} {verdict}**: the mean popularity percentile of its products is {percent(own[f'popularity@{k}'])}, "
        f"that of the holdout {percent(reference)}. It shows {percent(own[f'shown@{k}'])} of the catalogue (holdout: "
        f"{percent(holdout[f'shown@{k}'])}), Gini {own[f'gini@{k}']:.2f} (holdout: {holdout[f'gini@{k}']:.2f})."
    )


def random_split(table: pl.DataFrame, metric: str = "ndcg@10") -> list[str]:
    """Say how much better models look on a random split, one sentence per model.

    `table`: `diagnostics.summary` by split and model.
    """
    rows = {(row["split"], row["model"]): row for row in table.filter(pl.col("metric") == metric).to_dicts()}
    both = dict.fromkeys(model for split, model in rows if ("time", model) in rows and ("random", model) in rows)
    sentences = [_random_split(model, rows["time", model], rows["random", model], metric) for model in both]
    return sentences or [no_users("novel")]


def _random_split(model: str, time: dict[str, Any], random: dict[str, Any], metric: str) -> str:
    if not (time["mean"] or random["mean"]):
        return not_applicable(f"{plain(model)} has no hit on either split.")
    if not _disjoint(time, random):
        word = "no clearly different score"
    elif time["mean"] == 0:
        word = "a score above zero"
    else:
        ratio = random["mean"] / time["mean"]
        verdict = "too optimistic" if ratio > 1 else "not too optimistic here"
        word = f"{ratio:.2g} times the score, which is {verdict}"
    return f"**{plain(model)}: a random split gives {word}** ({metric} {_of(random)} instead of {_of(time)})."


def list_length(by_k: pl.DataFrame, model: str) -> str:
    """Say what longer lists add. `by_k`: `evaluation.by_length`."""
    rows = by_k.filter(pl.col("model") == model).sort("k")
    if rows.height < 2:
        return no_users("all")
    first, last = rows.row(0, named=True), rows.row(-1, named=True)
    if not last["recall"]:
        return not_applicable(f"no list of {plain(model)} has a hit, whatever its length.")
    return (
        f"**{plain(model)}: a list of {last['k']} finds {percent(last['recall'])} of the relevant products, a list of {first['k']} "
        f"{percent(first['recall'])}**; ndcg is {score(first['ndcg'])} at {first['k']} and {score(last['ndcg'])} at {last['k']}."
    )


def coverage(board: pl.DataFrame, model: str, k: int = 10) -> str:
    """Say what accuracy costs in coverage, in *novel*. `board`: `evaluation.leaderboard`."""
    rows = {row["model"]: row for row in board.iter_rows(named=True) if row["model"] != "random"}
    if model not in rows:
        return no_users("novel")
    if len(rows) == 1:
        return not_applicable(f"{title('novel')}: there is no other model to compare the coverage with.")
    but = " of all but random products" if "random" in board.get_column("model") else ""
    own, widest = rows[model], max(rows.values(), key=lambda row: (row[f"coverage@{k}"], row["model"]))
    if widest["model"] == model:
        return (
            f"**{title('novel')}: {plain(model)} also has the highest coverage{but}**: {percent(own[f'coverage@{k}'])}."
        )
    return (
        f"**{title('novel')}: {plain(model)} shows {percent(own[f'coverage@{k}'])} of the catalogue at ndcg@{k} {score(own[f'ndcg@{k}'])}**; "
        f"*{plain(widest['model'])}* has the highest coverage{but}, {percent(widest[f'coverage@{k}'])}, at ndcg@{k} {score(widest[f'ndcg@{k}'])}."
    )


def weak_slices(rows: list[dict[str, Any]], model: str, n_groups: int) -> str:
    """Name the groups of users in which a model is clearly below its average.

    Parameters
    ----------
    rows
        See `diagnostics.weak_slices`.
    n_groups
        The groups that were looked at (`diagnostics.n_groups`).
    """
    if not n_groups:
        return not_applicable(f"no users can be divided into groups of {MIN_USERS} or more who can be evaluated.")
    if not rows:
        return (
            f"**{plain(model)} is not clearly worse in any of {plural(n_groups, 'group')} of users**: no interval of a "
            "group ends below the mean of all."
        )
    named_groups = "; ".join(f"{_group(row)}: {score(row['mean'])} ({plural(row['n'], 'user')})" for row in rows[:6])
    more = f"; and {len(rows) - 6} more" if len(rows) > 6 else ""
    return (
        f"**{plain(model)} is clearly worse than its average in {len(rows)} of {plural(n_groups, 'group')} of users**, by ndcg@10: "
        f"{named_groups}{more}."
    )


def worst_groups(rows: list[dict[str, Any]], model: str, n_groups: int) -> str:
    """For whom the lists are worst, in one line: see `weak_slices`."""
    if not n_groups or not rows:
        return weak_slices(rows, model, n_groups)
    worst = [f"{_group(row)} ({score(row['mean'])})" for row in rows[:3]]
    return f"**Worst for**: {'; '.join(worst)}, by ndcg@10; {len(rows)} of {plural(n_groups, 'group')} are clearly below the average."


def _group(row: dict[str, Any]) -> str:
    """`activity up to 44 events`: the thirds are numbered only so that they sort."""
    name = row["slice"]
    if row["by"] == "history":
        return (
            "cold users" if name == "cold" else f"{safe(name)} {'product' if name == '1' else 'products'} chosen before"
        )
    if row["by"] in ("activity", "tenure"):
        name = name.partition(": ")[2] or name
    return f"{GROUPS.get(row['by'], safe(row['by']))} {safe(name)}"


def single_groups(slices: Mapping[str, pl.DataFrame]) -> list[str]:
    """One line for each thing to slice by that does not divide the users. `slices`: `Report.slices`."""
    return [
        not_applicable(f"by {by}: it is {_only(table, by)} for all evaluated users.")
        for by, table in slices.items()
        if table.height and table.get_column(by).n_unique() < 2
    ]


def _only(table: pl.DataFrame, by: str) -> str:
    return safe(table.get_column(by)[0])
