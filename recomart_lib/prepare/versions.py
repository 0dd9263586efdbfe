"""Which statement about a user or a product held at a moment?

A shop may deliver its users or items table again and again. Each delivery states what holds from then on. A *history*
(items_history.parquet, users_history.parquet) has one row per id and statement that differs from the one before it: the
columns of the table and `valid_from` (UTC), sorted by id and `valid_from`.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from recomart_lib.core.schemas import ALWAYS, TIMESTAMP


def always(table: pl.DataFrame) -> pl.DataFrame:
    """The history of a table that was stated once: its rows hold at every moment."""
    return table.with_columns(valid_from=pl.lit(ALWAYS).cast(TIMESTAMP))


def as_of(history: pl.DataFrame, key: str, moment: datetime | None) -> pl.DataFrame:
    """The table as it stood at a moment: one row per id, sorted by id, without `valid_from`.

    Parameters
    ----------
    history
        Sorted by `key` and `valid_from`.
    key
        user_id or item_id.
    moment
        With a time zone. Each id has its newest statement with `valid_from` <= moment, and before its first statement
        the first: nothing else is known about it. None: the newest statement of each id.
    """
    if moment is not None:
        history = history.filter((pl.col("valid_from") <= moment) | is_first(key))
    return history.filter(is_newest(key)).drop("valid_from")


def is_first(key: str) -> pl.Expr:
    """True for the first statement about each id; the rows of an id are together, in the order of time."""
    return pl.col(key).ne_missing(pl.col(key).shift(1))


def is_newest(key: str) -> pl.Expr:
    """True for the newest statement about each id; the rows of an id are together, in the order of time."""
    return pl.col(key).ne_missing(pl.col(key).shift(-1))


def is_repeated(history: pl.DataFrame, key: str) -> bool:
    """Whether the shop has made statements about its users or products more than once."""
    moments = history.get_column("valid_from")
    return moments.filter(moments > ALWAYS).n_unique() > 1 or history.get_column(key).is_duplicated().any()
