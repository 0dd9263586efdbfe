"""How many rows of a dense table are in memory at once: bounded by bytes, whatever the size of the shop."""

from __future__ import annotations

BLOCK_BYTES = 64_000_000
# larger arrays are mapped again each time, and to touch their pages takes as long as the arithmetic
FAST_BYTES = 16_000_000
MIN_ROWS = 64  # fewer rows are slower: each block reads the whole model


def rows(n_columns: int, bytes_per_cell: int = 8, limit: int = BLOCK_BYTES) -> int:
    """The number of rows of a block of at most `limit` bytes; at least 1.

    Examples
    --------
    >>> rows(n_columns=1_000), rows(n_columns=200_000)
    (8000, 40)
    """
    return max(1, limit // (max(n_columns, 1) * bytes_per_cell))


def score_rows(n_items: int) -> int:
    """The number of users whose dense scores are made at once, when many passes over small arrays follow.

    Examples
    --------
    >>> score_rows(n_items=5_000), score_rows(n_items=50_000), score_rows(n_items=200_000)
    (400, 64, 40)
    """
    return min(rows(n_items), max(rows(n_items, limit=FAST_BYTES), MIN_ROWS))
