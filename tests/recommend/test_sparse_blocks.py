"""Products of sparse matrices in blocks, against dense arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recomart_lib.recommend import sparse_blocks


def matrix(seed: int, rows: int, columns: int) -> sparse.csr_matrix:
    dense = np.random.default_rng(seed).integers(0, 4, (rows, columns))
    return sparse.csr_matrix(np.where(dense > 1, dense, 0).astype(float))


@given(st.integers(0, 10_000), st.integers(0, 8), st.integers(1, 9), st.integers(1, 8), st.integers(1, 40))
def test_blocks_put_together_are_the_product(seed, rows, inner, columns, cells):
    left, right = matrix(seed, rows, inner), matrix(seed + 1, inner, columns)
    whole, seen = (left @ right).toarray(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse_blocks, "CELLS", cells)
        for start, block in sparse_blocks.products(left, right):
            assert start == seen and (block.nnz <= cells or block.shape[0] == 1)
            assert np.array_equal(block.toarray(), whole[start : start + block.shape[0]])
            seen += block.shape[0]
        assert seen == rows
        row, column = np.nonzero(np.ones((rows, columns)))
        wanted = np.flatnonzero(np.random.default_rng(seed).random(len(row)) < 0.5)
        values = sparse_blocks.values_at(left, right, row[wanted], column[wanted])
    assert np.array_equal(values, whole[row[wanted], column[wanted]])


@given(st.integers(0, 10_000), st.integers(0, 8), st.integers(1, 9), st.integers(1, 5))
def test_the_best_of_each_row_are_those_of_a_sort(seed, rows, columns, k):
    scores = matrix(seed, rows, columns)
    expected = [
        (row, column, value, rank + 1)
        for row, values in enumerate(scores.toarray())
        for rank, (value, column) in enumerate(
            sorted(((v, c) for c, v in enumerate(values) if v), key=lambda x: (-x[0], x[1]))[:k]
        )
    ]
    assert list(zip(*sparse_blocks.best_of_rows(scores, k), strict=True)) == expected
