"""The building blocks of feature definitions. A feature function sees only events before `as_of`.

A *group* is a function that computes several features of one entity together. It receives only events of the types that
it declares in `reads`, so the declaration always matches what was used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import narwhals as nw
import polars as pl

from recomart_lib.core.schemas import EVENT_TYPES
from recomart_lib.features.settings import Features

Entity = Literal["user", "item", "interaction"]
KEYS: dict[str, list[str]] = {"user": ["user_id"], "item": ["item_id"], "interaction": ["user_id", "item_id"]}
WHOLE, NUMBER, WORD = pl.Int64, pl.Float64, pl.String
MICROSECONDS_PER_DAY = 86_400_000_000
OWNER = "recommender team"
DECIMALS, MONEY, QUANTITY = 9, 4, 6  # see `whole`: amounts are large and have few decimals
ANY = EVENT_TYPES
# Events that show interest; a return shows the opposite.
POSITIVE = ("view", "cart", "purchase", "rating")


@dataclass(frozen=True)
class Feature:
    """One feature: formula, unit, meaning of null, owner.

    `since` is the version of the feature service that added it: recommender_vN holds all features with since <= N.
    `empty` is its value for an entity without an event that the feature reads.
    """

    name: str
    dtype: type[pl.DataType]
    formula: str
    unit: str
    null: str = "never"
    empty: int | None = None
    since: int = 2
    owner: str = OWNER


@dataclass(frozen=True)
class Past:
    """The input of a feature function: the events that it reads, all before `as_of`, and users and items as of it.

    The tables are those of `engine.PreparedTables`: times are microseconds since 1970 (`time`, `signup`). Users and
    items have one row per id: what the newest statement until `as_of` says (before the first statement: the first).
    """

    events: nw.LazyFrame
    users: nw.LazyFrame
    items: nw.LazyFrame
    pairs: nw.LazyFrame  # user_id, item_id: the pairs to compute features for
    as_of: int  # microseconds since 1970
    kinds: frozenset[str]  # the event types that occur before `as_of`
    settings: Features

    def days_since(self, column: str) -> nw.Expr:
        """Days, with their fraction, from a time (microseconds) to `as_of`."""
        return days(nw.lit(self.as_of) - nw.col(column))

    def only(self, *kinds: str) -> nw.LazyFrame:
        """The events of these types."""
        return self.events.filter(nw.col("event_type").is_in(kinds))

    def where(self, kind: str, count: nw.Expr) -> nw.Expr:
        """The count, or 0 if the shop has no event of this type, so that a share of it is null (see `share`)."""
        return count if kind in self.kinds else count * 0

    def in_last(self, n_days: int) -> nw.Expr:
        """True for events in [as_of - n_days, as_of)."""
        return nw.col("time") >= self.as_of - n_days * MICROSECONDS_PER_DAY


Build = Callable[[Past], nw.LazyFrame]


@dataclass(frozen=True)
class Group:
    """A function with the features that it computes.

    `reads` are the event types that it receives. Its features are null in a shop without any event of `needs` (default:
    `reads`).
    """

    entity: Entity
    reads: tuple[str, ...]
    needs: tuple[str, ...]
    features: tuple[Feature, ...]
    build: Build


@dataclass(frozen=True)
class Definition:
    """One row of the catalogue: a feature with its entity and the event types that it reads."""

    entity: Entity
    name: str
    dtype: type[pl.DataType]
    formula: str
    unit: str
    null: str
    owner: str
    reads: tuple[str, ...]
    since: int

    @property
    def ref(self) -> str:
        """Its unique name, like `user.order_count`."""
        return f"{self.entity}.{self.name}"

    @property
    def fingerprint(self) -> dict[str, str]:
        """The properties that a version pins: if one of them changes, it is another feature."""
        return {
            "type": str(self.dtype),
            "formula": self.formula,
            "unit": self.unit,
            "null": self.null,
            "reads": ", ".join(self.reads),
        }


def group(
    entity: Entity, *features: Feature, reads: tuple[str, ...], needs: tuple[str, ...] | None = None
) -> Callable[[Build], Group]:
    """Decorator: turn a function into a group. It returns one row per key, with the entity's keys and its features."""
    return lambda build: Group(entity, reads, reads if needs is None else needs, features, build)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, UTC, exactly."""
    return int(pl.Series([moment]).dt.epoch("us")[0])


def share(part: nw.Expr, whole: nw.Expr) -> nw.Expr:
    """part / whole; null where the whole is not positive."""
    return nw.when(whole > 0).then(part.cast(nw.Float64) / whole.cast(nw.Float64))


def days(microseconds: nw.Expr) -> nw.Expr:
    """Days, with their fraction."""
    return microseconds.cast(nw.Float64) / MICROSECONDS_PER_DAY


def whole(value: nw.Expr, decimals: int = DECIMALS) -> nw.Expr:
    """A number as an integer count of 10^-decimals; halves are rounded up.

    Sums of integers do not depend on the order of addition. Features are therefore equal to the last bit on any number
    of cores, and for any events after `as_of`. `round` would not do: Polars rounds halves to even, Spark away from 0.
    """
    return (value * 10.0**decimals + 0.5).floor().cast(nw.Int64)


def decimal(value: nw.Expr, decimals: int = DECIMALS) -> nw.Expr:
    """The inverse of `whole`."""
    return value.cast(nw.Float64) / 10.0**decimals


def is_kind(*kinds: str) -> nw.Expr:
    """1 where the event is of one of these types, else 0; Spark sums integers, not booleans."""
    return nw.col("event_type").is_in(kinds).cast(nw.Int64)


def orders(past: Past, *by: str) -> nw.LazyFrame:
    """One row per `by` and order of the purchases: order, time (its first line). Without id, a purchase is one."""
    lines = past.only("purchase").with_columns(order=nw.coalesce("order_id", "event_id"))
    return lines.group_by(*by, "order").agg(time=nw.col("time").min())


def scores(past: Past, *by: str) -> nw.LazyFrame:
    """`score`, the implicit score of the positive events (see `whole`), per `by` (also category, brand)."""
    words = past.items.select("item_id", "category", "brand")
    events = past.only(*POSITIVE).join(words, on="item_id", how="left").with_columns(score=whole(nw.col("weight")))
    return events.group_by(*by).agg(nw.col("score").sum())


def best(table: nw.LazyFrame, key: str, by: str, place: int = 1) -> nw.LazyFrame:
    """Per key, the row of the largest `score` (place 1), the second (2), ...; ties go to the smaller `by`."""
    ordered = table.with_columns(one=nw.lit(1), downwards=-nw.col("score"))
    ordered = ordered.with_columns(place=nw.col("one").cum_sum().over(key, order_by=["downwards", by]))
    return ordered.filter(nw.col("place") == place).drop("one", "downwards", "place")
