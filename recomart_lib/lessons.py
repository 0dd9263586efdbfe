"""What models that read features learn from: the feature store, at earlier cuts, and what followed them.

A *lesson* has one row per user-item pair that was known at an earlier cut: its features as of that cut, and whether the
user took the item again in the window that followed (`label`). Several cuts lie one below the other.
"""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from recomart_lib import feature_store, splits
from recomart_lib.models.base import TrainData
from recomart_lib.models.repurchase import numbers
from recomart_lib.training import Tables, data_of


def taught(
    window: Tables,
    name: str,
    events: pl.DataFrame,
    facts: dict[str, Any],
    service: str,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
) -> TrainData:
    """What a model may learn from at the cut of a window: its pairs, their features, and the lessons of earlier cuts.

    Parameters
    ----------
    name
        The window's: valid, test or live.
    facts
        Of 04_prepare (reports/metrics/data.json).
    service
        The version of the feature service that the models pin, like recommender_v2.
    users, items
        The prepared tables, for models that read attributes; an item's price is the one told before the cut.
    """
    cuts = splits.cuts(facts)
    moments = [moment for moment in cuts.values() if moment <= cuts[name]]
    end = datetime.fromisoformat(facts["end"])  # the live cut may lie later: the last window is as long as the others
    windows = [(start, min(after, end)) for start, after in pairwise(moments)]
    lessons = [lesson(events, start, until, facts["relevant_events"], service) for start, until in windows]
    learned = pl.concat(lessons) if lessons else None
    now = features(window, cuts[name], service)
    return data_of(window, cuts[name], learned, now, users, priced(items, events, cuts[name]))


def priced(items: pl.DataFrame | None, events: pl.DataFrame, cut: datetime) -> pl.DataFrame | None:
    """The items' item_id, name, category, brand, and price: of the last event before the cut that told one.

    Several at that moment: the lowest. The items table's own price is today's: it may tell of the future.
    """
    if items is None:
        return None
    told = events.filter(pl.col("timestamp") < cut, pl.col("price").is_not_null())
    last = told.filter(pl.col("timestamp") == pl.col("timestamp").max().over("item_id"))
    prices = last.group_by("item_id").agg(pl.col("price").min())
    return items.select("item_id", "name", "category", "brand").join(prices, on="item_id", how="left")


def lesson(events: pl.DataFrame, start: datetime, end: datetime, relevant: list[str], service: str) -> pl.DataFrame:
    """One row per pair with a relevant event before `start`: user_id, item_id, as_of, label (1: again in [start, end)),
    and the service's features as of `start`.
    """
    liked = events.filter(pl.col("event_type").is_in(relevant)).select("user_id", "item_id", "timestamp")
    known = liked.filter(pl.col("timestamp") < start).select("user_id", "item_id").unique()
    inside = pl.col("timestamp").is_between(start, end, closed="left")
    again = liked.filter(inside).select("user_id", "item_id", label=pl.lit(1)).unique()
    spine = known.join(again, on=["user_id", "item_id"], how="left").sort("user_id", "item_id")
    return feature_store.training_frame(spine.with_columns(pl.col("label").fill_null(0), as_of=pl.lit(start)), service)


def features(window: Tables, cut: datetime, service: str) -> pl.DataFrame:
    """One row per pair of the window with a relevant event: ids, indices, and the service's features as of the cut."""
    known = window["interactions"].filter(pl.col("n_relevant") > 0)
    spine = known.select("user_id", "item_id", "user_idx", "item_idx", as_of=pl.lit(cut))
    return feature_store.training_frame(spine, service)


def describe(taught_by: dict[str, TrainData]) -> pl.DataFrame:
    """One row per window: window, lessons (cuts), pairs (rows of the lessons), again (share taken again), features."""
    rows = []
    for name, data in taught_by.items():
        table = data.lesson
        none = table is None or not table.height
        again = None if none else table.get_column("label").mean()
        rows.append((name, 0 if none else table.get_column("as_of").n_unique(), 0 if none else table.height, again,
                     0 if none else len(numbers(table))))  # fmt: skip
    columns = {"window": pl.String, "cuts": pl.Int64, "pairs": pl.Int64, "again": pl.Float64, "features": pl.Int64}
    return pl.DataFrame(rows, schema=columns, orient="row")


def signal(table: pl.DataFrame | None) -> pl.DataFrame:
    """How well each numeric feature alone tells the pairs that are taken again.

    Returns
    -------
    DataFrame
        One row per feature that varies: feature, auc (area under the ROC curve; nulls count as smallest), low, high
        (95 % interval), n; the furthest from 0.5 first. Empty where a lesson has one kind of answer only.

    Source
    ------
    Hanley and McNeil, The meaning and use of the area under a ROC curve, 1982 (the interval).
    """
    columns = {"feature": pl.String, "auc": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64}
    if table is None or table.get_column("label").n_unique() < 2:
        return pl.DataFrame(schema=columns)
    label = table.get_column("label").to_numpy() == 1
    rows = []
    for name in numbers(table):
        values = table.get_column(name).cast(pl.Float64)
        if values.n_unique() > 1:
            rows.append((name, *_auc(values.fill_null(-np.inf).to_numpy(), label), len(label)))
    found = pl.DataFrame(rows, schema=columns, orient="row")
    return found.sort((pl.col("auc") - 0.5).abs(), "feature", descending=[True, False])


def _auc(values: np.ndarray, label: np.ndarray) -> tuple[float, float, float]:
    n, m = int(label.sum()), int((~label).sum())
    auc = (rankdata(values)[label].sum() - n * (n + 1) / 2) / (n * m)
    both, neither = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n - 1) * (both - auc**2) + (m - 1) * (neither - auc**2)) / (n * m)
    half = 1.96 * float(np.sqrt(max(variance, 0)))
    return float(auc), max(float(auc) - half, 0.0), min(float(auc) + half, 1.0)
