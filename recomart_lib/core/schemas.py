"""The data contract: the columns of every table, under the names that the whole project uses.

A *raw* table is a delivered one, renamed and typed. Its columns `source_file` and `source_line` (1-based) identify
the delivered line of each row until validation.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import polars as pl

if TYPE_CHECKING:
    import pandera.polars as pa

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

UNKNOWN = "unknown"


TIMESTAMP = pl.Datetime("us", "UTC")
EVENT_TYPES = ("view", "cart", "purchase", "return", "rating")
PROTOCOLS = ("all", "novel")

USERS = {
    "user_id": pl.String,
    "signup_date": pl.Date,
    "gender": pl.String,
    "age": pl.Int64,
    "age_group": pl.String,  # delivered instead of the age, or beside it
    "country": pl.String,
    "city": pl.String,
}
ITEMS = {
    "item_id": pl.String,
    "name": pl.String,
    "category": pl.String,
    "brand": pl.String,
    "price": pl.Float64,
}
EVENTS = {
    "event_id": pl.String,
    "user_id": pl.String,
    "item_id": pl.String,
    "event_type": pl.String,
    "timestamp": TIMESTAMP,
    "quantity": pl.Float64,
    "price": pl.Float64,
    "rating": pl.Float64,
    "order_id": pl.String,
}
TABLES = {"users": USERS, "items": ITEMS, "events": EVENTS}
KEYS = {"users": "user_id", "items": "item_id", "events": "event_id"}
REQUIRED = {
    "users": ("user_id",),
    "items": ("item_id",),
    "events": ("event_id", "user_id", "item_id", "event_type", "timestamp"),
}
PROVENANCE = {"source_file": pl.String, "source_line": pl.Int64}
# A row of users or items is a statement: it holds from this moment on. `ALWAYS`: of rows that no delivery states.
VALID_FROM = "valid_from"
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

# What a product's row may say about now, for the rules of lists: where the shop file maps them, these columns
# follow those of items. They have no history, and no feature or model reads them.
STATE = {"available": pl.Boolean, "stock": pl.Float64}

# One row: an unreadable record. `source_line` is the 1-based line (JSON, Parquet: record) of the file.
REJECTS = {**PROVENANCE, "raw": pl.String, "reason": pl.String}

# One row: a user-item pair, up to a cutoff. `n_relevant` counts its relevant events, `n_orders` the distinct orders
# among them; `weight` is the implicit score; `rating` is the mean of the pair's ratings, null where there are none.
INTERACTIONS = {
    "user_idx": pl.Int32,
    "item_idx": pl.Int32,
    "weight": pl.Float64,
    "n_events": pl.Int64,
    "n_relevant": pl.Int64,
    "n_orders": pl.Int64,
    "last_timestamp": TIMESTAMP,
    "last_relevant_timestamp": TIMESTAMP,
    "rating": pl.Float64,
}
# One row: one recommended item; rank 1 is the best.
RANKED_LISTS = {
    "user_id": pl.String,
    "item_id": pl.String,
    "score": pl.Float64,
    "rank": pl.Int32,
    "model": pl.String,
}
# One row: a recommendation with its reason, in plain text; recommend/reasons.py lists the kinds.
RECOMMENDATIONS = {**RANKED_LISTS, "reason_kind": pl.String, "reason": pl.String}
# Tables of products for the shop's pages and mailings (recommend/product_tables.py): rank 1 is the best, `reason` is
# one sentence of plain text. They never show a product that the shop's rules take out of every list (docs/lists.md).
# One row: a product (other_item_id) that is similar to item_id. `similarity`: of `model`, item_knn (the cosine of who
# chose them; > 0) or, for products that too few users chose, content (the cosine of their attributes). `support`: the
# users who chose both.
SIMILAR = {
    "item_id": pl.String,
    "rank": pl.Int32,
    "other_item_id": pl.String,
    "similarity": pl.Float64,
    "support": pl.Int64,
    "model": pl.String,
    "reason": pl.String,
}
# One row: a product (other_item_id) that is bought together with item_id. `support`: the orders with both, of
# `n_orders` with item_id; `share` = support / n_orders; `lift`: support over what is expected if orders chose both
# independently; `lift_low`: the lower end of its 95 % interval, which the rank follows.
BOUGHT_TOGETHER = {
    "item_id": pl.String,
    "rank": pl.Int32,
    "other_item_id": pl.String,
    "support": pl.Int64,
    "n_orders": pl.Int64,
    "share": pl.Float64,
    "lift": pl.Float64,
    "lift_low": pl.Float64,
    "reason": pl.String,
}
# One row: a product that sells more than before, or is new. `recent`: its orders in the last days; `before`: those of
# the time before. `growth`: the ratio of both per day, with its 95 % interval; null for new products, which have no
# past to be compared with and follow the others, and without an upper end where nothing was ordered before.
TRENDING = {
    "item_id": pl.String,
    "rank": pl.Int32,
    "recent": pl.Int64,
    "before": pl.Int64,
    "growth": pl.Float64,
    "growth_low": pl.Float64,
    "growth_high": pl.Float64,
    "reason": pl.String,
}
# One row: one of the best users for a product (or, below, for a category), by `affinity` (recommend/customers.py).
# `n_orders`, `last`: the user's orders with the product (of the category: their sum) and the last of them; 0 and null
# if the user never bought it.
CUSTOMERS = {
    "item_id": pl.String,
    "rank": pl.Int32,
    "user_id": pl.String,
    "affinity": pl.Float64,
    "n_orders": pl.Int64,
    "last": TIMESTAMP,
}
CATEGORY_CUSTOMERS = {"category": pl.String, **{name: dtype for name, dtype in CUSTOMERS.items() if name != "item_id"}}
# One row: a user, with the segment by recency and frequency (recommend/segments.py). The scores recency, frequency and
# monetary are 1 to 5, 5 is best; they, `last_order` and `spend` (in the shop's currency) are null for users without an
# order, and monetary and spend in shops without prices. `as_of`: the end of the events, the same in all rows.
SEGMENTS = {
    "user_id": pl.String,
    "segment": pl.String,
    "recency": pl.Int8,
    "frequency": pl.Int8,
    "monetary": pl.Int8,
    "last_order": TIMESTAMP,
    "n_orders": pl.Int64,
    "spend": pl.Float64,
    "as_of": TIMESTAMP,
}
# One row: a rating and its prediction.
PREDICTIONS = {
    "user_id": pl.String,
    "item_id": pl.String,
    "rating": pl.Float64,
    "estimate": pl.Float64,
    "model": pl.String,
}


def dtype_of(column: str) -> pl.DataType:
    """The type of a raw column; `users.country` is a column of a derived table, delivered in the events."""
    table, _, name = column.rpartition(".")
    if column == VALID_FROM:
        return TIMESTAMP
    if column in STATE:
        return STATE[column]
    return next(columns[name] for key, columns in TABLES.items() if table in ("", key) and name in columns)


def enum_of(*texts: pl.Series) -> pl.Enum:
    """The type of these texts as integers, which read, compare and sort like them in a fraction of time and memory.

    `pl.selectors.enum().cast(pl.String)` turns them into text again.
    """
    return pl.Enum(pl.concat(texts).drop_nulls().unique().sort())


def as_declared(rows: Frame) -> Frame:
    """The rows with the types above: files that an earlier version wrote hold quantities as whole numbers."""
    stored = rows.collect_schema()
    types = {name: dtype for table in TABLES.values() for name, dtype in table.items()}
    return rows.cast({name: dtype for name, dtype in types.items() if stored.get(name, dtype) != dtype})


def state_columns(names: Iterable[str]) -> list[str]:
    """Those of a table's columns that say what can be bought now (`STATE`)."""
    return [name for name in names if name in STATE]


def contract(table: str, state: Iterable[str] = ()) -> pa.DataFrameSchema:
    """The Pandera schema of a validated table: exact columns, exact types, no nulls where a value is required.

    `state` are the columns of `STATE` that the shop delivers.
    """
    import pandera.polars as pa  # takes a second to import

    columns = {
        name: pa.Column(dtype, nullable=name not in REQUIRED[table], unique=name == KEYS[table])
        for name, dtype in TABLES[table].items()
    }
    columns |= {name: pa.Column(STATE[name], nullable=True) for name in state}
    return pa.DataFrameSchema(columns, strict=True, name=table)


def empty(columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """A table with these columns and no rows."""
    return pl.DataFrame(schema=columns)


# Events that express interest; a return expresses the opposite and is not an interaction.
POSITIVE = ("view", "cart", "purchase", "rating")
