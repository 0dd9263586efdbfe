"""Coverage, novelty, diversity, Gini index."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics_data import lists, pairs
from scipy import sparse

from recomart_lib.metrics import beyond_accuracy


def test_coverage_counts_distinct_items():
    assert beyond_accuracy.coverage(lists(u="ab", v="bc"), 6) == 0.5
    assert beyond_accuracy.coverage(lists(), 6) == 0


def test_novelty_is_the_mean_self_information_in_bits():
    user_items = pairs(u="abc", v="ab", w="a", x="a")  # a: all four users, b: half, c: a quarter
    assert beyond_accuracy.novelty(lists(u="ab", v="c"), user_items) == pytest.approx((0 + 1 + 2) / 3)
    assert beyond_accuracy.novelty(lists(u="z"), user_items) == 2  # no user has it: as if one had
    assert math.isnan(beyond_accuracy.novelty(lists(), user_items))


def reference_diversity(shown: np.ndarray, user_items: np.ndarray) -> float:
    """All pairs of all lists, one by one."""
    means = []
    for row in shown:
        chosen = np.flatnonzero(row)
        norms = np.linalg.norm(user_items, axis=0)
        cosines = [
            user_items[:, i] @ user_items[:, j] / (norms[i] * norms[j]) if norms[i] and norms[j] else 0.0
            for i in chosen
            for j in chosen
            if i < j
        ]
        if cosines:
            means.append(np.mean(cosines))
    return 1 - np.mean(means)


def test_diversity_equals_the_reference_in_any_block_size():
    rng = np.random.default_rng(0)
    user_items, shown = (rng.random((30, 12)) < 0.3).astype(float), (rng.random((9, 12)) < 0.4).astype(float)
    user_items[:, 0] = 0  # an item without users
    shown[0] = 0  # an empty list
    shown[:, 0] = 1
    expected = reference_diversity(shown, user_items)
    for block in (1, 4, 1024):
        assert beyond_accuracy.diversity(
            sparse.csr_matrix(shown), sparse.csr_matrix(user_items), block
        ) == pytest.approx(expected)


def test_diversity_by_hand():
    user_items = sparse.csr_matrix(np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]]))
    assert beyond_accuracy.diversity(sparse.csr_matrix([[1.0, 1, 0]]), user_items) == pytest.approx(0)  # the same users
    assert beyond_accuracy.diversity(sparse.csr_matrix([[1.0, 0, 1]]), user_items) == pytest.approx(1)  # none in common
    assert math.isnan(beyond_accuracy.diversity(sparse.csr_matrix([[1.0, 0, 0]]), user_items))


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
