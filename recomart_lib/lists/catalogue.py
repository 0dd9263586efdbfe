"""What the rules know: products and histories, and products as integers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl

from recomart_lib.core.schemas import UNKNOWN

NO_ITEM = -1
HEAD = 0.8  # of all relevant events go to the most chosen products, the head; the long tail shares the rest


@dataclass(frozen=True, eq=False)
class Context:
    """What the rules know besides the lists.

    Parameters
    ----------
    items
        One row per product: item_id, category, brand, and available and stock where the shop delivers them.
    interactions
        One row per user and product up to `at`: user_id, item_id, n_relevant, last_relevant_timestamp.
    at
        The moment of the lists, with its time zone.
    excluded
        user_id, item_id: what the protocol never shows, whatever the rules say (*novel*: the purchased products).
    """

    items: pl.DataFrame
    interactions: pl.DataFrame
    at: datetime
    excluded: pl.DataFrame | None = None

    @cached_property
    def chosen(self) -> pl.DataFrame:
        """The interactions with at least one relevant event."""
        return self.interactions.filter(pl.col("n_relevant") > 0)


def column(items: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Series:
    """A column that the shop may not deliver: all null then."""
    return items.get_column(name) if name in items.columns else pl.Series(name, [None] * items.height, dtype=dtype)


def long_tail(context: Context) -> pl.Series:
    """The ids of the long tail: all products but the most chosen ones that together have 80 % of the relevant events.

    Ties go to the smaller id. Products without any event are in the tail.
    """
    chosen = context.chosen.group_by("item_id").agg(pl.col("n_relevant").sum())
    ranked = chosen.sort("n_relevant", "item_id", descending=[True, False])
    before = pl.col("n_relevant").cum_sum() - pl.col("n_relevant")
    head = ranked.filter(before < HEAD * pl.col("n_relevant").sum()).get_column("item_id")
    return context.items.filter(~pl.col("item_id").is_in(head.implode())).get_column("item_id")


class Catalogue:
    """Products and users as integers.

    Parameters
    ----------
    pool, fallback
        See `rules.apply`. Their products are in the catalogue even if the table of products lacks them.
    """

    def __init__(self, context: Context, pool: pl.DataFrame, fallback: pl.DataFrame) -> None:
        ids = [table.get_column("item_id").cast(pl.String) for table in (context.items, pool, fallback)]
        self.items = pl.concat([part.unique() for part in ids]).unique().sort()
        self.users = pool.get_column("user_id").cast(pl.String).unique().sort()
        self._item_type, self._user_type = pl.Enum(self.items), pl.Enum(self.users)
        facts = pl.DataFrame({"item_id": self.items}).join(
            context.items.unique("item_id"), on="item_id", how="left", maintain_order="left"
        )
        self.category = _groups(facts, "category")
        self.brand = _groups(facts, "brand")

    def codes(self, ids: pl.Series) -> np.ndarray:
        """The numbers of these products; `NO_ITEM` for ids that are no product."""
        return _codes(ids, self._item_type)

    def rows(self, user_ids: pl.Series) -> np.ndarray:
        """The numbers of these users; -1 for users without a list."""
        return _codes(user_ids, self._user_type)

    def is_one_of(self, ids: pl.Series) -> np.ndarray:
        """Per product, whether it is one of these."""
        codes, flags = self.codes(ids), np.zeros(len(self.items), dtype=bool)
        flags[codes[codes >= 0]] = True
        return flags

    def keys(self, pairs: pl.DataFrame) -> np.ndarray:
        """Users and products as one sorted number each; pairs of other users are left out."""
        row = self.rows(pairs.get_column("user_id")).astype(np.int64)
        item = self.codes(pairs.get_column("item_id"))
        return np.unique((row * len(self.items) + item)[(row >= 0) & (item >= 0)])


def _codes(ids: pl.Series, dtype: pl.Enum) -> np.ndarray:
    numbers = ids.cast(pl.String).cast(dtype, strict=False).to_physical()
    return numbers.cast(pl.Int32).fill_null(NO_ITEM).to_numpy()


def _groups(facts: pl.DataFrame, name: str) -> np.ndarray:
    """Category or brand as integers; -1 where it is unknown: unknown ones are not alike."""
    values = column(facts, name, pl.String)
    known = values.is_not_null() & (values != UNKNOWN)
    dense = values.rank("dense").cast(pl.Int64).fill_null(0)
    return np.where(known.fill_null(False).to_numpy(), dense.to_numpy(), -1).astype(np.int32)
