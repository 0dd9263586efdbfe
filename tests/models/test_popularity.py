"""Popularity and recent popularity."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from model_data import CUT, fitted, interactions, pair

from recomart_lib.models.base import TrainData


def test_popularity_counts_users_not_events():
    viewed = [pair(1, 1, n_orders=0), pair(0, 1, n_orders=0)]
    rows = [pair(0, 0, n_relevant=9, n_orders=9), pair(0, 2), pair(1, 2), *viewed]
    data = TrainData.of(interactions(rows), 2, 3, CUT)
    assert fitted("popularity", data).score(np.array([1])).tolist() == [[1, 0, 2]]


def test_recent_popularity_starts_with_the_first_moment_of_its_window():
    first = CUT - timedelta(days=30)
    rows = [
        pair(0, 0, last_relevant_timestamp=first),
        pair(0, 1, last_relevant_timestamp=first - timedelta(microseconds=1)),
        pair(0, 2, last_relevant_timestamp=CUT - timedelta(microseconds=1)),
    ]
    data = TrainData.of(interactions(rows), 1, 3, CUT)
    assert fitted("recent_popularity", data).score(np.array([0])).tolist() == [[1, 0, 1]]
