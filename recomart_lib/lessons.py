"""What models that read features learn from: candidates at earlier cuts, and what followed them.

A *lesson* has one row per candidate of some users at an earlier cut: what sources and feature store knew of it then
(see `candidates`), and whether the user took it in the window that followed (`label`). Cuts lie one below the other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata

from recomart_lib import candidates, feature_store, parallel, splits
from recomart_lib.models.base import TrainData
from recomart_lib.models.trees import numbers
from recomart_lib.schemas import TIMESTAMP
from recomart_lib.training import Tables, data_of

log = logging.getLogger(__name__)

KEPT = 0.1  # share of the candidates that were not taken which a lesson keeps: they are many, and alike
KEYS = {"user_id": pl.String, "item_id": pl.String, "as_of": TIMESTAMP, "label": pl.Int32}


def taught(
    window: Tables,
    name: str,
    events: pl.DataFrame,
    facts: dict[str, Any],
    service: str,
    past: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    only: np.ndarray | None = None,
) -> TrainData:
    """What a model may learn from at the cut of a window: its pairs, their features, candidates, and earlier lessons.

    Parameters
    ----------
    name
        The window's: valid, test or live, or that of a past cut.
    facts
        Of 04_prepare (reports/metrics/data.json).
    service
        The version of the feature service that the models pin, like recommender_v2.
    past
        Lessons (see `learn`); those whose answers were not all known at the cut are left out.
    users, items
        The prepared tables, for models that read attributes; an item's price is the one told before the cut.
    only
        The user_idx whose pairs' features are asked of the store; None: everybody's.
    """
    cut = splits.cuts(facts)[name]
    ended = None if past is None else past.filter(pl.col("as_of") <= latest_lesson(name, facts))
    log.info("%s: asks the store for features, and fits the sources of candidates", name)
    now = features(window, cut, service, only)
    baskets = splits.baskets(splits.before(events, cut), window["users"], window["items"], facts["relevant_events"])
    known = data_of(window, cut, None, None, baskets=baskets)
    found = candidates.at(window, known, now, service)
    return data_of(window, cut, ended, now, users, priced(items, events, cut), baskets, found)


def latest_lesson(name: str, facts: dict[str, Any]) -> datetime:
    """The latest moment whose answers, one horizon long, were all known at the cut of this name.

    The answers of valid end at the test cut, and at the live cut everything is known, whatever clocks did in between.
    """
    cuts = splits.cuts(facts)
    whole = {"test": cuts["valid"], "live": cuts["test"]}
    return whole.get(name, cuts[name] - timedelta(days=facts["horizon_days"]))


def learn(
    names: Iterable[str], events: pl.DataFrame, facts: dict[str, Any], service: str, n_users: int, seed: int
) -> pl.DataFrame:
    """The lessons of past cuts (see `lesson`), one below the other; the sources of each are fitted at its cut."""
    cuts, horizon = splits.cuts(facts), timedelta(days=facts["horizon_days"])

    def learned(name: str) -> pl.DataFrame:
        window = splits.split(events, splits.Window(name, cuts[name], cuts[name] + horizon), facts["relevant_events"])
        users = drawn(window, cuts[name], n_users, seed)
        return lesson(taught(window, name, events, facts, service, only=users), window, users, seed)

    return together(pl.DataFrame(schema=KEYS), *parallel.each(learned, names, "lessons of past cuts", "cut"))


def together(*lessons: pl.DataFrame) -> pl.DataFrame:
    """Lessons, one below the other."""
    return pl.concat(lessons, how="diagonal")


def before_valid(facts: dict[str, Any]) -> list[str]:
    """The names of the cuts that valid and test learn from, and that nobody is judged by."""
    return [name for name in splits.cuts(facts) if name not in ("valid", "test", "live")]


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


def drawn(window: Tables, cut: datetime, n_users: int, seed: int) -> np.ndarray:
    """At most `n_users` user_idx, in ascending order, of those who took a known item in the window, at random."""
    answered = splits.relevant(window["answers"], "all")
    eager = window["users"].join(answered, on="user_id", how="semi").get_column("user_idx").sort().to_numpy()
    rng = np.random.default_rng([seed, 0, int(cut.timestamp())])
    return np.sort(rng.choice(eager, min(n_users, len(eager)), replace=False))


def lesson(data: TrainData, window: Tables, users: np.ndarray, seed: int) -> pl.DataFrame:
    """One row per candidate of these users (see `drawn`): user_id, item_id, as_of, label (1: taken in the window), and
    the columns of `candidates`. Of the candidates that they did not take, a share of `KEPT` is drawn.
    """
    answered = splits.relevant(window["answers"], "all")
    rng = np.random.default_rng([seed, 1, int(data.cut.timestamp())])
    rows = data.candidates(users).join(window["users"], on="user_idx").join(window["items"], on="item_idx")
    rows = rows.join(answered.with_columns(label=pl.lit(1, pl.Int32)), on=["user_id", "item_id"], how="left")
    rows = rows.with_columns(pl.col("label").fill_null(0), as_of=pl.lit(data.cut).cast(TIMESTAMP))
    rows = rows.sort("user_id", "item_id")
    kept = rows.filter((pl.col("label") == 1) | pl.Series(rng.random(rows.height) < KEPT))
    return kept.select(*KEYS, pl.exclude(*KEYS, "user_idx", "item_idx"))


def features(window: Tables, cut: datetime, service: str, only: np.ndarray | None = None) -> pl.DataFrame:
    """One row per pair of the window with a relevant event: ids, indices, and the service's features as of the cut.

    `only`: see `taught`; to ask for few pairs is faster.
    """
    known = window["interactions"].filter(pl.col("n_relevant") > 0)
    if only is not None:
        known = known.filter(pl.col("user_idx").is_in(only.tolist()))
    spine = known.select("user_id", "item_id", "user_idx", "item_idx", as_of=pl.lit(cut))
    return feature_store.training_frame(spine, service)


def describe(taught_by: dict[str, TrainData]) -> pl.DataFrame:
    """One row per window: window, cuts, rows and users of its lessons, taken (share of rows), columns."""
    rows = []
    for name, data in taught_by.items():
        table = data.lesson
        if table is None or not table.height:
            rows.append((name, 0, 0, 0, None, 0))
            continue
        rows.append((name, table.get_column("as_of").n_unique(), table.height, table.get_column("user_id").n_unique(),
                     table.get_column("label").mean(), len(numbers(table))))  # fmt: skip
    columns = {"window": pl.String, "cuts": pl.Int64, "rows": pl.Int64, "users": pl.Int64, "taken": pl.Float64,
               "columns": pl.Int64}  # fmt: skip
    return pl.DataFrame(rows, schema=columns, orient="row")


def signal(table: pl.DataFrame | None) -> pl.DataFrame:
    """How well each numeric feature alone tells what is taken again among the own items of a lesson.

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
    table = None if table is None or not table.height else table.filter("own")
    if table is None or table.get_column("label").n_unique() < 2:
        return pl.DataFrame(schema=columns)
    label = table.get_column("label").to_numpy() == 1
    rows = []
    for name in (name for name in numbers(table) if not candidates.is_of_source(name)):
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
