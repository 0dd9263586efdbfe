"""Training data of models at a cut: pairs, features, candidates and training examples."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from recomart_lib.features import feature_store
from recomart_lib.models.base import TrainData
from recomart_lib.prepare import splits, versions
from recomart_lib.train.candidates import build_candidates

log = logging.getLogger(__name__)

Tables = dict[str, pl.DataFrame]


def from_window(window: Tables, cut: datetime) -> TrainData:
    """The interactions of a window (see `splits.split`), without any of the optional parts."""
    return TrainData.of(window["interactions"], window["users"].height, window["items"].height, cut)


def simple_train_data(
    window: Tables,
    cut: datetime,
    events: pl.DataFrame,
    relevant_events: list[str],
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    is_live: bool = False,
) -> TrainData:
    """The data of models that need no feature store: pairs, baskets and attributes; see `build_train_data`."""
    baskets = splits.baskets(splits.before(events, cut), window["users"], window["items"], relevant_events)
    held = None if is_live else cut
    return (
        from_window(window, cut)
        .with_baskets(baskets)
        .with_attributes(
            users=None if users is None else _attributes(window["users"], versions.as_of(users, "user_id", held)),
            items=None if items is None else _attributes(window["items"], priced_items(items, held, events, cut)),
        )
    )


def build_train_data(
    window: Tables,
    name: str,
    events: pl.DataFrame,
    split_metadata: dict[str, Any],
    service: str,
    examples: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    only: np.ndarray | None = None,
) -> TrainData:
    """All training data at the cut of a window: pairs, baskets, features, candidates, attributes and examples.

    Parameters
    ----------
    name
        Of the window: validation, test or live, or the name of a training cut.
    split_metadata
        From 04_prepare (reports/metrics/data.json).
    service
        The version of the feature service that the models pin, such as recommender_v2.
    examples
        Training examples (see `training_examples`); those whose outcome was not yet known at the cut are left out.
    users, items
        The histories (see `prepare.versions`), for models that read attributes. They get what held at the cut, and in
        the live window the newest statements; prices: see `priced_items`.
    only
        The user_idx whose pair features are read from the store; None: all users.
    """
    cut = splits.cuts(split_metadata)[name]
    if examples is not None:
        examples = examples.filter(pl.col("as_of") <= latest_example_cut(name, split_metadata))
    log.info("%s: reading features from the store and fitting the candidate sources", name)
    features = pair_features(window, cut, service, only)
    is_live = name == "live"
    data = simple_train_data(window, cut, events, split_metadata["relevant_events"], users, items, is_live)
    candidates = build_candidates(window, data, features, service)
    return data.with_candidates(candidates).with_features(features).with_examples(examples)


def latest_example_cut(name: str, split_metadata: dict[str, Any]) -> datetime:
    """The latest cut whose outcome, one horizon long, was fully known at the cut of this name.

    The outcome of validation ends at the test cut, and at the live cut that of test is known, whatever daylight saving
    time does in between.
    """
    cuts = splits.cuts(split_metadata)
    previous = {"test": cuts["validation"], "live": cuts["test"]}
    return previous.get(name, cuts[name] - timedelta(days=split_metadata["horizon_days"]))


def priced_items(items: pl.DataFrame, held: datetime | None, events: pl.DataFrame, cut: datetime) -> pl.DataFrame:
    """item_id, name, category, brand as of `held` (None: the newest statements), and price.

    The price is the one that the shop stated. If it has stated its products once only, that price is today's and would
    leak the future: then it is the price in the item's last event with a price before the cut (several at that moment:
    the lowest).
    """
    with_price = events.filter(pl.col("timestamp") < cut, pl.col("price").is_not_null())
    last = with_price.filter(pl.col("timestamp") == pl.col("timestamp").max().over("item_id"))
    prices = last.group_by("item_id").agg(pl.col("price").min())
    table = versions.as_of(items, "item_id", held).select("item_id", "name", "category", "brand", stated="price")
    priced = table.join(prices, on="item_id", how="left")
    price = pl.coalesce("stated", "price") if versions.is_repeated(items, "item_id") else pl.col("price")
    return priced.with_columns(price=price).drop("stated")


def pair_features(window: Tables, cut: datetime, service: str, only: np.ndarray | None = None) -> pl.DataFrame:
    """One row per pair of the window with a relevant event: ids, indices, and the service's features as of the cut.

    `only`: see `build_train_data`; fewer pairs are faster.
    """
    pairs = window["interactions"].filter(pl.col("n_relevant") > 0)
    if only is not None:
        pairs = pairs.filter(pl.col("user_idx").is_in(only.tolist()))
    spine = pairs.select("user_id", "item_id", "user_idx", "item_idx", as_of=pl.lit(cut))
    return feature_store.training_frame(spine, service)


def _attributes(encoder: pl.DataFrame, attributes: pl.DataFrame) -> pl.DataFrame:
    """The attributes of each index of an encoder of users or items."""
    return encoder.join(attributes, on=[name for name in encoder.columns if name.endswith("_id")], how="left")
