"""Beyond the headline: scores by week, purchase history and cut, and how lists use the catalogue.

Tables of evaluated users have one row per model and user (`by_model.per_user`), and any columns to group by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from recomart_lib.metrics import beyond_accuracy, by_model, intervals

DAYS_PER_WEEK = 7
HOLDOUT = "(holdout)"  # in `catalogue_use`: the products that users interacted with in the window
MIN_USERS = 10  # smaller groups are not reported: their intervals are unreliable
HISTORY = {"cold": -1, "0": 0, "1": 1, "2": 2, "3-5": 5, "6-10": 10, "11-20": 20}  # bin -> largest number of products
LONGEST_HISTORY = "over 20"


def summary(table: pl.DataFrame, by: Sequence[str], names: Sequence[str], n_bootstrap: int, seed: int) -> pl.DataFrame:
    """Compute group means, each with its 95 % bootstrap interval over users.

    Parameters
    ----------
    table
        Evaluated users, with the columns `by`.
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
    lists: pl.DataFrame, protocol: str, purchases: pl.DataFrame, start: datetime, end: datetime, ks: Sequence[int]
) -> pl.DataFrame:
    """Evaluate lists that were fixed at the cut on each week after it.

    Parameters
    ----------
    lists
        Recommendations of several models.
    purchases
        One row per relevant event: user_id, item_id, timestamp. The distinct pairs of a week count in that week; users
        without one are not evaluated in it. A pair that occurs in two weeks counts in both.
    start, end
        The test window, half-open.

    Returns
    -------
    DataFrame
        `week` (1: the first seven days from the cut), `days` (its length within the window; the last may be shorter),
        then the columns of `by_model.per_user`.
    """
    inside = purchases.filter(pl.col("timestamp").is_between(start, end, closed="left"))
    week = (pl.col("timestamp") - pl.lit(start)).dt.total_days() // DAYS_PER_WEEK + 1
    pairs = inside.select(week.alias("week"), "user_id", "item_id").unique()
    length = (end - start) / timedelta(days=1)
    parts = [_in_week(by_model.per_user(lists, {}, ks), 0, 0)]
    for (number,), part in pairs.sort("week", "user_id", "item_id").group_by("week", maintain_order=True):
        evaluated = by_model.per_user(lists, {protocol: part.drop("week")}, ks)
        parts.append(_in_week(evaluated, number, min(DAYS_PER_WEEK, round(length - DAYS_PER_WEEK * (number - 1)))))
    return pl.concat(parts)


def _in_week(evaluated: pl.DataFrame, number: int, days: int) -> pl.DataFrame:
    return evaluated.select(pl.lit(number, pl.Int64).alias("week"), pl.lit(days, pl.Int64).alias("days"), pl.all())


def by_history(evaluated: pl.DataFrame, interactions: pl.DataFrame) -> pl.DataFrame:
    """Add the number of distinct products in each user's purchase history before the cut, in bins.

    Parameters
    ----------
    interactions
        Before the cut: user_id, n_relevant.

    Returns
    -------
    DataFrame
        `history` (Enum, in order: cold = no events at all; 0 = other events only; 1; 2; 3-5; ...), then the columns of
        `evaluated`.
    """
    items = interactions.group_by("user_id").agg(items=(pl.col("n_relevant") > 0).sum().cast(pl.Int64))
    count = pl.col("items").fill_null(-1)
    bins = pl.Enum([*HISTORY, LONGEST_HISTORY])
    history = pl.lit(LONGEST_HISTORY)
    for name, largest in reversed(HISTORY.items()):
        history = pl.when(count <= largest).then(pl.lit(name)).otherwise(history)
    joined = evaluated.join(items, on="user_id", how="left", maintain_order="left")
    return joined.select(history.cast(bins).alias("history"), pl.exclude("items"))


def over_cuts(cuts: pl.DataFrame) -> pl.DataFrame:
    """Summarise how a metric varies from cut to cut.

    Parameters
    ----------
    cuts
        `summary` of data/models/backtest.parquet by cut, protocol and model.

    Returns
    -------
    DataFrame
        One row per protocol, metric and model, best mean first: protocol, metric, model, cuts (number of
        cuts at which it was evaluated), mean, sd (between cuts; null for one), lowest, highest.
    """
    aggregates = {
        "cuts": pl.len().cast(pl.Int64),
        "sd": pl.col("mean").std(),
        "lowest": pl.col("mean").min(),
        "highest": pl.col("mean").max(),
        "average": pl.col("mean").mean(),
    }
    spread = cuts.group_by("protocol", "metric", "model").agg(**aggregates).rename({"average": "mean"})
    spread = spread.select("protocol", "metric", "model", "cuts", "mean", "sd", "lowest", "highest")
    return spread.sort("protocol", "metric", "mean", "model", descending=[False, False, True, False])


def catalogue_use(
    lists: pl.DataFrame, relevant: pl.DataFrame, interactions: pl.DataFrame, k: int, n_bootstrap: int, seed: int
) -> pl.DataFrame:
    """Measure how popular the listed products are, and how much of the catalogue the lists use.

    Parameters
    ----------
    lists
        One row per suggestion, of several models under one protocol.
    relevant
        The holdout pairs: user_id, item_id.
    interactions
        Before the cut (item_id, n_relevant): their items are the catalogue.

    Returns
    -------
    DataFrame
        One row per model, and `HOLDOUT` for the relevant pairs: model; popularity@k = mean popularity percentile of the
        items, by number of users before the cut (0: least, 1: most popular; ties share their middle rank), averaged
        over each user's items, then over users, with popularity@k_ci; shown@k = share of the catalogue that occurs at
        least once; gini@k = Gini coefficient of how often each item occurs (0: all equal, 1: always the same item).
    """
    popularity = interactions.group_by("item_id").agg(users=(pl.col("n_relevant") > 0).sum()).sort("item_id")
    percentile_of = popularity.select("item_id", percentile=(pl.col("users").rank("average") - 0.5) / pl.len())
    top = lists.filter(pl.col("rank") <= k).select(pl.col("model").cast(pl.String), "user_id", "item_id")
    shown = pl.concat([top, relevant.select(pl.lit(HOLDOUT).alias("model"), "user_id", "item_id")])
    percentiles = shown.join(percentile_of, on="item_id").sort("model", "user_id", "item_id")
    means = percentiles.group_by("model", "user_id", maintain_order=True).agg(pl.col("percentile").mean())
    means_of = {name: part["percentile"].to_numpy() for (name,), part in means.group_by("model", maintain_order=True)}
    times_of = dict(shown.group_by("model", "item_id").len().group_by("model"))
    rows = []
    for name in [*top.get_column("model").unique().sort(), HOLDOUT]:
        of_users = means_of.get(name, np.empty(0))
        low, high = intervals.bootstrap_ci(of_users, n_bootstrap, seed)
        times = times_of[name,].get_column("len").to_numpy() if (name,) in times_of else np.empty(0)
        mean = float(of_users.mean()) if of_users.size else None
        rows.append(
            (name, mean, [low, high], len(times) / popularity.height, beyond_accuracy.gini(times, popularity.height))
        )
    columns = (pl.String, pl.Float64, pl.List(pl.Float64), pl.Float64, pl.Float64)
    names = ("model", f"popularity@{k}", f"popularity@{k}_ci", f"shown@{k}", f"gini@{k}")
    return pl.DataFrame(rows, schema=dict(zip(names, columns, strict=True)), orient="row")


def weak_slices(slices: Mapping[str, pl.DataFrame], model: str, overall: float) -> list[dict[str, Any]]:
    """Find the slices in which a model is clearly below average: the interval ends below the mean of all users.

    Slices of fewer than `MIN_USERS` users are left out: their bootstrap intervals are unreliable.

    Parameters
    ----------
    slices
        What users were sliced by -> the table of `comparison.slices`, whose first column names the slice.

    Returns
    -------
    list
        One entry per such slice, the worst first: by, slice, mean, low, high, n.
    """
    rows = [
        {"by": by, "slice": str(row[by]), **{name: row[name] for name in ("mean", "low", "high", "n")}}
        for by, table in slices.items()
        for row in table.filter(pl.col("model") == model, pl.col("high") < overall, pl.col("n") >= MIN_USERS).to_dicts()
    ]
    return sorted(rows, key=lambda row: (row["mean"], row["by"], row["slice"]))


def n_groups(slices: Mapping[str, pl.DataFrame], model: str) -> int:
    """How many groups `weak_slices` looks at: large enough, and not all users in one."""
    tables = [
        table.filter(pl.col("model") == model)
        for table in slices.values()
        if table.get_column(table.columns[0]).n_unique() > 1
    ]
    return sum(table.filter(pl.col("n") >= MIN_USERS).height for table in tables)


def same_lists(lists: pl.DataFrame, baseline: str, k: int) -> list[str]:
    """The models whose first k products are those of `baseline`, in its order, for every user: they fell back on it.

    `lists`: of one protocol.
    """
    first = lists.filter(pl.col("rank") <= k).select("model", "user_id", "rank", "item_id")
    own = first.filter(pl.col("model") == baseline).select("user_id", "rank", "item_id")
    others = first.filter(pl.col("model") != baseline)
    same = others.join(own, on=["user_id", "rank", "item_id"], how="semi").group_by("model").len("same")
    counts = others.group_by("model").len("all").join(same, on="model")
    return counts.filter(pl.col("same") == pl.col("all")).get_column("model").cast(pl.String).sort().to_list()
