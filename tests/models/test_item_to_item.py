"""Explanations: exact contributions of the purchase history."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import CASES, CUT, fitted, interactions, pair

from recomart_lib import models
from recomart_lib.models.base import EXPLANATIONS, TrainData


def test_explanation_by_hand():
    data = TrainData.of(interactions([pair(0, 0), pair(0, 1), pair(1, 0), pair(1, 2), pair(2, 1)]), 4, 3, CUT)
    model = fitted("item_knn", data)  # cosines: 0 and 1: 1 / sqrt(2 * 2); 0 and 2: 1 / sqrt(2 * 1); 1 and 2: 0
    found = model.explain(np.array([0, 0, 3]), np.array([2, 0, 0]))
    assert found.select("user_idx", "item_idx", "because_idx").rows() == [(0, 2, 0), (0, 0, 0), (0, 0, 1)]
    assert found["contribution"].to_list() == pytest.approx([0.5**0.5, 1, 0.5])
    assert found["share"].to_list() == pytest.approx([1, 2 / 3, 1 / 3])


def test_contributions_can_be_negative():
    """One takes 0 and 1, others 0 and 2: in EASE, 1 speaks against 2. The sizes of the shares sum to 1."""
    rows = [pair(u, 0) for u in range(9)] + [pair(u, 1 + u % 2) for u in range(9)]
    found = models.create("ease", reg=1).fit(TrainData.of(interactions(rows), 9, 3, CUT)).explain([0], [2])
    assert found["because_idx"].to_list() == [0, 1]
    assert found["contribution"][0] > 0 > found["contribution"][1]
    assert found["share"].abs().sum() == pytest.approx(1)


ITEM_TO_ITEM = ("ease", "item_knn", "content", "basket")


@pytest.mark.parametrize("name", ITEM_TO_ITEM)
def test_blocks_of_explanations_do_not_matter(name, monkeypatch):
    data = CASES["a shop"]
    users, items = np.arange(30), np.arange(30) % data.n_items
    model = fitted(name, data)
    whole = model.explain(users, items)
    monkeypatch.setattr("recomart_lib.models.item_to_item.BLOCK", 7)
    assert model.explain(users, items).equals(whole)
    assert model.explain(users[:0], items[:0]).schema == EXPLANATIONS


@pytest.mark.parametrize(("user", "item"), [(-1, 0), (40, 0), (0, -1), (0, 15)])
def test_pairs_out_of_range_are_not_explained(user, item):
    with pytest.raises(IndexError, match=r"must be in \[0, "):
        fitted("ease", CASES["a shop"]).explain(np.array([user]), np.array([item]))
    with pytest.raises(ValueError, match="are not pairs"):
        fitted("ease", CASES["a shop"]).explain(np.array([0, 1]), np.array([0]))
