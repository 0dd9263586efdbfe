"""User-based nearest neighbours, with purchases decayed in days."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_data import CUT, baskets, interactions, order, pair

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.models import blocks
from recomart_lib.models.base import TrainData

HALF_LIFE = 10 / np.log(2)  # as decay_days: a purchase counts 1/2 after 10 days, 1/4 after 20 days


def by_hand(**hyperparameters):
    """Four users and items: user 3 and item 3 have no purchase.

    v(0) = (1/2 + 1/4, 1/4, 0, 0), v(1) = (0, 1/2, 1/2, 0), v(2) = (0, 0, 1/4, 0), v(3) = 0.
    """
    lines = baskets((0, 0, 0, 10), (0, 0, 1, 20), (0, 1, 1, 20), (1, 1, 2, 10), (1, 2, 2, 10), (2, 2, 3, 20))
    pairs = interactions([pair(0, 0), pair(0, 1), pair(1, 1), pair(1, 2), pair(2, 2), pair(3, 3, n_orders=0)])
    data = TrainData.of(pairs, 4, 4, CUT).with_baskets(lines)
    return models.create("user_knn", decay_days=HALF_LIFE, **hyperparameters).fit(data)


W = np.array([[3 / 10**0.5, 1 / 10**0.5, 0, 0], [0, 0.5**0.5, 0.5**0.5, 0], [0, 0, 1, 0], [0, 0, 0, 0]])
MEAN = np.array([3 / 16, 3 / 16, 3 / 16, 0])  # of the four v


def test_vectors_are_decayed_sums_of_length_one():
    model = by_hand()
    assert model.arrays["vectors"].toarray() == pytest.approx(W)
    assert model.arrays["average"] == pytest.approx(MEAN)


def test_the_score_is_the_own_share_and_the_mean_of_the_neighbours():
    """User 0 has one neighbour, user 1 two (cosine 1/20^0.5 and 1/2^0.5), user 2 one, user 3 none."""
    scores = by_hand(n_neighbours=2, own_share=0.4).score(np.arange(4))
    assert scores[0] == pytest.approx(0.4 * W[0] + 0.3 * (W[1] + MEAN))
    assert scores[1] == pytest.approx(0.4 * W[1] + 0.3 * (W[0] + W[2]), abs=1e-8)
    assert scores[2] == pytest.approx(0.4 * W[2] + 0.3 * (W[1] + MEAN))
    assert scores[3] == pytest.approx(0.6 * MEAN)


def test_only_the_nearest_count():
    scores = by_hand(n_neighbours=1, own_share=0.4).score(np.arange(4))
    assert scores[1] == pytest.approx(0.4 * W[1] + 0.6 * W[2], abs=1e-8)


@pytest.mark.parametrize("own_share", [0.0, 1.0])
def test_the_ends_of_the_own_share(own_share):
    scores = by_hand(n_neighbours=1, own_share=own_share).score(np.arange(4))
    assert scores[1] == pytest.approx(W[1] if own_share else W[2], abs=1e-8)
    assert order(by_hand(own_share=own_share), 3) == [0, 1, 2, 3], "a user without purchases: recent popularity"


def test_equally_near_users_are_taken_in_their_order():
    lines = baskets((0, 0, 0, 10), (1, 0, 1, 10), (1, 1, 1, 10), (2, 0, 2, 10), (2, 2, 2, 10))
    pairs = interactions([pair(0, 0), pair(1, 0), pair(1, 1), pair(2, 0), pair(2, 2)])
    model = models.create("user_knn", n_neighbours=1).fit(TrainData.of(pairs, 3, 3, CUT).with_baskets(lines))
    assert order(model, 0) == [0, 1, 2]
    assert model.score(np.array([0]))[0, 2] < 1e-6


def test_very_old_purchases_still_make_a_vector():
    lines = baskets((0, 0, 0, 5_000), (0, 1, 1, 5_001), (1, 1, 2, 1))
    pairs = interactions([pair(0, 0), pair(0, 1), pair(1, 1)])
    model = models.create("user_knn", decay_days=1.0).fit(TrainData.of(pairs, 2, 2, CUT).with_baskets(lines))
    assert model.arrays["vectors"].toarray()[0] == pytest.approx(np.array([1, np.exp(-1)]) / np.hypot(1, np.exp(-1)))
    assert np.isfinite(model.score(np.arange(2))).all()


def test_without_baskets_all_orders_count_at_the_last():
    pairs = interactions([pair(0, 0, n_orders=2, days=10), pair(0, 1, days=20), pair(1, 1, days=3)])
    hour = 1 / 24  # `pair` adds it
    lines = baskets((0, 0, 0, 10 + hour), (0, 0, 1, 10 + hour), (0, 1, 2, 20 + hour), (1, 1, 3, 3 + hour))
    data = TrainData.of(pairs, 2, 2, CUT)
    with_baskets, without = (models.create("user_knn").fit(part) for part in (data.with_baskets(lines), data))
    assert without.score(np.arange(2)) == pytest.approx(with_baskets.score(np.arange(2)))


@given(
    lines=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(1, 400)), min_size=1, max_size=25, unique=True
    ),
    own_share=st.floats(0, 1),
)
def test_scores_equal_the_formula_if_all_users_may_be_neighbours(lines, own_share):
    days, k = 60.0, 5
    v = np.zeros((6, 5))
    for user, item, age in lines:
        v[user, item] += np.exp(-age / days)
    length = np.linalg.norm(v, axis=1, keepdims=True)
    w = np.divide(v, length, out=np.zeros_like(v), where=length > 0)
    near = (w @ w.T > 1e-200) & ~np.eye(6, dtype=bool)
    others = near @ w + (k - near.sum(axis=1))[:, None] * v.mean(axis=0)
    pairs = interactions([pair(user, item) for user, item in sorted({line[:2] for line in lines})])
    data = TrainData.of(pairs, 6, 5, CUT).with_baskets(baskets(*((u, i, n, a) for n, (u, i, a) in enumerate(lines))))
    model = models.create("user_knn", n_neighbours=k, decay_days=days, own_share=own_share).fit(data)
    assert model.score(np.arange(6)) == pytest.approx(own_share * w + (1 - own_share) / k * others, abs=1e-8)


def test_an_own_share_above_one_is_refused():
    with pytest.raises(UserError, match=r"user_knn: own_share is 1\.5; expected a number from 0 to 1"):
        models.create("user_knn", own_share=1.5)


def test_blocks_have_room_for_the_similarities_with_all_users():
    pairs = interactions([pair(0, 0)])
    model = models.create("user_knn").fit(TrainData.of(pairs, 1_000_000, 1, CUT))
    assert model.block_rows(1) == blocks.score_rows(1_000_000) == 8
