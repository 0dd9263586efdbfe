"""How many rows of a dense table are in memory at once: bounded by bytes, whatever the size of the shop."""

from __future__ import annotations

BLOCK_BYTES = 64_000_000


def rows(n_columns: int, bytes_per_cell: int = 8, limit: int = BLOCK_BYTES) -> int:
    """The number of rows of a block of at most `limit` bytes; at least 1.

    Examples
    --------
    >>> rows(n_columns=1_000), rows(n_columns=200_000)
    (8000, 40)
    """
    return max(1, limit // (max(n_columns, 1) * bytes_per_cell))
