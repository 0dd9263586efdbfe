"""Beyond the headline: the lists over weeks, over users' histories, over cuts and splits, and over the catalogue.

Judged tables have one row per model and user (`evaluation.per_user`), and any columns to group by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from recomart_lib.metrics import beyond_accuracy, by_model, intervals

DAYS = 7  # of a week
TAKEN = "(taken)"  # in `catalogue_use`: what users really took
HISTORY = {"cold": -1, "0": 0, "1": 1, "2": 2, "3-5": 5, "6-10": 10, "11-20": 20}  # name -> largest number
LONGEST = "over 20"


def summary(table: pl.DataFrame, by: Sequence[str], names: Sequence[str], n_bootstrap: int, seed: int) -> pl.DataFrame:
    """The means of groups, each with its 95 % bootstrap interval over users.

    Parameters
    ----------
    table
        Judged, with the columns `by`.
    names
        Metrics, such as ndcg@10.

    Returns
    -------
    DataFrame
        One row per group and metric, in the order of `by`: the columns `by`, metric, mean, low, high, n (users).
    """
    rows = []
    for key, part in table.sort(*by, "user_id").group_by(*by, maintain_order=True):
        values = part.select(names).to_numpy()
        low, high = intervals.group_ci(values, n_bootstrap, seed)
        for i, name in enumerate(names):
            rows.append((*key, name, float(values[:, i].mean()), float(low[i]), float(high[i]), part.height))
    numbers = {"mean": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64}
    schema = {**{name: table.schema[name] for name in by}, "metric": pl.String, **numbers}
    return pl.DataFrame(rows, schema=schema, orient="row")


def by_week(
    lists: pl.DataFrame, protocol: str, taken: pl.DataFrame, start: datetime, end: datetime, ks: Sequence[int]
) -> pl.DataFrame:
    """Judge lists that were fixed at the cut by each week after it.

    Parameters
    ----------
    lists
        Recommendations of several models.
    taken
        One row per relevant event: user_id, item_id, timestamp. What counts in a week are the distinct pairs taken in
        it; users without one are not judged in it. A pair taken in two weeks counts in both.
    start, end
        The test window, half-open.

    Returns
    -------
    DataFrame
        `week` (1: the first seven days from the cut), `days` (its length within the window; the last may be shorter),
        then the columns of `evaluation.per_user`.
    """
    inside = taken.filter(pl.col("timestamp").is_between(start, end, closed="left"))
    week = (pl.col("timestamp") - pl.lit(start)).dt.total_days() // DAYS + 1
    pairs = inside.select(week.alias("week"), "user_id", "item_id").unique()
    length = (end - start) / timedelta(days=1)
    parts = [_in_week(by_model.per_user(lists, {}, ks), 0, 0)]
    for (number,), part in pairs.sort("week", "user_id", "item_id").group_by("week", maintain_order=True):
        judged = by_model.per_user(lists, {protocol: part.drop("week")}, ks)
        parts.append(_in_week(judged, number, min(DAYS, round(length - DAYS * (number - 1)))))
    return pl.concat(parts)


def _in_week(judged: pl.DataFrame, number: int, days: int) -> pl.DataFrame:
    return judged.select(pl.lit(number, pl.Int64).alias("week"), pl.lit(days, pl.Int64).alias("days"), pl.all())


def by_history(judged: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """A judged table with the number of distinct relevant items that each user had before the cut, in bins.

    Parameters
    ----------
    known
        The interactions before the cut: user_id, n_relevant.

    Returns
    -------
    DataFrame
        `history` (Enum, in order: cold = not known at all; 0 = known by other events only; 1; 2; 3-5; ...), then the
        columns of `judged`.
    """
    items = known.group_by("user_id").agg(items=(pl.col("n_relevant") > 0).sum().cast(pl.Int64))
    count = pl.col("items").fill_null(-1)
    names = pl.Enum([*HISTORY, LONGEST])
    ladder = pl.lit(LONGEST)
    for name, largest in reversed(HISTORY.items()):
        ladder = pl.when(count <= largest).then(pl.lit(name)).otherwise(ladder)
    joined = judged.join(items, on="user_id", how="left", maintain_order="left")
    return joined.select(ladder.cast(names).alias("history"), pl.exclude("items"))


def over_cuts(cuts: pl.DataFrame) -> pl.DataFrame:
    """How a metric varies from cut to cut.

    Parameters
    ----------
    cuts
        `summary` of data/models/backtest.parquet by cut, protocol and model.

    Returns
    -------
    DataFrame
        One row per protocol, metric and model, best mean first: protocol, metric, model, cuts (at how many it was
        judged), mean, sd (between cuts; null for one), lowest, highest.
    """
    named = {
        "cuts": pl.len().cast(pl.Int64),
        "sd": pl.col("mean").std(),
        "lowest": pl.col("mean").min(),
        "highest": pl.col("mean").max(),
        "average": pl.col("mean").mean(),
    }
    found = cuts.group_by("protocol", "metric", "model").agg(**named).rename({"average": "mean"})
    found = found.select("protocol", "metric", "model", "cuts", "mean", "sd", "lowest", "highest")
    return found.sort("protocol", "metric", "mean", "model", descending=[False, False, True, False])


def catalogue_use(
    lists: pl.DataFrame, relevant: pl.DataFrame, known: pl.DataFrame, k: int, n_bootstrap: int, seed: int
) -> pl.DataFrame:
    """Whether the lists of a protocol hold bestsellers only.

    Parameters
    ----------
    lists
        One row per suggestion, of several models under one protocol.
    relevant
        What users took in the window: user_id, item_id.
    known
        The interactions before the cut (item_id, n_relevant): their items are the catalogue.

    Returns
    -------
    DataFrame
        One row per model, and `TAKEN` for what users took: model; popularity@k = the mean percentile of the items by
        users who had them before the cut (0: least, 1: most popular; equals share their middle rank), first over each
        user's items, then over users, with popularity@k_ci; shown@k = share of the catalogue that is there at least
        once; gini@k of how often each item is there (0: all alike, 1: always the same one).
    """
    had = known.group_by("item_id").agg(users=(pl.col("n_relevant") > 0).sum()).sort("item_id")
    place = had.select("item_id", percentile=(pl.col("users").rank("average") - 0.5) / pl.len())
    top = lists.filter(pl.col("rank") <= k).sort("model")
    parts = [(name, part) for (name,), part in top.group_by("model", maintain_order=True)]
    rows = []
    for name, part in [*parts, (TAKEN, relevant)]:
        percentiles = part.join(place, on="item_id").sort("user_id", "item_id").group_by("user_id", maintain_order=True)
        means = percentiles.agg(pl.col("percentile").mean()).get_column("percentile").to_numpy()
        low, high = intervals.bootstrap_ci(means, n_bootstrap, seed)
        times = part.group_by("item_id").len().get_column("len").to_numpy()
        mean = float(means.mean()) if means.size else None
        rows.append((name, mean, [low, high], len(times) / had.height, beyond_accuracy.gini(times, had.height)))
    columns = (pl.String, pl.Float64, pl.List(pl.Float64), pl.Float64, pl.Float64)
    names = ("model", f"popularity@{k}", f"popularity@{k}_ci", f"shown@{k}", f"gini@{k}")
    return pl.DataFrame(rows, schema=dict(zip(names, columns, strict=True)), orient="row")


def weak(sliced: Mapping[str, pl.DataFrame], model: str, overall: float) -> list[dict[str, Any]]:
    """The slices in which a model is surely worse than on average: their interval ends below the mean of all users.

    Slices of fewer than FEW users are left out: the bootstrap makes nothing sure of them.

    Parameters
    ----------
    sliced
        What users were sliced by -> the table of `evaluation.slices`, whose first column names the slice.

    Returns
    -------
    list
        One entry per such slice, the worst first: by, slice, mean, low, high, n.
    """
    rows = [
        {"by": by, "slice": str(row[by]), **{name: row[name] for name in ("mean", "low", "high", "n")}}
        for by, table in sliced.items()
        for row in table.filter(pl.col("model") == model, pl.col("high") < overall, pl.col("n") >= FEW).to_dicts()
    ]
    return sorted(rows, key=lambda row: (row["mean"], row["by"], row["slice"]))


FEW = 10  # users of a group whose mean is not worth a sentence
