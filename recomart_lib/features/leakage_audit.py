"""Does any feature use the future? Every feature function is checked before its values are used.

Two checks per feature: is the latest event that its function received before `as_of`? And does a value change if every
event from `as_of` on, and every later statement about users and products, is replaced? The second check replaces them
in the prepared tables themselves, so it also finds a function that bypasses its input. Planted features that do so (the
canaries: one reads all events, two read the newest statements) must be caught, or the audit does not work.

The second check computes all features twice. In a large shop it does so on a sample of users: their events and the
statements about them and their products, as a shop of its own (see `sampled`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import narwhals as nw
import numpy as np
import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.parallel import thread_map
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import engine
from recomart_lib.features.base import KEYS, WHOLE, WORD, Entity, Feature, Group, Past, group, microseconds, whole
from recomart_lib.features.compute import compute, events_before
from recomart_lib.features.definitions import GROUPS
from recomart_lib.features.engine import PreparedTables
from recomart_lib.features.settings import Features
from recomart_lib.prepare import versions

CANARY = "canary_pieces_ever"
# Canaries that read the newest statement: entity -> the column of its table.
STATED: dict[Entity, str] = {"user": "country", "item": "category"}
CANARIES = (CANARY, *(f"canary_newest_{column}" for column in STATED.values()))
# A sample has at most so many users and events: the cost of the audit does not grow with the shop.
N_USERS, N_EVENTS, SEED = 1_000, 100_000, 19
FUTURE_ORDER = 2_147_483_647  # no order of a shop: on Polars, orders are numbered from 0; on Spark it is a text


def audit_all(prepared: PreparedTables, cuts: dict[str, datetime], settings: Features) -> dict[str, pl.DataFrame]:
    """Cut -> the audit of all features as of it (see `audit`); several at a time, each on tables of its own."""
    audited = thread_map(lambda as_of: audit(replace(prepared), as_of, settings), cuts.values())
    return dict(zip(cuts, audited, strict=True))


def audit(
    prepared: PreparedTables, as_of: datetime, settings: Features, groups: tuple[Group, ...] = GROUPS
) -> pl.DataFrame:
    """Check every feature of these groups.

    Returns
    -------
    DataFrame
        One row per feature and one per canary: entity, feature, latest_event (that its function received, in the whole
        shop; null: none), n_changed (rows whose value changes when later events and statements are replaced), leaks;
        n_users, of_users (the users of the sample in which values were compared, and those of the shop).
    """
    planted = canaries(prepared)
    latest = _latest_received(prepared, as_of)
    with sampled(prepared, as_of) as (n_users, of_users):
        before = compute(prepared, as_of, settings, groups=(*groups, *planted))
        with replaced_future(prepared, as_of):
            after = compute(prepared, as_of, settings, groups=(*groups, *planted))
    rows = []
    for checked in (*groups, *planted):
        received = max((latest[kind] for kind in checked.reads if kind in latest), default=None)
        names = [feature.name for feature in checked.features]
        changed = _n_changed(before[checked.entity], after[checked.entity], KEYS[checked.entity], names)
        for name, n_changed in changed.items():
            leaks = n_changed > 0 or _not_before(received, as_of)
            rows.append((checked.entity, name, received, n_changed, leaks, n_users, of_users))
    columns = {
        "entity": pl.String,
        "feature": pl.String,
        "latest_event": pl.Int64,
        "n_changed": pl.Int64,
        "leaks": pl.Boolean,
        "n_users": pl.Int64,
        "of_users": pl.Int64,
    }
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("latest_event").cast(TIMESTAMP))


def require_no_leak(audited: pl.DataFrame) -> None:
    """Raise if a feature leaks, or if a canary was not caught.

    Raises
    ------
    UserError
        With the features and the evidence.
    """
    is_canary = pl.col("feature").is_in(CANARIES)
    missed = audited.filter(is_canary, ~pl.col("leaks")).get_column("feature")
    if len(missed):
        raise UserError(
            f"The leakage audit does not work: it did not catch {', '.join(missed)}, which uses all events or "
            "statements. Check recomart_lib/features/leakage_audit.py."
        )
    if (leaking := audited.filter("leaks", ~is_canary)).height:
        lines = [
            f"  {row['entity']}.{row['feature']}: its function received {_event(row['latest_event'])}; "
            f"{row['n_changed']:,} values change with later events or statements"
            for row in leaking.iter_rows(named=True)
        ]
        raise UserError("\n".join([f"{leaking.height} feature(s) use later events or statements:", *lines]))


def _event(latest: datetime | None) -> str:
    return f"an event of {latest}" if latest else "no event"


def canaries(prepared: PreparedTables) -> tuple[Group, ...]:
    """The planted leaks, in the order of `CANARIES`."""
    return (canary(prepared), *(newest_statement(prepared, entity) for entity in STATED))


def newest_statement(prepared: PreparedTables, entity: Entity) -> Group:
    """A planted leak: what the newest statement about a user or product says, instead of the one that held."""
    column, (key,) = STATED[entity], KEYS[entity]
    feature = Feature(f"canary_newest_{column}", WORD, f"the newest {column}: a planted leak", "word")

    @group(entity, feature, reads=())
    def peek(past: Past) -> nw.LazyFrame:
        history = prepared.users if entity == "user" else prepared.items
        newest = versions.as_of(history, key, None).select(key, pl.col(column).alias(feature.name))
        return engine.on_same_engine(prepared, newest)

    return peek


def canary(prepared: PreparedTables) -> Group:
    """A planted leak: a feature that uses all events instead of its input."""
    feature = Feature(CANARY, WHOLE, "pieces of it that are ever bought: a planted leak", "pieces", empty=0)

    @group("item", feature, reads=("purchase",), needs=())
    def peek(past: Past) -> nw.LazyFrame:
        bought = prepared.events.filter(nw.col("event_type") == "purchase")
        return bought.group_by("item_id").agg(**{CANARY: whole(nw.col("quantity"), 0).sum()})

    return peek


@contextlib.contextmanager
def sampled(prepared: PreparedTables, as_of: datetime) -> Iterator[tuple[int, int]]:
    """Inside the context, the prepared tables are those of a sample of users: a small shop of its own.

    A feature that uses later data differs there, too: all events and statements that it can reach are replaced, and
    both sides of the comparison have the same sample. Yields the number of users in it, and of users with events.
    """
    users = _users(prepared, as_of)
    chosen = _sample(users)
    if chosen.height == users.height:
        yield users.height, users.height
        return
    in_sample = engine.on_same_engine(prepared, chosen.select("user_id"))
    events = engine.cached(prepared.events.join(in_sample, on="user_id", how="semi"))
    products = engine.collect(events.select("item_id").unique())
    people = prepared.users.join(chosen, on="user_id", how="semi", maintain_order="left")
    with _instead(
        prepared, events, people, prepared.items.join(products, on="item_id", how="semi", maintain_order="left")
    ):
        yield chosen.height, users.height


def _users(prepared: PreparedTables, as_of: datetime) -> pl.DataFrame:
    """One row per user with events, sorted: user_id, n (events), both (there are data before `as_of` and after it)."""
    is_past = (nw.col("time") < microseconds(as_of)).cast(nw.Int64)
    per_user = prepared.events.with_columns(past=is_past).group_by("user_id").agg(n=nw.len(), past=nw.col("past").sum())
    stated_later = prepared.users.filter(pl.col("valid_from") > as_of).get_column("user_id").unique()
    later = (pl.col("past") < pl.col("n")) | pl.col("user_id").is_in(stated_later.implode())
    users = engine.collect(per_user).sort("user_id")
    return users.select("user_id", pl.col("n").cast(pl.Int64), both=(pl.col("past") > 0) & later)


def _sample(users: pl.DataFrame) -> pl.DataFrame:
    """At most N_USERS users with N_EVENTS events, but at least one user; half of them `both` if so many are."""
    drawn = pl.Series("drawn", np.random.default_rng(SEED).permutation(users.height))
    order = users.with_columns(drawn).with_columns(place=pl.col("drawn").rank("ordinal").over("both"))
    order = order.sort("place", "both", descending=[False, True]).head(N_USERS)
    return order.filter((pl.col("n").cum_sum() <= N_EVENTS) | (pl.int_range(pl.len()) == 0)).drop("drawn", "place")


@contextlib.contextmanager
def _instead(
    prepared: PreparedTables, events: nw.LazyFrame, users: pl.DataFrame, items: pl.DataFrame
) -> Iterator[None]:
    """Inside the context, the prepared tables are these; feature functions that refer to `prepared` see them, too."""
    before = prepared.events, prepared.users, prepared.items
    prepared.events, prepared.users, prepared.items = events, users, items
    try:
        yield
    finally:
        prepared.events, prepared.users, prepared.items = before


def replaced_future(prepared: PreparedTables, as_of: datetime) -> contextlib.AbstractContextManager[None]:
    """Inside the context, the events from `as_of` on and the statements after it are replaced.

    See `changed_future` and `changed_statements`.
    """
    people, products = (
        changed_statements(prepared.users, "user_id", as_of),
        changed_statements(prepared.items, "item_id", as_of),
    )
    return _instead(prepared, changed_future(prepared, as_of), people, products)


def changed_future(prepared: PreparedTables, as_of: datetime) -> nw.LazyFrame:
    """The events, each from `as_of` on replaced by an expensive purchase of one product by one user.

    Copies of the last earlier events are added, so that there are later events after the live moment, too.
    """
    moment = microseconds(as_of)
    past = prepared.events.filter(nw.col("time") < moment)
    first = engine.collect(past.select(nw.col("user_id").min(), nw.col("item_id").max(), last=nw.col("time").max()))
    user, item, last = first.row(0)
    if last is None:
        raise UserError(f"There is no event before {as_of:%Y-%m-%d %H:%M}: there is nothing to compute features from.")
    dtypes = past.collect_schema()
    future = prepared.events.filter(nw.col("time") >= last).with_columns(
        time=nw.when(nw.col("time") < moment).then(nw.lit(moment)).otherwise(nw.col("time")),
        user_id=nw.lit(user, dtypes["user_id"]),
        item_id=nw.lit(item, dtypes["item_id"]),
        event_type=nw.lit("purchase", dtypes["event_type"]),
        quantity=nw.col("quantity") + 7,
        price=nw.lit(12345.0),
        rating=nw.lit(1.0),
        weight=nw.col("weight") + 99.0,
        order_id=nw.lit(FUTURE_ORDER).cast(dtypes["order_id"]),
    )
    return nw.concat([past, future.select(dtypes.names())])


def changed_statements(history: pl.DataFrame, key: str, as_of: datetime) -> pl.DataFrame:
    """The history, with one false statement about each id instead of all that are later than `as_of`.

    An id's first statement stays, however late: it counts before its own moment, too (see `versions.as_of`).
    """
    held = history.filter((pl.col("valid_from") <= as_of) | versions.is_first(key))
    newest = history.filter(versions.is_newest(key))
    columns = {name: dtype for name, dtype in history.schema.items() if name != key}
    false = newest.with_columns(
        *(pl.lit("a future word").alias(name) for name, dtype in columns.items() if dtype == pl.String),
        *(pl.lit(12345, dtype).alias(name) for name, dtype in columns.items() if dtype.is_numeric()),
        valid_from=pl.max_horizontal("valid_from", pl.lit(as_of)) + pl.duration(microseconds=1),
    )
    return pl.concat([held, false]).sort(key, "valid_from", maintain_order=True)


def _latest_received(prepared: PreparedTables, as_of: datetime) -> dict[str, int]:
    """Event type -> the time (microseconds) of the latest such event that functions receive."""
    latest = events_before(prepared, as_of).group_by("event_type").agg(nw.col("time").max())
    return dict(engine.collect(latest).iter_rows())


def _not_before(latest: int | None, as_of: datetime) -> bool:
    return latest is not None and latest >= microseconds(as_of)


def _n_changed(before: pl.DataFrame, after: pl.DataFrame, keys: list[str], features: list[str]) -> dict[str, int]:
    """Per feature, the number of rows that differ or are in only one of the tables."""
    both = (before.select(*keys, *features), after.select(*keys, *features))
    if both[0].select(keys).equals(both[1].select(keys)):  # the usual case: no join is needed
        joined = pl.concat([both[0], both[1].select(pl.all().name.suffix("_after"))], how="horizontal")
    else:
        joined = both[0].join(both[1], on=keys, how="full", suffix="_after")
    in_both = pl.col(keys[0]).is_not_null() & pl.col(f"{keys[0]}_after").is_not_null()
    same = [in_both & pl.col(name).eq_missing(pl.col(f"{name}_after")) for name in features]
    return joined.select((~equal).sum().alias(name) for equal, name in zip(same, features, strict=True)).row(
        0, named=True
    )
