"""The three feature tables as of a moment: one row per user, item and pair with an event before it.

What the users and items tables state is as of the same moment (see `prepare.versions`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import narwhals as nw
import polars as pl
from tqdm.auto import tqdm

from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import engine
from recomart_lib.features.base import KEYS, Group, Past, microseconds, pair_sums
from recomart_lib.features.definitions import GROUPS
from recomart_lib.features.engine import PreparedTables
from recomart_lib.features.settings import Features

PAIR = KEYS["interaction"]
# Features of pairs are computed for so many bytes of joined rows at a time (user, product, another product, a link).
PART_BYTES, ROW_BYTES = 2**30, 32


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
    parts: dict[str, list[pl.DataFrame]] = {}
    for entity, part in in_parts(prepared, as_of, settings, pairs, groups):
        parts.setdefault(entity, []).append(part)
    return {entity: pl.concat(tables) for entity, tables in parts.items()}


def in_parts(
    prepared: PreparedTables,
    as_of: datetime,
    settings: Features,
    pairs: pl.DataFrame | None = None,
    groups: tuple[Group, ...] = GROUPS,
) -> Iterator[tuple[str, pl.DataFrame]]:
    """The tables of `compute` with their entities, one after the other; that of pairs in parts of whole users.

    A part has its final columns and order. Only one is in memory, if the caller keeps none.
    """
    if pairs is not None:
        prepared, pairs = engine.with_ids_of(prepared, pairs.select(PAIR).unique())
    past = past_of(prepared, as_of, settings, pairs)
    bases = {"user": past.events.select("user_id"), "item": past.events.select("item_id"), "interaction": past.pairs}
    tables = {entity: engine.collect(base.unique()).sort(KEYS[entity]) for entity, base in bases.items()}
    parts = deque((entity, tables[entity], past) for entity in ("user", "item"))
    parts += [("interaction", *part) for part in parts_of_users(tables.pop("interaction"), past)]
    of_entity = {entity: [group for group in groups if group.entity == entity] for entity in KEYS}
    total = sum(len(of_entity[entity]) for entity, *_ in parts)
    with tqdm(total=total, desc=f"features as of {as_of:%Y-%m-%d}", unit="group", disable=None) as progress:
        while parts:
            entity, table, past_of_part = parts.popleft()
            for group in of_entity[entity]:
                table = with_group(table, group, past_of_part)
                progress.update()
            names = [feature.name for group in of_entity[entity] for feature in group.features]
            stamped = engine.decoded(table).with_columns(event_timestamp=pl.lit(as_of).cast(TIMESTAMP))
            yield entity, stamped.select(*KEYS[entity], "event_timestamp", *names)


def events_before(prepared: PreparedTables, as_of: datetime) -> nw.LazyFrame:
    """The events strictly before `as_of`: the only place where later events are cut off."""
    return prepared.events.filter(nw.col("time") < microseconds(as_of))


def past_of(prepared: PreparedTables, as_of: datetime, settings: Features, pairs: pl.DataFrame | None = None) -> Past:
    """The data before `as_of`; also the only place where later statements are cut off."""
    events = events_before(prepared, as_of)
    kinds = engine.collect(events.select("event_type").unique()).get_column("event_type")
    sums = engine.cached(pair_sums(events), *PAIR)
    pair_table = sums.select(PAIR) if pairs is None else engine.on_same_engine(prepared, pairs)
    users, items = (prepared.as_of(table, as_of) for table in ("users", "items"))
    return Past(events, users, items, pair_table, microseconds(as_of), frozenset(kinds), settings, sums)


def parts_of_users(pairs: pl.DataFrame, past: Past) -> Iterator[tuple[pl.DataFrame, Past]]:
    """Sorted pairs and the past of their users, in parts of whole users; on Spark, which divides them itself, one part.

    The memory that features of pairs need grows with the rows of a part: at most `n_last` rows per pair at a time. All
    parts are about equally large, because Polars rounds some quotients otherwise where a table has a single row.
    """
    n_parts = -(-pairs.height * past.settings.n_last * ROW_BYTES // PART_BYTES)
    if n_parts <= 1 or not engine.is_polars(past.events):
        yield pairs, past
        return
    first_row = pl.col("row").min().over("user_id")
    numbered = pairs.with_row_index("row").select(*pairs.columns, part=first_row * n_parts // pairs.height)
    for part in numbered.partition_by("part", include_key=False):
        is_in_part = (nw.col("user_id") >= part["user_id"][0]) & (nw.col("user_id") <= part["user_id"][-1])
        yield (
            part,
            replace(
                past,
                events=past.events.filter(is_in_part),
                sums=past.sums.filter(is_in_part),
                pairs=nw.from_native(part.select(PAIR).lazy()),
                kept={},
                whole_shop=past,
            ),
        )


def with_group(table: pl.DataFrame, group: Group, past: Past) -> pl.DataFrame:
    """The table with the features of one group; nulls if the shop has none of the events that it needs."""
    columns = {feature.name: feature.dtype for feature in group.features}
    if group.needs and not past.kinds.intersection(group.needs):
        return table.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in columns.items())
    features = engine.collect(group.build(past.visible(group.reads)))
    features = features.select(*KEYS[group.entity], *(pl.col(name).cast(dtype) for name, dtype in columns.items()))
    joined = engine.with_columns_of(table, features, KEYS[group.entity])
    filled = [pl.col(f.name).fill_null(f.empty) for f in group.features if f.empty is not None]
    return joined.with_columns(filled)
