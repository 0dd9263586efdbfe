"""Item-based nearest neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import CASES

from recomart_lib import models


def test_item_knn_equals_cosine_if_all_are_neighbours():
    data = CASES["a shop"]
    x = data.relevant.toarray()
    unit = x / np.linalg.norm(x, axis=0)
    model = models.create("item_knn", n_neighbours=data.n_items).fit(data)
    assert model.score(np.arange(data.n_users)) == pytest.approx(x @ (unit.T @ unit), abs=2e-9)
