"""Similar items by weights and by the cosine of factors."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import CASES, CUT, fitted, interactions, pair

from recomart_lib.models import similar_items as module
from recomart_lib.models.base import TrainData
from recomart_lib.models.similar_items import similar_items


def test_similar_items_of_ease_are_the_list_of_a_user_with_that_item_alone():
    model = fitted("ease", CASES["a shop"])
    row = model.arrays["weights"][3]
    expected = [int(i) for i in np.argsort(-row, kind="stable") if row[i] > 0]
    found = similar_items(model, np.array([3]), 15)
    assert found["similar_idx"].to_list() == expected
    assert found["similarity"].to_list() == row[expected].tolist()


def test_ties_go_to_the_smaller_index():
    rows = [pair(u, i) for u in range(3) for i in range(4)] + [pair(3, 4)]
    data = TrainData.of(interactions(rows), 4, 5, CUT)
    assert similar_items(fitted("item_knn", data), np.array([2]), 9)["similar_idx"].to_list() == [0, 1, 3]


def test_similarity_is_the_cosine_of_factors():
    model = fitted("als", CASES["a shop"])
    model.arrays = {**model.arrays, "item_factors": np.array([[2, 0], [1, 1], [0, 0], [-3, 0], [5, 0]], np.float32)}
    found = similar_items(model, np.array([0, 2]), 9)
    assert found.select("item_idx", "similar_idx", "rank").rows() == [(0, 4, 1), (0, 1, 2)]
    assert found["similarity"].to_list() == pytest.approx([1, 0.5**0.5])


@pytest.mark.parametrize("name", ["item_knn", "content", "als"])
def test_few_rows_of_similarity_are_in_memory_at_once(name, monkeypatch):
    model, items = fitted(name, CASES["a shop"]), np.arange(15)[::-1]
    whole, heights, find_best = similar_items(model, items, 3), [], module.top_k
    monkeypatch.setattr("recomart_lib.models.blocks.rows", lambda n_columns: 4)
    monkeypatch.setattr(module, "top_k", lambda scores, k: heights.append(len(scores)) or find_best(scores, k))
    assert similar_items(model, items, 3).equals(whole)
    assert heights == [4, 4, 4, 3]
