"""Keep a bounded number of rows of a stream, by whole keys: all rows of a key are kept, or none."""

from __future__ import annotations

import polars as pl

SEED = 22  # of the hash: the same data give the same sample
STEP = 0.75  # by which the share of the keys shrinks when there are too many rows
HASHES = 2.0**64
HASH = "key_hash"


class Sampler:
    """The rows of a growing share of a table's keys, chosen by a hash: the same keys in every table.

    The share starts at 1 and shrinks whenever more than `max_rows` rows are kept, but not below `min_share`.

    Parameters
    ----------
    key
        The column whose values are kept whole.
    others
        The columns that decide where the key is null, so that equal rows stay together.
    always
        Keys that are kept in any case.
    """

    def __init__(
        self, key: str, others: list[str], max_rows: int, min_share: float = 0.0, always: pl.Series | None = None
    ) -> None:
        self.key, self.share, self.n_seen = key, 1.0, 0
        self._hash = (
            pl.when(pl.col(key).is_not_null()).then(pl.col(key).hash(SEED)).otherwise(pl.struct(others).hash(SEED))
        )
        self._max_rows, self._min_share, self._always = max_rows, min_share, always
        self._parts: list[pl.DataFrame] = []
        self._n_kept = 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take the rows of the keys in the sample."""
        self.n_seen += rows.height
        kept = rows.with_columns(self._hash.alias(HASH)).filter(self._in_sample())
        self._parts.append(kept)
        self._n_kept += kept.height
        while self._n_kept > self._max_rows and self.share > self._min_share and self._shrinks():
            self.share = max(self.share * STEP, self._min_share)
            self._parts = [part.filter(self._in_sample()) for part in self._parts]
            self._n_kept = sum(part.height for part in self._parts)

    def rows(self) -> pl.DataFrame:
        """The kept rows; a column that some of them lack is null there."""
        return pl.concat(self._parts, how="diagonal").drop(HASH)

    def _in_sample(self) -> pl.Expr:
        chosen = pl.col(HASH).cast(pl.Float64) < self.share * HASHES
        return chosen if self._always is None else chosen | pl.col(self.key).is_in(self._always.implode())

    def _shrinks(self) -> bool:
        """Whether a smaller share can help: one key may have most of the rows."""
        return self.share > self._max_rows / (8 * self.n_seen)
