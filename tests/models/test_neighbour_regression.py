"""The ridge regression of items on their nearest neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import shop

from recomart_lib.models import blocks, neighbour_regression

DATA = shop(60, 40, seed=1)
OTHERS = np.arange(0, 40, 2)
TARGETS = np.arange(1, 39, 2)


def regularised_gram(reg=5.0):
    x = DATA.relevant[:, OTHERS].toarray()
    return np.asfortranarray(x.T @ x + reg * np.eye(len(OTHERS)))


@pytest.mark.parametrize("limit", [1, blocks.BLOCK_BYTES])
def test_each_target_is_regressed_on_its_nearest_neighbours(limit, monkeypatch):
    monkeypatch.setattr(neighbour_regression, "N_NEIGHBOURS", 6)
    monkeypatch.setattr(blocks.rows, "__defaults__", (8, limit))
    weights = neighbour_regression.weights(DATA.relevant, TARGETS, OTHERS, regularised_gram())
    assert weights.shape == (20, 40)
    x = DATA.relevant.toarray()
    for target in TARGETS:
        common = x[:, OTHERS].T @ x[:, target]
        cosine = common / np.sqrt(x[:, OTHERS].sum(axis=0))
        near = [place for place in sorted(range(20), key=lambda p: (-cosine[p], p))[:6] if common[place] > 0]
        ridge = np.linalg.solve(regularised_gram()[np.ix_(near, near)], common[near])
        expected = np.zeros(20)
        expected[near] = ridge
        assert weights[:, [target]].toarray().ravel() == pytest.approx(expected)
    assert not weights[:, OTHERS].nnz


def test_without_targets_or_neighbours_there_are_no_weights():
    empty = neighbour_regression.weights(DATA.relevant, TARGETS[:0], OTHERS, regularised_gram())
    assert (empty.shape, empty.nnz) == ((20, 40), 0)
    assert neighbour_regression.cost(0, 20).memory == 0
    nobody = DATA.relevant.copy()
    nobody.data[:] = 0
    nobody.eliminate_zeros()
    assert neighbour_regression.weights(nobody, TARGETS, OTHERS, np.eye(20)).nnz == 0
