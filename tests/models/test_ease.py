"""EASE: its formula, memory, precision and closeness."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from model_data import CASES, CUT, interactions, pair

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.models import ease
from recomart_lib.models.base import TrainData


@pytest.mark.parametrize("signal", ["relevant", "seen"])
def test_ease_equals_its_formula(signal):
    data = CASES["a shop"]
    x = getattr(data, signal).toarray()
    p = np.linalg.inv(x.T @ x + 7 * np.eye(data.n_items))
    weights = -p / np.diag(p)
    np.fill_diagonal(weights, 0)
    model = models.create("ease", reg=7, signal=signal).fit(data)
    assert model.score(np.arange(data.n_users)) == pytest.approx(x @ weights, abs=2e-9)


def test_ease_refuses_a_large_catalogue():
    with pytest.raises(UserError, match=r"15 items are more than max_items = 14: .* Use als or item_knn"):
        models.create("ease", max_items=14).fit(CASES["a shop"])


def test_ease_checks_the_memory_first(monkeypatch):
    need = 20 * 15**2  # bytes
    monkeypatch.setattr(ease, "available_memory", lambda: need - 1)
    with pytest.raises(UserError, match=r"15 items do not fit in the 0\.0 GB of available memory: .* als or item_knn"):
        models.create("ease").fit(CASES["a shop"])
    monkeypatch.setattr(ease, "available_memory", lambda: need)
    models.create("ease").fit(CASES["a shop"])


def test_memory_is_a_number_of_bytes():
    assert 10**6 < ease.available_memory() < 10**15


def test_single_precision_gives_the_same_scores_to_four_digits():
    data = CASES["a shop"]
    exact, short = (models.create("ease", reg=5.0, precision=p).fit(data) for p in ("double", "single"))
    assert short.arrays["weights"].dtype == np.float32
    assert short.score(np.arange(9)) == pytest.approx(exact.score(np.arange(9)), abs=1e-4)


def test_closeness_counts_what_was_bought_at_nearly_the_same_time():
    at = {"last_relevant_timestamp": CUT - timedelta(days=1)}
    rows = [
        pair(0, 0, **at),
        pair(0, 1, last_relevant_timestamp=CUT - timedelta(days=1, seconds=60)),
        pair(1, 0, **at),
        pair(1, 1, **at),
        pair(1, 2, n_orders=0),
    ]
    data = TrainData.of(interactions(rows), 2, 3, CUT)
    expected = [[2, 1 + np.exp(-0.5), 0], [1 + np.exp(-0.5), 2, 0], [0, 0, 0]]
    assert ease.closeness_matrix(data, within_seconds=120) == pytest.approx(np.array(expected))
    near, plain = (models.create("ease", reg=1, closeness=c).fit(data).arrays["weights"] for c in (4, 0))
    assert near[0, 1] > plain[0, 1]
