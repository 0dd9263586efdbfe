"""The three feature tables as of a moment: one row per user, item and pair with an event before it.

What the users and items tables state is as of the same moment (see `prepare.versions`).
"""

from __future__ import annotations

from datetime import datetime

import narwhals as nw
import polars as pl
from tqdm.auto import tqdm

from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import engine
from recomart_lib.features.base import KEYS, POSITIVE, Group, Past, microseconds
from recomart_lib.features.definitions import GROUPS
from recomart_lib.features.engine import PreparedTables
from recomart_lib.features.settings import Features


def compute(
    prepared: PreparedTables,
    as_of: datetime,
    settings: Features,
    pairs: pl.DataFrame | None = None,
    groups: tuple[Group, ...] = GROUPS,
) -> dict[str, pl.DataFrame]:
    """All feature tables as of a moment, from events strictly before it, and the statements that held at it.

    Parameters
    ----------
    pairs
        user_id, item_id: the pairs to compute features for; None: those with an earlier view, cart, purchase or rating.

    Returns
    -------
    dict
        Entity -> one row per user or item with an earlier event, and per pair: keys, `event_timestamp` = `as_of`, the
        groups' features; sorted by the keys.
    """
    past = past_of(prepared, as_of, settings, pairs)
    bases = {"user": past.events.select("user_id"), "item": past.events.select("item_id"), "interaction": past.pairs}
    tables = {entity: engine.collect(base.unique()) for entity, base in bases.items()}
    for group in tqdm(groups, desc=f"features as of {as_of:%Y-%m-%d}", unit="group", disable=None):
        tables[group.entity] = with_group(tables[group.entity], group, past)
    stamp = pl.lit(as_of).cast(TIMESTAMP)
    return {
        entity: table.with_columns(event_timestamp=stamp)
        .select(*KEYS[entity], "event_timestamp", *(f.name for g in groups if g.entity == entity for f in g.features))
        .sort(KEYS[entity])
        for entity, table in tables.items()
    }


def past_of(prepared: PreparedTables, as_of: datetime, settings: Features, pairs: pl.DataFrame | None = None) -> Past:
    """The data before `as_of`: the only place where later events and later statements are cut off."""
    moment = microseconds(as_of)
    events = prepared.events.filter(nw.col("time") < moment)
    kinds = engine.collect(events.select("event_type").unique()).get_column("event_type")
    interacted = events.filter(nw.col("event_type").is_in(POSITIVE)).select("user_id", "item_id").unique()
    if pairs is None:
        pair_table = engine.cached(interacted)
    else:
        pair_table = engine.on_same_engine(prepared, pairs.select("user_id", "item_id").unique())
    users, items = (prepared.as_of(table, as_of) for table in ("users", "items"))
    return Past(events, users, items, pair_table, moment, frozenset(kinds), settings)


def with_group(table: pl.DataFrame, group: Group, past: Past) -> pl.DataFrame:
    """The table with the features of one group; nulls if the shop has none of the events that it needs."""
    columns = {feature.name: feature.dtype for feature in group.features}
    if group.needs and not past.kinds.intersection(group.needs):
        return table.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in columns.items())
    features = engine.collect(group.build(visible_to(group, past)))
    features = features.select(*KEYS[group.entity], *(pl.col(name).cast(dtype) for name, dtype in columns.items()))
    joined = table.join(features, on=KEYS[group.entity], how="left", validate="1:1")
    filled = [pl.col(f.name).fill_null(f.empty) for f in group.features if f.empty is not None]
    return joined.with_columns(filled)


def visible_to(group: Group, past: Past) -> Past:
    """The past with only those events that the group declares in `reads`."""
    events = past.events.filter(nw.col("event_type").is_in(group.reads))
    return Past(events, past.users, past.items, past.pairs, past.as_of, past.kinds, past.settings)
