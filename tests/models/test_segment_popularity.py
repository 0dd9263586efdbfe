"""Popularity by segment."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from model_data import CASES, CUT, fitted, interactions, order, pair

from recomart_lib import models
from recomart_lib.models.base import TrainData


def of_countries(countries: list[str | None], rows: list[dict], n_items: int = 3) -> TrainData:
    users = pl.DataFrame({"user_idx": range(len(countries)), "country": countries})
    return TrainData.of(interactions(rows), len(countries), n_items, CUT).with_attributes(users=users)


def test_segment_popularity_by_hand():
    rows = [pair(0, 0), pair(1, 0), pair(2, 1), pair(3, 1), pair(3, 0, n_orders=0)]
    data = of_countries(["DE", "DE", "FR", "FR", "FR", None], rows)
    scores = models.create("segment_popularity", prior=2).fit(data).score(np.arange(6))
    german = [(2 + 2 * 0.5) / 4, (0 + 2 * 0.5) / 4, 0]  # two of two active users took item 0; of all users, half
    french = [(0 + 2 * 0.5) / 4, (2 + 2 * 0.5) / 4, 0]  # the third has no history: not counted, but served
    assert scores == pytest.approx(np.array([german, german, french, french, french, [0.5, 0.5, 0]]))


def test_a_large_prior_gives_the_popularity_of_all_users():
    rows = [pair(0, 0), pair(1, 1), pair(2, 1)]
    model = models.create("segment_popularity", prior=1e9).fit(of_countries(["DE", "FR", "FR"], rows))
    assert order(model, 0) == [1, 0, 2]
    assert order(models.create("segment_popularity", prior=0.1).fit(of_countries(["DE", "FR", "FR"], rows)), 0)[0] == 0


@pytest.mark.parametrize("data", [CASES["only views"], CASES["all equal"], of_countries(["unknown"], [pair(0, 1)])])
def test_without_segments_it_is_popularity(data):
    everybody, popular = (fitted(name, data) for name in ("segment_popularity", "popularity"))
    assert [order(everybody, user) for user in range(data.n_users)] == [order(popular, 0)] * data.n_users


def test_a_missing_attribute_is_logged(caplog):
    models.create("segment_popularity", segment="city").fit(of_countries(["DE"], [pair(0, 0)]))
    assert "users have no city" in caplog.text
