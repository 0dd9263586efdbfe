"""iALS: its loss and its ratings."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import CUT, interactions, pair, shop

from recomart_lib import models
from recomart_lib.models.base import TrainData


def test_ials_minimises_its_loss():
    data = shop()
    model = models.create("ials", n_factors=3, reg=0.5, unobserved=0.2, n_epochs=2).fit(data)
    users, items, x = model.arrays["user_factors"], model.arrays["item_factors"], data.relevant.toarray()
    reg = 0.5 * np.sqrt(10_000 / data.relevant.nnz)

    def loss(items: np.ndarray) -> float:
        scores, weight = users @ items.T, reg * (x.sum(axis=0) + 0.2 * len(users))
        return ((x * (x - scores)) ** 2).sum() + 0.2 * (scores**2).sum() + (weight * (items**2).sum(axis=1)).sum()

    taken = np.flatnonzero(x.sum(axis=0))
    for item in taken:
        for factor in range(3):
            for step in (-1e-4, 1e-4):
                other = items.copy()
                other[item, factor] += step
                assert loss(other) > loss(items), "the items were solved last: no other factors are better"


def test_higher_ratings_are_stronger_positives():
    rows = [pair(0, 0, rating=5.0), pair(0, 1, rating=1.0), pair(1, 0, rating=5.0), pair(1, 1, rating=1.0)]
    data = TrainData.of(interactions(rows), 2, 2, CUT)
    plain, sloped = (
        models.create("ials", n_factors=1, rating_slope=s).fit(data).score(np.array([0])) for s in (0, 0.1)
    )
    assert plain[0, 0] == pytest.approx(plain[0, 1])
    assert sloped[0, 0] > sloped[0, 1] * 1.2
