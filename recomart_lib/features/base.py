"""The building blocks of feature definitions. A feature function sees only events before `as_of`.

A *group* is a function that computes several features of one entity together. It receives only events of the types that
it declares in `reads`, so the declaration always matches what was used. What several groups need is computed once per
moment: the sums of each pair (`pair_sums`), and what `Past.once` keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import narwhals as nw
import polars as pl

from recomart_lib.core.schemas import EVENT_TYPES
from recomart_lib.features.engine import cached
from recomart_lib.features.engine import join_on_ids as join_on_ids  # for the functions of features
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
# The columns of `pair_sums` -> the event types that they summarise.
PAIR_SUMS: dict[str, tuple[str, ...]] = {
    **{f"{kind}_count": (kind,) for kind in POSITIVE},
    "score": POSITIVE,
    "last": POSITIVE,
    "last_purchase": ("purchase",),
    "last_rating": ("rating",),
    "stars": ("rating",),
    "n_stars": ("rating",),
}


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
    sums: nw.LazyFrame  # see `pair_sums`
    reads: tuple[str, ...] = ANY  # the types of `events` and `sums`
    kept: dict[tuple[object, ...], nw.LazyFrame] = field(default_factory=dict)  # see `once`
    whole_shop: Past | None = None  # where this is a part of the users (see `compute`): the past of all of them

    @property
    def shop(self) -> Past:
        """The past of all users, of the same event types: for what is not one user's own, like links of products."""
        return self.whole_shop or self

    def visible(self, reads: tuple[str, ...]) -> Past:
        """The past with these event types only."""
        sums = self.sums.select(
            *KEYS["interaction"], *(name for name in PAIR_SUMS if set(PAIR_SUMS[name]) <= set(reads))
        )
        return replace(
            self,
            events=self.events.filter(nw.col("event_type").is_in(reads)),
            sums=sums,
            reads=reads,
            whole_shop=self.whole_shop and self.whole_shop.visible(reads),
        )

    def once(self, name: str, *arguments: str, table: Callable[[], nw.LazyFrame]) -> nw.LazyFrame:
        """A table that several groups use: computed by the first of those that read the same event types."""
        key = (name, arguments, self.reads)
        if key not in self.kept:
            self.kept[key] = cached(table())
        return self.kept[key]

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


def pair_sums(events: nw.LazyFrame) -> nw.LazyFrame:
    """One row per user and product with a view, cart, purchase or rating.

    Columns (see `PAIR_SUMS`): the number of events of each type; `score`, their implicit score (see `whole`); `last`,
    `last_purchase` and `last_rating` (times); `stars`, the sum of the ratings (see `whole`); `n_stars`, their number.
    """
    kind = nw.col("event_type")
    stars = nw.when(kind == "rating").then(whole(nw.col("rating")))
    lines = events.filter(kind.is_in(POSITIVE)).select(
        *KEYS["interaction"],
        **{f"{name}_count": is_kind(name) for name in POSITIVE},
        score=whole(nw.col("weight")),
        last=nw.col("time"),
        last_purchase=nw.when(kind == "purchase").then(nw.col("time")),
        last_rating=nw.when(kind == "rating").then(nw.col("time")),
        stars=stars,
        n_stars=(~stars.is_null()).cast(nw.Int64),
    )
    latest = [name for name in PAIR_SUMS if name.startswith("last")]
    summed = [name for name in PAIR_SUMS if name not in latest]
    return lines.group_by(KEYS["interaction"]).agg(nw.col(*summed).sum(), nw.col(*latest).max())


def orders(past: Past, *by: str) -> nw.LazyFrame:
    """One row per `by` and order of the purchases: order, time (its first line). Without id, a purchase is one."""

    def table() -> nw.LazyFrame:
        if by == ("user_id",):  # fewer rows than events
            return orders(past, *KEYS["interaction"]).group_by("user_id", "order").agg(nw.col("time").min())
        lines = past.only("purchase").with_columns(order=nw.coalesce("order_id", "event_id"))
        return lines.group_by(*by, "order").agg(nw.col("time").min())

    return past.once("orders", *by, table=table)


def scores(past: Past, *by: str) -> nw.LazyFrame:
    """`score`, the implicit score of the positive events (see `whole`), per `by` (also category, brand)."""

    def table() -> nw.LazyFrame:
        words = past.items.select("item_id", "category", "brand")
        pairs = past.sums.select(*KEYS["interaction"], "score").join(words, on="item_id", how="left")
        return pairs.group_by(*by).agg(nw.col("score").sum())

    return past.once("scores", *by, table=table)


def ranked(table: nw.LazyFrame, key: str, by: str) -> nw.LazyFrame:
    """The table with `place`: per key, 1 for the row of the largest `score`, ...; ties go to the smaller `by`."""
    ordered = table.with_columns(one=nw.lit(1), downwards=-nw.col("score"))
    ordered = ordered.with_columns(place=nw.col("one").cum_sum().over(key, order_by=["downwards", by]))
    return ordered.drop("one", "downwards")


def best(table: nw.LazyFrame, key: str, by: str) -> nw.LazyFrame:
    """Per key, the row of the largest `score`; ties go to the smaller `by`."""
    return ranked(table, key, by).filter(nw.col("place") == 1).drop("place")
