"""Item attributes: terms, vectors, ranking."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from model_data import CASES, CUT, catalogue, fitted, interactions, order, pair

from recomart_lib import models
from recomart_lib.models import content
from recomart_lib.models.base import TrainData


def test_terms_of_items():
    items = catalogue(("Red CUP, 2 x Cup", "Mugs", None, 1.0), ("unknown", "unknown", "Acme", 3.0), (None,) * 4)
    assert content.item_terms(items, n_price_levels=2).rows() == [
        (1, "brand", "Acme"),
        (0, "category", "Mugs"),
        (0, "name", "2"),
        (0, "name", "cup"),
        (0, "name", "red"),
        (1, "name", "unknown"),
        (0, "name", "x"),
        (0, "price", "1"),
        (1, "price", "2"),
    ]


def test_price_levels_of_equal_prices_are_equal():
    items = catalogue(*[("x", None, None, price) for price in (1.0, 1.0, 1.0, 9.0)])
    levels = content.item_terms(items, n_price_levels=4).filter(pl.col("kind") == "price").sort("item_idx")
    assert levels["word"].to_list() == ["2", "2", "2", "4"]


def test_vectors_by_hand():
    items = catalogue(("red cup", "mugs", None, None), ("red", None, None, None), (None,) * 4)
    found = content.tf_idf(content.item_terms(items, 4), 3, fact_weight=0.5).toarray()  # columns: mugs, cup, red
    red, cup = np.log(4 / 3) + 1, np.log(4 / 2) + 1  # two and one of three items
    first = np.array([0.5, cup / np.hypot(red, cup), red / np.hypot(red, cup)]) / np.sqrt(0.25 + 1)
    assert found == pytest.approx(np.array([first, [0, 0, 1], [0, 0, 0]]))


def test_attributes_without_weight_leave_the_names():
    items = catalogue(("red", "mugs", None, 1.0), (None, "mugs", None, 1.0))
    assert content.tf_idf(content.item_terms(items, 1), 2, fact_weight=0).toarray().tolist() == [[0, 1, 0], [0, 0, 0]]


def test_items_similar_to_the_recent_history_rank_first_even_without_buyers():
    items = catalogue(
        ("red cup", *[None] * 3),
        ("blue bowl", *[None] * 3),
        ("red plate", *[None] * 3),
        ("blue plate", *[None] * 3),
        ("a spoon", *[None] * 3),
    )
    rows = [pair(0, 0, days=0), pair(0, 1, days=60), pair(1, 4), pair(2, 4)]
    data = TrainData.of(interactions(rows), 4, 5, CUT).with_attributes(items=items)
    model = models.create("content", decay_days=30).fit(data)
    assert order(model, 0) == [0, 2, 1, 3, 4]  # like the cup of today before like the bowl of two months ago
    scores = model.score(np.array([0]))[0]
    assert scores[[0, 1]] == pytest.approx([1, np.exp(-2)])  # an own item is like itself
    assert order(model, 3) == [4, 0, 1, 2, 3]  # no history: popularity


def test_content_without_items_is_popularity(caplog):
    data = CASES["all equal"]
    assert order(fitted("content", data), 0) == order(fitted("popularity", data), 0)
    assert "there are no item attributes" in caplog.text
