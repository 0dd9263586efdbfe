"""The weighted sum of standardised scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from model_data import shop

from recomart_lib import models
from recomart_lib.models.blend import _standardised
from recomart_lib.models.cost import Budget


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


def test_a_blend_says_how_its_parts_were_simplified():
    data = shop(40, 150)
    model = models.create("blend", n_factors=4)
    assert model.fit(data).notes == []
    tight = replace(data, budget=Budget(max_memory_gb=0.128 + 8 * 100**2 / 1e9))
    assert model.fit(tight).notes == ["ease: closeness is left out: it would need the matrix of all items"]
    assert "ease/inverse" in model.arrays
    assert model.score(np.arange(40)).shape == (40, 150)


def test_the_cost_of_a_blend_is_that_of_its_parts():
    data = shop()
    ials, ease = models.create("ials").cost(data), models.create("ease", closeness=4.0).cost(data)
    assert models.create("blend").cost(data) == ials + ease
    assert models.create("blend", ease_weight=0).cost(data) == ials


def test_equal_scores_of_a_part_add_nothing():
    assert not _standardised(np.full((2, 3), 7.0), 1.0).any()
