"""The weighted sum of standardised scores."""

from __future__ import annotations

import numpy as np
import pytest
from model_data import shop

from recomart_lib import models


def test_a_blend_adds_up_its_parts_on_one_scale():
    data, users = shop(), np.arange(39)
    hyper = {"ease_weight": 0.5, "history_weight": 0.25, "n_factors": 4, "ease_reg": 50, "closeness": 1}
    blended = models.create("blend", **hyper).fit(data).score(users)
    parts = {"ials": {"n_factors": 4}, "ease": {"reg": 50, "closeness": 1}, "own_history_decayed": {}}
    scores = [models.create(name, **hyperparameters).fit(data).score(users) for name, hyperparameters in parts.items()]
    scaled = [(s - s.mean(axis=1, keepdims=True)) / s.std(axis=1, keepdims=True) for s in scores]
    assert blended == pytest.approx(scaled[0] + 0.5 * scaled[1] + 0.25 * scaled[2])
    alone = models.create("blend", ease_weight=0).fit(data)
    assert not [name for name in alone.arrays if name.startswith("ease/")], "a part of weight 0 is not fitted"
