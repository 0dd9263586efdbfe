"""The three feature tables as of a moment: one row per user, item and pair known by then."""

from __future__ import annotations

from datetime import datetime

import narwhals as nw
import polars as pl
from tqdm.auto import tqdm

from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import engine
from recomart_lib.features.base import KEYS, POSITIVE, Group, Past, microseconds
from recomart_lib.features.definitions import GROUPS
from recomart_lib.features.engine import World
from recomart_lib.features.settings import Features


def compute(
    world: World,
    as_of: datetime,
    settings: Features,
    pairs: pl.DataFrame | None = None,
    groups: tuple[Group, ...] = GROUPS,
) -> dict[str, pl.DataFrame]:
    """All feature tables as of a moment; only events strictly before it are seen.

    Parameters
    ----------
    pairs
        user_id, item_id: the pairs to compute features for; None: those with a view, cart, purchase or rating by then.

    Returns
    -------
    dict
        Entity -> one row per user / item known by then, and per pair: keys, `event_timestamp` = `as_of`, and the
        groups' features; sorted by the keys.
    """
    past = past_of(world, as_of, settings, pairs)
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


def past_of(world: World, as_of: datetime, settings: Features, pairs: pl.DataFrame | None = None) -> Past:
    """What may be known at `as_of`: the one place where the future is cut off."""
    moment = microseconds(as_of)
    events = world.events.filter(nw.col("time") < moment)
    kinds = engine.collect(events.select("event_type").unique()).get_column("event_type")
    known = events.filter(nw.col("event_type").is_in(POSITIVE)).select("user_id", "item_id").unique()
    asked = engine.held(known) if pairs is None else engine.like(world, pairs.select("user_id", "item_id").unique())
    return Past(events, world.users, world.items, asked, moment, frozenset(kinds), settings)


def with_group(table: pl.DataFrame, group: Group, past: Past) -> pl.DataFrame:
    """The table with the features of one group; nulls where the shop has had none of the events that it needs."""
    columns = {feature.name: feature.dtype for feature in group.features}
    if group.needs and not past.kinds.intersection(group.needs):
        return table.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in columns.items())
    made = engine.collect(group.build(seen_by(group, past)))
    made = made.select(*KEYS[group.entity], *(pl.col(name).cast(dtype) for name, dtype in columns.items()))
    joined = table.join(made, on=KEYS[group.entity], how="left", validate="1:1")
    filled = [pl.col(f.name).fill_null(f.empty) for f in group.features if f.empty is not None]
    return joined.with_columns(filled)


def seen_by(group: Group, past: Past) -> Past:
    """The past with the events that the group declares to read, and no others."""
    events = past.events.filter(nw.col("event_type").is_in(group.reads))
    return Past(events, past.users, past.items, past.pairs, past.as_of, past.kinds, past.settings)
