"""Products of sparse matrices in blocks of rows, so that memory is bounded whatever the size of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from recomart_lib.models.sparse_scores import row_numbers

CELLS = 8_000_000  # values of a product of matrices in memory at once: 100 MB


def products(left: sparse.csr_matrix, right: sparse.csr_matrix) -> Iterator[tuple[int, sparse.csr_matrix]]:
    """`left @ right` in blocks of rows: the number of the block's first row, and the block.

    A block has at most `CELLS` values, or one row.
    """
    pattern = sparse.csr_matrix((np.ones(left.nnz), left.indices, left.indptr), shape=left.shape)
    cells = np.minimum(pattern @ np.diff(right.indptr).astype(np.float64), right.shape[1])
    start, total = 0, np.concatenate([[0.0], np.cumsum(cells)])
    while start < left.shape[0]:
        stop = max(start + 1, int(np.searchsorted(total, total[start] + CELLS, side="right")) - 1)
        yield start, (left[start:stop] @ right).tocsr()
        start = stop


def values_at(left: sparse.csr_matrix, right: sparse.csr_matrix, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """The values of `left @ right` at these places, whose rows are sorted: float64 (len(row),)."""
    values, needed = np.zeros(len(row)), np.unique(row)
    for start, block in products(left[needed], right):
        first, stop = np.searchsorted(row, needed[[start, start + block.shape[0] - 1]] + [0, 1])
        if first < stop:  # SciPy returns an empty matrix, not an empty array
            place = np.searchsorted(needed, row[first:stop]) - start
            values[first:stop] = np.asarray(block[place, column[first:stop]]).ravel()
    return values


def best_of_rows(scores: sparse.csr_matrix, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The k largest stored values of each row, best first; ties go to the smaller column.

    Returns
    -------
    tuple
        row, column, value, rank (1 = best), sorted by row and rank.
    """
    least = np.full(scores.shape[0], -np.inf)  # the k-th value of each row
    for row in np.flatnonzero(np.diff(scores.indptr) > k):
        values = scores.data[scores.indptr[row] : scores.indptr[row + 1]]
        least[row] = np.partition(values, len(values) - k)[len(values) - k]
    row = row_numbers(scores)
    kept = scores.data >= least[row]
    row, column, value = row[kept], scores.indices[kept], scores.data[kept]
    order = np.lexsort((column, -value, row))
    row, column, value = row[order], column[order], value[order]
    rank = np.arange(len(row)) - np.searchsorted(row, row) + 1
    first = rank <= k
    return row[first], column[first], value[first], rank[first]
