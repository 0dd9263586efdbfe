"""SVD and SVD++ against Surprise, and ratings from weights."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import CASES, CUT, fitted, interactions, pair

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.models.base import TrainData
from recomart_lib.models.rating_base import ratings


def test_svd_equals_surprise():
    surprise = pytest.importorskip("surprise")
    rng = np.random.default_rng(1)
    rated = [(u, i) for u in range(12) for i in range(8) if u == 0 or rng.random() < 0.5]
    rows = [pair(u, i, rating=float(rng.integers(1, 6))) for u, i in rated]
    data = TrainData.of(interactions(rows), 12, 8, CUT)
    svd = models.create("svd", n_factors=3, n_epochs=5, seed=7).fit(data)
    frame = data.interactions.select("user_idx", "item_idx", "rating").to_pandas()
    train = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5))).build_full_trainset()
    theirs = surprise.SVD(n_factors=3, n_epochs=5, random_state=7).fit(train)
    expected = [[theirs.predict(u, i, clip=False).est for i in range(8)] for u in range(12)]
    assert svd.score(np.arange(12)) == pytest.approx(np.array(expected))
    assert svd.estimate(np.array([3]), np.array([2])) == pytest.approx([theirs.predict(3, 2).est])


def test_svdpp_equals_surprise(tmp_path):
    surprise = pytest.importorskip("surprise")
    rng = np.random.default_rng(1)
    rated = [(u, i) for u in range(12) for i in range(8) if u == 0 or rng.random() < 0.5]
    rows = [pair(u, i, rating=float(rng.integers(1, 6))) for u, i in rated]
    data = TrainData.of(interactions(rows), 12, 8, CUT)
    models.create("svdpp", n_factors=3, n_epochs=5, seed=7).fit(data).save(tmp_path)
    svdpp = models.load(tmp_path)
    frame = data.interactions.select("user_idx", "item_idx", "rating").to_pandas()
    train = surprise.Dataset.load_from_df(frame, surprise.Reader(rating_scale=(1, 5))).build_full_trainset()
    theirs = surprise.SVDpp(n_factors=3, n_epochs=5, random_state=7).fit(train)
    expected = [[theirs.predict(u, i, clip=False).est for i in range(8)] for u in range(12)]
    assert svdpp.score(np.arange(12)) == pytest.approx(np.array(expected))
    assert svdpp.estimate(np.array([3]), np.array([2])) == pytest.approx([theirs.predict(3, 2).est])


@pytest.mark.parametrize("name", ["svd", "svdpp"])
def test_users_and_items_without_ratings_get_the_mean(name):
    data = TrainData.of(interactions([pair(0, 0, rating=5.0), pair(0, 1, rating=4.0), pair(1, 2)]), 2, 3, CUT)
    model = fitted(name, data)
    assert model.estimate(np.array([1]), np.array([2])) == [4.5]
    assert model.score(np.array([1]))[0, 2] == 4.5


def test_svd_clips_estimates_but_not_scores():
    svd = fitted("svd", CASES["a shop"])
    svd.arrays = {**svd.arrays, "mean": np.array(9.0)}
    assert svd.estimate(np.array([0]), np.array([0])) == [5.0]
    assert svd.score(np.array([0])).max() > 5


@pytest.mark.parametrize("name", ["svd", "svdpp"])
def test_rating_models_report_divergence(name):
    rows = [pair(u, i, rating=float(1 + 4 * ((u + i) % 2))) for u in range(10) for i in range(10)]
    data = TrainData.of(interactions(rows), 10, 10, CUT)
    with pytest.raises(UserError, match=f"{name}: .* learning_rate 50"):
        models.create(name, learning_rate=50.0).fit(data)


def test_ratings_from_weights_are_quintiles():
    rows = [pair(0, i, weight=float(w)) for i, w in enumerate([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])]
    assert ratings(interactions(rows))["rating"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert ratings(interactions([pair(0, i) for i in range(4)]))["rating"].to_list() == [3] * 4
    assert ratings(interactions([pair(0, 0, rating=2.0), pair(0, 1)]))["rating"].to_list() == [2]
