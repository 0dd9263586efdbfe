"""The purchase history, with and without decay."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from model_data import CUT, fitted, interactions, order, pair

from recomart_lib.models.base import TrainData


def test_own_history_then_popularity():
    rows = [pair(0, 4, n_orders=3), pair(0, 1), pair(0, 2), pair(1, 2), pair(1, 3), pair(2, 3), pair(2, 2)]
    model = fitted("own_history", TrainData.of(interactions(rows), 4, 5, CUT))
    assert order(model, 0) == [4, 2, 1, 3, 0]  # three orders; one order, the more popular first; then popularity
    assert order(model, 3) == [2, 3, 1, 4, 0]  # nothing but popularity, equal ones by index


def test_decayed_history_keeps_equal_values_equal_and_close_ones_apart():
    half = 60 * np.log(2)  # days in which an order loses half its worth: 41.6
    rows = [
        pair(0, 0, n_orders=2, days=int(half)),
        pair(0, 1, n_orders=1, days=0),  # 1.009 against 1
        pair(0, 3, n_orders=1, days=0),
        pair(1, 3),
        pair(0, 2, n_orders=5, days=10_000),
        pair(1, 4),
        pair(2, 4),
    ]
    model = fitted("own_history_decayed", TrainData.of(interactions(rows), 3, 6, CUT))
    assert order(model, 0) == [0, 3, 1, 2, 4, 5]


def test_decay_counts_whole_days():
    early, late = CUT - timedelta(hours=47), CUT - timedelta(hours=25)  # both one whole day
    rows = [pair(0, 0, last_relevant_timestamp=early), pair(0, 1, last_relevant_timestamp=late)]
    model = fitted("own_history_decayed", TrainData.of(interactions(rows), 1, 2, CUT))
    assert model.score(np.array([0]))[0].tolist() == [1.5, 1.5]
