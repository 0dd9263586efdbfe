"""Candidates: own items, the best new ones of every source, and what is said of them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from model_data import CUT, WORLDS, baskets, interactions, pair

from recomart_lib import models
from recomart_lib.models.base import TrainData
from recomart_lib.train import candidates
from recomart_lib.train.candidates import SOURCES, Candidates


def of(data: TrainData) -> Candidates:
    """Candidates with one feature each of users, items and own pairs."""
    had = data.interactions.filter(pl.col("n_relevant") > 0)
    pairs = had.select("user_idx", "item_idx", interaction__orders=pl.col("n_orders").cast(pl.Float32))
    users = pl.DataFrame({"user__x": np.arange(data.n_users, dtype=np.float32)})
    items = pl.DataFrame({"item__x": np.arange(data.n_items, dtype=np.float32) * 10})
    return Candidates(data, pairs, users, items)


@pytest.mark.parametrize("world", WORLDS)
def test_candidates_are_own_items_and_the_best_new_ones(world, monkeypatch):
    monkeypatch.setattr(candidates, "N_NEW", 2)
    monkeypatch.setattr(candidates, "YARDSTICK", 2)
    data = WORLDS[world]
    rows = of(data)(np.arange(data.n_users))
    assert rows.select("user_idx", "item_idx").rows() == sorted(set(rows.select("user_idx", "item_idx").rows()))
    had = data.interactions.filter(pl.col("n_relevant") > 0).select("user_idx", "item_idx")
    assert rows.filter("own").select("user_idx", "item_idx").equals(had)
    new = rows.filter(~pl.col("own"))
    assert new["own__rank"].null_count() == new.height
    assert rows.filter("own")["interaction__orders"].null_count() == 0
    assert new["interaction__orders"].null_count() == new.height
    for source in SOURCES:
        ranks = rows.filter(pl.col(f"{source}__rank").is_not_null())
        assert not ranks["own"].any()
        assert set(ranks[f"{source}__rank"]) <= {1.0, 2.0}
    assert (rows["user__x"] == rows["user_idx"]).all()
    assert (rows["item__x"] == rows["item_idx"] * 10).all()


def test_scores_and_ranks_are_those_of_the_source():
    data = WORLDS["a shop"]
    found = of(data)(np.array([3]))
    model, hyper = SOURCES["ease"]
    scores = models.create(model, **hyper).fit(data).score(np.array([3]))[0]
    assert found["ease__score"].to_numpy() == pytest.approx(scores[found["item_idx"].to_numpy()])
    new = found.filter(~pl.col("own")).sort("ease__rank")
    assert new["ease__score"].is_sorted(descending=True)
    tenth = np.sort(new["ease__score"].to_numpy())[::-1][candidates.YARDSTICK - 1] if new.height >= 10 else None
    if tenth is not None:
        assert new["ease__relative"].to_numpy() == pytest.approx(new["ease__score"].to_numpy() / abs(tenth))


def test_the_own_history_is_ranked_by_orders_and_freshness():
    rows = [pair(0, 0, n_orders=1, days=5), pair(0, 1, n_orders=3, days=5), pair(0, 2, n_orders=1, days=5), pair(1, 3)]
    found = of(TrainData.of(interactions(rows), 2, 4, CUT))(np.array([0]))
    assert found.filter("own")["own__rank"].to_list() == [2.0, 1.0, 2.0]


def test_blocks_do_not_matter_and_nobody_has_no_candidates(monkeypatch):
    data = WORLDS["a shop"]
    whole = of(data)(np.arange(data.n_users))
    monkeypatch.setattr(candidates, "BLOCK", 7)
    assert of(data)(np.arange(data.n_users)).equals(whole)
    nobody = of(data)(np.empty(0, dtype=np.int64))
    assert (nobody.height, nobody.schema) == (0, whole.schema)


def test_a_source_that_is_too_slow_says_null(monkeypatch, caplog):
    monkeypatch.setattr(candidates, "MOST_ITEMS", {"ease": 5})
    data = WORLDS["a shop"]
    rows = of(data)(np.arange(4))
    assert rows["ease__score"].null_count() == rows.height > 0
    assert rows.schema == of(WORLDS["one pair"])(np.arange(1)).schema
    assert "ease is no source for 15 items" in caplog.text


def test_orders_reach_the_basket_source():
    held = baskets((0, 0, 0, 1), (0, 1, 0, 1), (1, 0, 1, 1))
    data = TrainData.of(interactions([pair(0, 0), pair(0, 1), pair(1, 0)]), 2, 2, CUT, baskets=held)
    row = of(data)(np.array([1])).row(1, named=True)
    assert (row["item_idx"], row["own"], row["basket__rank"]) == (1, False, 1.0)
    assert row["basket__score"] > 0.01


def test_columns_are_told_in_words():
    assert candidates.words("basket__rank", str) == (
        "its place among the 50 new products that basket likes most for the user"
    )
    assert candidates.words("own__rank", str).startswith("its place in the user's own history")
    assert candidates.words("user__order_count", lambda name: f"the words of {name}") == "the words of user.order_count"
    assert candidates.is_of_source("own__rank")
    assert not candidates.is_of_source("item__popularity")
