"""Top-k lists: exact, with deterministic ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_data import CASES, fitted
from scipy import sparse

from recomart_lib.models import blocks
from recomart_lib.models import top_k as module
from recomart_lib.models.sparse_scores import CommonScores, SparseScores
from recomart_lib.models.top_k import recommend, sparse_top_k, top_k


def slow_top_k(scores: np.ndarray, k: int, mask: np.ndarray) -> list[list[int]]:
    allowed = [[i for i in range(len(row)) if np.isfinite(row[i]) and not mask[r, i]] for r, row in enumerate(scores)]
    return [sorted(left, key=lambda i, row=row: (-row[i], i))[:k] for left, row in zip(allowed, scores, strict=True)]


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 5), n_items=st.integers(1, 12), k=st.integers(1, 14))
def test_top_k_equals_a_full_sort(seed, n, n_items, k):
    rng = np.random.default_rng(seed)
    scores = rng.choice([-1.0, 0.0, -0.0, 1.0, 2.0, np.nan, np.inf, -np.inf], size=(n, n_items))
    mask = rng.random((n, n_items)) < 0.2
    before = scores.copy()
    idx, best = top_k(scores, k, sparse.csr_matrix(mask))
    assert idx.shape == best.shape == (n, k)
    assert [[int(i) for i in row if i >= 0] for row in idx] == slow_top_k(scores, k, mask)
    assert np.array_equal(idx < 0, np.isneginf(best))
    assert np.array_equal(scores, before, equal_nan=True)
    row, place = np.nonzero(idx >= 0)
    assert np.array_equal(best[row, place], scores[row, idx[row, place]])


def test_ties_go_to_the_smaller_index():
    scores = np.zeros((2, 1_000))
    scores[:, 700] = 1
    assert top_k(scores, 4)[0].tolist() == [[700, 0, 1, 2]] * 2


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="k must"):
        top_k(np.zeros((1, 2)), 0)
    with pytest.raises(ValueError, match="mask has shape"):
        top_k(np.zeros((1, 2)), 1, sparse.csr_matrix((2, 2)))


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 5), n_items=st.integers(1, 12), k=st.integers(1, 14))
def test_sparse_scores_have_the_lists_of_the_dense_table(seed, n, n_items, k):
    rng = np.random.default_rng(seed)
    values = np.array([0.0, 0.5, 1.0, 2.0])
    row, item = np.nonzero(rng.random((n, n_items)) < rng.choice([0, 0.2, 1]))
    stored = sparse.csr_matrix((rng.choice(values, len(row)), (row, item)), shape=(n, n_items))
    divisor = rng.choice([1.0, 2.0], n) if seed % 2 else None
    scores = SparseScores(stored, CommonScores(rng.choice(values, n_items)), divisor)
    mask = sparse.csr_matrix(rng.choice([0.0, 0.0, 1.0], size=(n, n_items)))
    dense = scores.toarray()
    for kept in (None, mask):
        for sparsely, densely in zip(sparse_top_k(scores, k, kept), top_k(dense, k, kept), strict=True):
            assert np.array_equal(sparsely, densely)
            assert sparsely.dtype == densely.dtype
    row, item = np.nonzero(np.ones((n, n_items)))
    assert np.array_equal(scores.at(row, item), dense.ravel())


@pytest.mark.parametrize(
    "name", ["popularity", "segment_popularity", "own_history", "item_knn", "basket", "als", "content"]
)
def test_blocks_of_scores_are_bounded_by_bytes(name, monkeypatch):
    """No dense table has more cells than one block; models with sparse scores make none."""
    monkeypatch.setattr(blocks.rows, "__defaults__", (8, 15 * 8 * 7))  # 7 rows of 15 items
    monkeypatch.setattr(module, "DENSE", 1)
    model, users = fitted(name, CASES["a shop"]), np.arange(40)
    cells, dense = [], type(model).score
    monkeypatch.setattr(type(model), "score", lambda *args: cells.append(dense(*args).size) or dense(*args))
    lists = recommend(model, users, 5)
    assert lists.height == 200
    assert (max(cells) == 7 * 15) if name in ("als", "content") else not cells
    monkeypatch.undo()
    assert lists.equals(recommend(model, users, 5))


def test_nearly_dense_scores_are_treated_as_dense(monkeypatch):
    model = fitted("item_knn", CASES["a shop"])
    assert isinstance(module.model_scores(model, np.arange(40)), np.ndarray)
    monkeypatch.setattr(module, "DENSE", 1)
    assert isinstance(module.model_scores(model, np.arange(40)), SparseScores)
