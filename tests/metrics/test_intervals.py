"""Bootstrap and Wilson intervals, the paired test, Holm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from recomart_lib.metrics import intervals


def test_bootstrap_interval():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = intervals.bootstrap_ci(values, 2000, seed=1)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert intervals.bootstrap_ci(values, 2000, seed=1) == (low, high)
    assert intervals.bootstrap_ci(values, 2000, seed=2) != (low, high)
    narrow = intervals.bootstrap_ci(values, 2000, seed=1, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_the_interval_of_a_group_without_hits_is_not_empty():
    assert intervals.group_ci(np.zeros(60), 50, seed=1) == (0.0, 0.05)
    assert intervals.group_ci(np.zeros(2), 50, seed=1) == (0.0, 1.0)
    low, high = intervals.group_ci(np.column_stack([np.zeros(30), np.tile([0.0, 1.0], 15)]), 50, seed=1)
    assert (low[0], high[0]) == (0.0, 0.1)
    assert (low[1], high[1]) == intervals.bootstrap_ci(np.tile([0.0, 1.0], 15), 50, seed=1)


def test_all_columns_use_the_same_resamples_in_any_block_size(monkeypatch):
    values = np.random.default_rng(0).random((50, 2))
    low, high = intervals.bootstrap_ci(values, 300, seed=3)
    assert (low[1], high[1]) == pytest.approx(intervals.bootstrap_ci(values[:, 1], 300, seed=3))
    monkeypatch.setattr(intervals, "DRAWS_PER_BLOCK", 120)
    assert intervals.bootstrap_ci(values, 300, seed=3)[0] == pytest.approx(low)


def test_kept_resamples_are_those_that_are_drawn_anew(monkeypatch):
    values = np.random.default_rng(0).random(50)
    kept = [intervals.bootstrap_ci(values, 300, seed=4) for _ in range(2)]
    monkeypatch.setattr(intervals, "KEPT_DRAWS", 0)
    assert kept == [intervals.bootstrap_ci(values, 300, seed=4)] * 2


def test_equal_groups_are_drawn_once(monkeypatch):
    drawn, draw = [], intervals._drawn
    monkeypatch.setattr(intervals, "_drawn", lambda *args: drawn.append(args) or draw(*args))
    for column in range(3):
        intervals.bootstrap_ci(np.random.default_rng(column).random(77), 20, seed=5)
    assert drawn == [(77, 20, 5)]


def test_bootstrap_of_one_user_and_of_none():
    assert intervals.bootstrap_ci(np.array([0.3]), 10, seed=0) == pytest.approx((0.3, 0.3))
    assert all(math.isnan(value) for value in intervals.bootstrap_ci(np.array([]), 10, seed=0))
    assert np.isnan(intervals.bootstrap_ci(np.empty((0, 3)), 10, seed=0)).shape == (2, 3)


def test_holm_by_hand():
    assert intervals.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert intervals.holm([0.9, 0.8]).tolist() == [1, 1]
    assert intervals.holm([]).size == 0
    with pytest.raises(ValueError, match="p-values"):
        intervals.holm([float("nan")])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p_values):
    adjusted = intervals.holm(p_values)
    assert (adjusted >= np.array(p_values)).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()


def test_paired_test():
    a = np.array([0.5, 0.2, 0.9, 0.4])
    b = np.array([0.3, 0.2, 0.5, 0.3])
    found = intervals.paired_test(a, b)
    assert (found.difference, found.n) == (pytest.approx(0.175), 4)
    root = 0.175 / (np.std(a - b, ddof=1) / 2) / math.sqrt(3)  # t / sqrt(3); with 3 degrees of freedom:
    p_value = 1 - 2 / math.pi * (root / (1 + root**2) + math.atan(root))
    assert found.p_value == pytest.approx(p_value)
    assert found.low < 0 < 0.175 < found.high
    back = intervals.paired_test(b, a)
    assert (back.difference, back.p_value) == pytest.approx((-found.difference, found.p_value))


@pytest.mark.parametrize("n", [2, 3, 40])
def test_paired_test_equals_scipy(n):
    a, b = np.random.default_rng(n).random((2, n))
    expected = stats.ttest_1samp(a - b, 0.0)
    interval = expected.confidence_interval(0.95)
    result = intervals.paired_test(a, b)
    assert (result.p_value, result.low, result.high) == pytest.approx(
        (expected.pvalue, interval.low, interval.high), rel=1e-12
    )


def test_paired_test_without_variance():
    a = np.array([0.5, 0.5, 0.2])
    assert intervals.paired_test(a, a).p_value == 1
    assert intervals.paired_test(np.array([2.0, 3.0]), np.array([1.0, 2.0])).p_value == 0
    assert intervals.paired_test(np.array([1e-200, 0.0]), np.zeros(2)).p_value == 0, "no division by zero"
    assert intervals.paired_test(a[:1], a[1:2]).p_value == 1
    assert intervals.paired_test(a[:0], a[:0]) == (0.0, -np.inf, np.inf, 1.0, 0)


def test_wilson_by_hand():
    low, high = intervals.wilson(np.array([0.0, 5.0, 10.0]), np.array([10, 10, 10]))
    z2 = 1.959964**2
    assert (low[0], high[2]) == (0, pytest.approx(1))
    assert high[0] == pytest.approx(z2 / (10 + z2))
    assert (low[1], high[1]) == pytest.approx((0.236593, 0.763407), abs=1e-6)
    assert low[2] == pytest.approx(1 - high[0])


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_contains_the_share_and_narrows(hits, n):
    hits = min(hits, n)
    low, high = intervals.wilson(np.array([hits, hits * 9]), np.array([n, n * 9]))
    assert (low >= 0).all()
    assert (high <= 1).all()
    assert (low <= hits / n + 1e-12).all()
    assert (high >= hits / n - 1e-12).all()
    assert high[1] - low[1] < high[0] - low[0]
