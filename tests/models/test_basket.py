"""Co-purchases in recent orders."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import CASES, CUT, baskets, fitted, interactions, order, pair

from recomart_lib import models
from recomart_lib.models.base import TrainData
from recomart_lib.models.top_k import recommend


def test_basket_by_hand():
    """Basket 0 of user 0 holds 0 and 1, ten days ago; basket 1 of user 1 holds 1 and 2, twenty days ago."""
    orders = baskets((0, 0, 0, 10), (0, 1, 0, 10), (1, 1, 1, 20), (1, 2, 1, 20))
    data = TrainData.of(interactions([pair(0, 0), pair(0, 1), pair(1, 1), pair(1, 2)]), 3, 4, CUT).with_baskets(orders)
    model = models.create("basket", decay_days=40.0, history_days=120.0, power=0.5).fit(data)
    old, older = np.exp(-10 / 360), np.exp(-20 / 360)
    usual = np.array([2 + old, 2 + old + older, 2 + older])
    link = {(0, 1): np.exp(-10 / 40) / 2, (1, 2): np.exp(-20 / 40) / 2}
    expected = np.exp(-10 / 120) * link[1, 2] / np.sqrt(usual[1] * usual[2])
    assert model.score(np.array([0]))[0, 2] == pytest.approx(expected)
    assert model.score(np.array([1]))[0, 0] == pytest.approx(
        np.exp(-20 / 120) * link[0, 1] / np.sqrt(usual[0] * usual[1])
    )
    assert order(model, 2) == order(fitted("popularity", data), 2)
    found = model.explain(np.array([0]), np.array([2]))
    assert found.select("because_idx", "contribution").row(0) == (1, pytest.approx(expected))


def test_recent_co_purchases_count_more():
    orders = baskets((0, 0, 0, 100), (0, 1, 0, 100), (1, 0, 1, 5), (1, 2, 1, 5), (2, 0, 2, 50))
    purchases = interactions([pair(0, 0), pair(0, 1), pair(1, 0), pair(1, 2), pair(2, 0)])
    assert order(fitted("basket", TrainData.of(purchases, 3, 3, CUT).with_baskets(orders)), 2)[:2] == [2, 1]


def test_basket_without_baskets_is_popularity(caplog):
    data = CASES["a shop"]
    users = np.arange(data.n_users)
    assert np.array_equal(
        recommend(fitted("basket", data), users, 5)["item_idx"],
        recommend(fitted("popularity", data), users, 5)["item_idx"],
    )
    assert "basket: there are no orders" in caplog.text
