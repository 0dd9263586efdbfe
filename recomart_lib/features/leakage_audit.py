"""Does any feature see the future? Asked of the functions themselves, from outside, before their values are used.

Two questions to every feature: when was the latest event that its function was given? And does a value change if every
event from `as_of` on is another one? For the second the world itself is changed: a function that reaches it past what
it is given meets the other future, too. A planted feature that does so must be caught, or the audit is blind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime

import narwhals as nw
import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import engine
from recomart_lib.features.base import KEYS, WHOLE, Feature, Group, Past, group, microseconds
from recomart_lib.features.compute import compute, past_of
from recomart_lib.features.definitions import GROUPS
from recomart_lib.features.engine import World
from recomart_lib.features.settings import Features

CANARY = "canary_pieces_ever"


def audit(
    world: World,
    as_of: datetime,
    settings: Features,
    made: dict[str, pl.DataFrame],
    groups: tuple[Group, ...] = GROUPS,
) -> pl.DataFrame:
    """Judge every feature of `made`, which `compute` made of this world.

    Returns
    -------
    DataFrame
        One row per feature and one for the canary: entity, feature, latest_event (that its function was given; null:
        it reads no events, or there are none), n_changed (rows whose value is another one where the future is), leaks.
    """
    planted = canary(world)
    peeking = compute(world, as_of, settings, groups=(planted,))
    with another_future(world, as_of):
        again = compute(world, as_of, settings, groups=(*groups, planted))
    latest = _latest_given(world, as_of, settings)
    rows = []
    for one in (*groups, planted):
        given = max((latest[kind] for kind in one.reads if kind in latest), default=None)
        before = (peeking if one is planted else made)[one.entity]
        changed = _n_changed(before, again[one.entity], KEYS[one.entity], [feature.name for feature in one.features])
        for name, n_changed in changed.items():
            rows.append((one.entity, name, given, n_changed, n_changed > 0 or _not_before(given, as_of)))
    columns = {
        "entity": pl.String,
        "feature": pl.String,
        "latest_event": pl.Int64,
        "n_changed": pl.Int64,
        "leaks": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("latest_event").cast(TIMESTAMP))


def require_no_leak(audited: pl.DataFrame) -> None:
    """Stop if a feature saw the future, or if the canary was not caught.

    Raises
    ------
    UserError
        Naming the features, and what gave them away.
    """
    canaries = audited.filter(feature=CANARY)
    if not canaries.get_column("leaks").all():
        raise UserError(
            f"The leakage audit is blind: {CANARY}, which looks at all events ever, was not caught: "
            "recomart_lib/features/leakage_audit.py does not do its work."
        )
    if (found := audited.filter("leaks", pl.col("feature") != CANARY)).height:
        lines = [
            f"  {row['entity']}.{row['feature']}: the latest event it was given is of {row['latest_event']}; "
            f"{row['n_changed']:,} values change with later events"
            for row in found.iter_rows(named=True)
        ]
        raise UserError("\n".join([f"{found.height} feature(s) see the future:", *lines]))


def canary(world: World) -> Group:
    """A feature that does what none may: it looks at the whole world instead of the past that it is given."""
    feature = Feature(CANARY, WHOLE, "pieces of it that are ever bought: a planted leak", "pieces", empty=0)

    @group("item", feature, reads=("purchase",), needs=())
    def peek(past: Past) -> nw.LazyFrame:
        bought = world.events.filter(nw.col("event_type") == "purchase")
        return bought.group_by("item_id").agg(**{CANARY: nw.col("quantity").sum().cast(nw.Int64)})

    return peek


@contextlib.contextmanager
def another_future(world: World, as_of: datetime) -> Iterator[None]:
    """Inside, the world has the same past, and another future."""
    events = world.events
    world.events = changed_future(world, as_of)
    try:
        yield
    finally:
        world.events = events


def changed_future(world: World, as_of: datetime) -> nw.LazyFrame:
    """The events with the same past; each from `as_of` on becomes a dear purchase of one product by one user.

    Copies of the last events of the past are among them, so that there is a future after the live moment, too.
    """
    moment = microseconds(as_of)
    past = world.events.filter(nw.col("time") < moment)
    first = engine.collect(past.select(nw.col("user_id").min(), nw.col("item_id").max(), last=nw.col("time").max()))
    user, item, last = first.row(0)
    if last is None:
        raise UserError(f"No event lies before {as_of:%Y-%m-%d %H:%M}: there is nothing to compute features from.")
    future = world.events.filter(nw.col("time") >= last).with_columns(
        time=nw.when(nw.col("time") < moment).then(nw.lit(moment)).otherwise(nw.col("time")),
        user_id=nw.lit(user),
        item_id=nw.lit(item),
        event_type=nw.lit("purchase"),
        quantity=nw.col("quantity") + 7,
        price=nw.lit(12345.0),
        rating=nw.lit(1.0),
        weight=nw.col("weight") + 99.0,
        order_id=nw.lit("an order to come"),
    )
    return nw.concat([past, future.select(past.collect_schema().names())])


def _latest_given(world: World, as_of: datetime, settings: Features) -> dict[str, int]:
    """Event type -> the time (microseconds) of the latest such event that functions are given."""
    past = past_of(world, as_of, settings)
    return dict(engine.collect(past.events.group_by("event_type").agg(nw.col("time").max())).iter_rows())


def _not_before(given: int | None, as_of: datetime) -> bool:
    return given is not None and given >= microseconds(as_of)


def _n_changed(before: pl.DataFrame, after: pl.DataFrame, keys: list[str], features: list[str]) -> dict[str, int]:
    """Per feature, the rows whose value differs, or which one table has and the other lacks."""
    both = (before.select(*keys, *features), after.select(*keys, *features))
    if both[0].select(keys).equals(both[1].select(keys)):  # as it should be; then no join is needed
        joined = pl.concat([both[0], both[1].select(pl.all().name.suffix("_after"))], how="horizontal")
    else:
        joined = both[0].join(both[1], on=keys, how="full", suffix="_after")
    there = pl.col(keys[0]).is_not_null() & pl.col(f"{keys[0]}_after").is_not_null()
    same = [there & pl.col(name).eq_missing(pl.col(f"{name}_after")) for name in features]
    return joined.select((~one).sum().alias(name) for one, name in zip(same, features, strict=True)).row(0, named=True)
