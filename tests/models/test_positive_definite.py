"""Gram matrices in blocks, and the inverse in place."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from recomart_lib.models import blocks, positive_definite

X = sparse.random(30, 17, 0.3, "csr", rng=np.random.default_rng(0)).sign().tocsr()


@pytest.mark.parametrize("limit", [1, 17 * 8 * 5, blocks.BLOCK_BYTES])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_gram_matrix_is_the_same_in_blocks_of_any_size(limit, dtype, monkeypatch):
    monkeypatch.setattr(blocks.rows, "__defaults__", (8, limit))
    gram = positive_definite.gram(X, dtype)
    assert gram.dtype == dtype
    assert gram.flags.f_contiguous
    assert np.array_equal(gram, (X.T @ X).toarray())


@pytest.mark.parametrize(("dtype", "digits"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_the_inverse_is_made_in_place(dtype, digits):
    gram = positive_definite.gram(X, dtype)
    gram[np.diag_indices_from(gram)] += 1
    expected = np.linalg.inv(gram.astype(np.float64))
    inverse = positive_definite.inverse(gram)
    assert np.shares_memory(inverse, gram)
    assert inverse == pytest.approx(expected, abs=digits)
    assert np.array_equal(inverse, inverse.T)


def test_a_matrix_that_is_not_positive_definite_has_none():
    assert positive_definite.inverse(np.array([[1.0, 2], [2, 1]], order="F")) is None
    assert positive_definite.inverse(np.empty((0, 0), order="F")).shape == (0, 0)
