"""iALS: its loss and its ratings."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import CUT, interactions, pair, shop
from scipy import sparse

from recomart_lib import models
from recomart_lib.models import blocks, ials
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


def by_normal_equations(targets, others, unobserved, reg):
    """The factors of each row by its own system of equations."""
    gram, factors = unobserved * others.T @ others, np.zeros((targets.shape[0], others.shape[1]))
    for row in np.flatnonzero(np.diff(targets.indptr)):
        columns, values = others[targets[row].indices], targets[row].data
        shift = reg * (len(values) + unobserved * len(others)) * np.eye(others.shape[1])
        factors[row] = np.linalg.solve(columns.T @ columns + gram + shift, columns.T @ values)
    return factors


@pytest.mark.parametrize("limit", [1, blocks.BLOCK_BYTES])
@pytest.mark.parametrize("reg", [0.0, 1e-9, 0.07])
def test_rows_with_equally_many_entries_are_solved_together(reg, limit, monkeypatch):
    monkeypatch.setattr(blocks.rows, "__defaults__", (8, limit))
    rng = np.random.default_rng(0)
    targets = sparse.random(60, 20, 0.25, "csr", rng=rng)
    targets.data += 1
    targets = sparse.vstack([targets[:59], sparse.csr_matrix((1, 20))], "csr")
    others = rng.normal(size=(20, 5))  # rows have fewer and more entries than factors
    counts = np.diff(targets.indptr)
    assert counts.min() == 0
    assert (counts[counts > 0].min(), counts.max()) < (5, 6)
    expected = by_normal_equations(targets, others, 0.1, reg)
    assert ials._solve(targets, others, 0.1, reg) == pytest.approx(expected, abs=1e-9)
    assert not ials._solve(targets, others, 0.1, reg)[counts == 0].any()
