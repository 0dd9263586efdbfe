"""Which columns of a file contain the ids of another: the values overlap, and are unique there."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from recomart.draft.column_profile import Column
from recomart.draft.delivery import Delivery

MIN_DISTINCT = 5
MIN_CONTAINED = 0.2  # of the rows with an id: only some customers may have a row


class Relation(NamedTuple):
    """`column` of a delivery contains ids that are unique in `key` of `other`.

    `contained` is the share of rows whose id the other file has, `covered` the share of its ids that occur.
    """

    column: str
    other: Delivery
    key: str
    contained: float
    covered: float

    @property
    def strength(self) -> float:
        """From 0 to 1. Small numbers are in each list of numbers: then the one counts that is covered."""
        return self.contained * (0.4 + 0.6 * self.covered)


def of(delivery: Delivery, others: list[Delivery]) -> list[Relation]:
    """The relations of a delivery's columns to the keys of the others."""
    found = []
    for column in delivery.columns:
        if not column.is_code or column.n_distinct < MIN_DISTINCT or column.is_flag:
            continue
        for other in others:
            for key in other.keys:
                if other is not delivery and (relation := _relation(column, other, key)):
                    found.append(relation)
    return found


def _relation(column: Column, other: Delivery, key: Column) -> Relation | None:
    ids, counts, known = plain_ids(column.words), column.counts, plain_ids(key.words).unique()
    is_in = ids.is_in(known.implode()) if known.len() else pl.Series([False] * ids.len())
    contained = counts.filter(is_in).sum() / (counts.sum() or 1)
    covered = min(1.0, is_in.sum() / (known.len() or 1))
    if not other.sample.is_whole and contained:
        contained = min(1.0, contained * max(1.0, other.sample.n_rows / max(other.sample.rows.height, 1)))
    if contained < MIN_CONTAINED or is_in.sum() < MIN_DISTINCT:
        return None
    return Relation(column.name, other, key.name, contained, covered)


def plain_ids(words: pl.Series) -> pl.Series:
    """Ids as the pipeline reads them: 17850.0 is 17850."""
    return words.str.replace(r"^(\d+)\.0+$", "$1").str.replace(r'^="(.*)"$', "$1")
