"""Coverage, novelty, diversity, Gini index."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from recomart_lib.metrics import beyond_accuracy

NONE = beyond_accuracy.NO_ITEM


def test_coverage_counts_distinct_items_of_every_length():
    assert beyond_accuracy.coverage(np.array([[0, 1, 2], [1, 2, NONE]]), 6).tolist() == [2 / 6, 3 / 6, 3 / 6]
    assert beyond_accuracy.coverage(np.empty((0, 2), dtype=np.int32), 6).tolist() == [0, 0]


def test_novelty_is_the_mean_self_information_in_bits():
    bits = beyond_accuracy.information(np.array([4, 2, 1, 0]), 4)  # all four users, half, a quarter, none: as if one
    assert bits.tolist() == [0, 1, 2, 2]
    lists = np.array([[0, 1], [2, NONE]])
    assert beyond_accuracy.novelty(lists, bits) == pytest.approx([(0 + 2) / 2, (0 + 2 + 1) / 3])
    assert math.isnan(beyond_accuracy.novelty(lists[:0], bits)[0])


def reference_diversity(lists: np.ndarray, user_items: np.ndarray) -> float:
    """All pairs of all lists, one by one."""
    means, norms = [], np.linalg.norm(user_items, axis=0)
    for row in lists:
        shown = row[row != NONE]
        cosines = [
            user_items[:, i] @ user_items[:, j] / (norms[i] * norms[j]) if norms[i] and norms[j] else 0.0
            for i in shown
            for j in shown
            if i < j
        ]
        if cosines:
            means.append(np.mean(cosines))
    return 1 - np.mean(means)


def diversity(lists: np.ndarray, user_items: np.ndarray) -> np.ndarray:
    cosines = beyond_accuracy.cosines_to_earlier(lists, sparse.csr_matrix(np.asarray(user_items, dtype=float)))
    return beyond_accuracy.diversity(lists, cosines)


@pytest.mark.parametrize(("entries", "n_places"), [(1, 1), (40, 4), (10**6, 10**6)])
def test_diversity_of_every_length_equals_the_reference_in_any_block_size(monkeypatch, entries, n_places):
    rng = np.random.default_rng(0)
    user_items = rng.random((30, 12)) < 0.3
    user_items[:, 0] = False  # an item without users
    lists = np.array([rng.permutation(12)[:6] for _ in range(9)])
    lists[0] = NONE  # an empty list
    lists[1, 2:] = NONE
    monkeypatch.setattr(beyond_accuracy, "GRAM_ENTRIES", entries)
    monkeypatch.setattr(beyond_accuracy, "PLACES", n_places)
    expected = [reference_diversity(lists[:, :k], user_items.astype(float)) for k in range(2, 7)]
    assert diversity(lists, user_items)[1:] == pytest.approx(expected, abs=1e-12)


def test_the_cosines_in_memory_are_bounded(monkeypatch):
    """Not items x items, nor lists x users."""
    rng, sizes = np.random.default_rng(0), []
    add = beyond_accuracy._sums_of_cosines
    monkeypatch.setattr(beyond_accuracy, "GRAM_ENTRIES", 2_000)
    monkeypatch.setattr(beyond_accuracy, "_sums_of_cosines", lambda *args: sizes.append(args[0].nnz) or add(*args))
    user_items = rng.random((40, 300)) < 0.2
    diversity(rng.integers(0, 300, (50, 5)), user_items)
    assert 1 < len(sizes) < 300
    assert max(sizes) <= 2_000 + 300  # a whole row of the matrix, at least


def test_diversity_by_hand():
    user_items = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    assert diversity(np.array([[0, 1]]), user_items)[1] == pytest.approx(0)  # the same users
    assert diversity(np.array([[0, 2]]), user_items)[1] == pytest.approx(1)  # none in common
    assert math.isnan(diversity(np.array([[0, NONE]]), user_items)[1])


def test_gini_by_hand():
    assert beyond_accuracy.gini(np.array([1, 1, 1]), 3) == 0
    assert beyond_accuracy.gini(np.array([7]), 5) == 4 / 5  # one of five: (n - 1) / n
    assert beyond_accuracy.gini(np.array([3, 1]), 2) == beyond_accuracy.gini(np.array([1, 3]), 2) == 0.25
    assert math.isnan(beyond_accuracy.gini(np.array([]), 4))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any), st.integers(1, 5))
def test_gini_counts_unused_things_and_ignores_the_scale(times, factor):
    times = np.array(times)
    assert beyond_accuracy.gini(times[times > 0], len(times)) == pytest.approx(beyond_accuracy.gini(times, len(times)))
    assert beyond_accuracy.gini(times * factor, len(times)) == pytest.approx(beyond_accuracy.gini(times, len(times)))
    means = np.abs(times[:, None] - times[None, :]).mean() / (2 * times.mean())  # the other definition
    assert beyond_accuracy.gini(times, len(times)) == pytest.approx(means)
