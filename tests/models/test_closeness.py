"""How close in time the same users bought two items: equal to a loop over users, in blocks."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from model_data import bought_together, shop

from recomart_lib.models import blocks, closeness


def by_loop(data, within_seconds):
    """(n_items, n_items), user by user."""
    pairs = data.interactions.filter(pl.col("n_relevant") > 0)
    expected = np.zeros((data.n_items, data.n_items))
    for _, rows in pairs.group_by("user_idx", maintain_order=True):
        seconds = rows["last_relevant_timestamp"].dt.epoch("us").to_numpy() / 1e6
        items = rows["item_idx"].to_numpy()
        expected[np.ix_(items, items)] += np.exp(-np.abs(seconds[:, None] - seconds) / within_seconds)
    return expected


def test_closeness_counts_what_was_bought_at_nearly_the_same_time():
    matrix = np.ones((3, 3), order="F")
    closeness.add(matrix, bought_together(), np.arange(3), within_seconds=120, weight=2)
    expected = np.array([[2, 1 + np.exp(-0.5), 0], [1 + np.exp(-0.5), 2, 0], [0, 0, 0]])
    assert matrix == pytest.approx(1 + 2 * expected)


@pytest.mark.parametrize("block_bytes", [1, 64 * 20, blocks.BLOCK_BYTES])
@pytest.mark.parametrize("order", ["C", "F"])
def test_closeness_equals_a_loop_over_users_in_blocks_of_any_size(block_bytes, order, monkeypatch):
    monkeypatch.setattr(blocks.rows, "__defaults__", (8, block_bytes))
    data = shop(30, 12, seed=3)
    matrix = np.zeros((12, 12), order=order)
    closeness.add(matrix, data, np.arange(12), 1e6, 1.0)
    assert matrix == pytest.approx(by_loop(data, 1e6), rel=1e-12)
    items = np.array([1, 4, 9])
    some = np.zeros((3, 3), order=order)
    closeness.add(some, data, items, 1e6, 1.0)
    assert some == pytest.approx(by_loop(data, 1e6)[np.ix_(items, items)], rel=1e-12)
