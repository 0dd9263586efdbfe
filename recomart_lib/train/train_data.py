"""The training data of models, with and without features."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from recomart_lib.features import feature_store
from recomart_lib.models.base import Rows, TrainData
from recomart_lib.prepare import splits
from recomart_lib.train.candidates import at

log = logging.getLogger(__name__)


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
    found = at(window, known, now, service)
    return data_of(window, cut, ended, now, users, priced(items, events, cut), baskets, found)


def latest_lesson(name: str, facts: dict[str, Any]) -> datetime:
    """The latest moment whose answers, one horizon long, were all known at the cut of this name.

    The answers of valid end at the test cut, and at the live cut everything is known, whatever clocks did in between.
    """
    cuts = splits.cuts(facts)
    whole = {"test": cuts["validation"], "live": cuts["test"]}
    return whole.get(name, cuts[name] - timedelta(days=facts["horizon_days"]))


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


def features(window: Tables, cut: datetime, service: str, only: np.ndarray | None = None) -> pl.DataFrame:
    """One row per pair of the window with a relevant event: ids, indices, and the service's features as of the cut.

    `only`: see `taught`; to ask for few pairs is faster.
    """
    known = window["interactions"].filter(pl.col("n_relevant") > 0)
    if only is not None:
        known = known.filter(pl.col("user_idx").is_in(only.tolist()))
    spine = known.select("user_id", "item_id", "user_idx", "item_idx", as_of=pl.lit(cut))
    return feature_store.training_frame(spine, service)


Tables = dict[str, pl.DataFrame]


def data_of(
    window: Tables,
    cut: datetime,
    lesson: pl.DataFrame | None = None,
    features: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    baskets: pl.DataFrame | None = None,
    candidates: Rows | None = None,
) -> TrainData:
    """What a model may learn from: the interactions of a window (see `splits.split`), with features (`lessons`).

    `users` and `items` tell, by user_id and item_id, attributes as they were known at the cut; `baskets` see
    `splits.baskets`, `candidates` see `TrainData`.
    """
    known = [
        None if facts is None else window[name].join(facts, on=key, how="left")
        for name, key, facts in (("users", "user_id", users), ("items", "item_id", items))
    ]
    n_users, n_items = window["users"].height, window["items"].height
    return TrainData.of(window["interactions"], n_users, n_items, cut, lesson, features, *known, baskets, candidates)
