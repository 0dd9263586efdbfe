"""Bayesian personalised ranking."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import CASES, CUT, fitted, interactions, order, pair

from recomart_lib import models
from recomart_lib.models.base import TrainData


def test_bpr_separates_two_tastes():
    rows = [pair(u, i) for u in range(20) for i in range(6) if i % 2 == u % 2 and i != u % 6]
    model = models.create("bpr", n_factors=8, learning_rate=0.1, n_epochs=200).fit(
        TrainData.of(interactions(rows), 20, 6, CUT)
    )
    assert all({item % 2 for item in order(model, user, 3)} == {user % 2} for user in range(20))


def test_bpr_scores_as_implicit_does():
    implicit = pytest.importorskip("implicit.cpu.bpr")
    data = CASES["a shop"]
    theirs = implicit.BayesianPersonalizedRanking(
        factors=4, learning_rate=0.01, regularization=0.001, iterations=3, num_threads=1, random_state=0
    )
    theirs.fit(data.relevant, show_progress=False)
    users = np.unique(data.relevant.nonzero()[0])  # the others are popularity's
    expected = theirs.user_factors[users].astype(float) @ theirs.item_factors.T.astype(float)
    assert fitted("bpr", data).score(users) == pytest.approx(expected, abs=1e-6)


def test_items_without_buyers_come_last():
    rows = [pair(u, i) for u in range(6) for i in range(1, 5) if u != i] + [pair(6, 0, n_orders=0)]
    model = models.create("bpr", learning_rate=0.5).fit(TrainData.of(interactions(rows), 7, 5, CUT))
    assert [order(model, user)[-1] for user in range(7)] == [0] * 7
