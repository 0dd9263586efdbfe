"""Models that would need more than the budget are left out; the baselines never."""

from __future__ import annotations

import logging
from dataclasses import replace

import polars as pl
import pytest
from model_data import shop

from recomart_lib.models import cost
from recomart_lib.models.cost import Budget
from recomart_lib.train import limits, search_space

SPACES = {
    name: search_space.parse(name, declared)
    for name, declared in {
        "random": {},
        "popularity": {},
        "als": {
            "n_factors": [8, 256],
            "reg": {"low": 1.0, "high": 30.0, "log": True},
            "n_epochs": {"low": 2, "high": 5},
        },
        "ease": {"signal": ["relevant", "seen"]},
    }.items()
}


def test_a_model_beyond_the_budget_is_left_out_with_the_reason(caplog):
    data = shop()
    assert limits.left_out(SPACES, data) == {}
    tight = replace(data, budget=Budget(max_memory_gb=1e-5))
    with caplog.at_level(logging.WARNING):
        reasons = limits.left_out(SPACES, tight)
    assert list(reasons) == ["als", "ease"], "never random or popularity"
    assert reasons["als"].endswith("more than train.max_memory_gb (1e-05)")
    assert "als: left out: a fit would need about 0.0 GB of memory" in caplog.text
    slow = replace(data, budget=Budget(max_fit_minutes=1e-9))
    assert "train.max_fit_minutes" in limits.left_out(SPACES, slow)["als"]


def test_the_largest_values_of_a_search_are_estimated():
    largest = limits.largest(SPACES["als"])
    assert (largest["n_factors"], largest["n_epochs"], largest["reg"]) == (256, 5, 30.0)
    assert limits.largest(SPACES["ease"]) == {"signal": "relevant"}
    stepped = search_space.parse("als", {"n_factors": {"low": 8, "high": 30, "step": 10}})
    assert limits.largest(stepped)["n_factors"] == 28


def test_a_stage_sets_its_budget(monkeypatch):
    monkeypatch.setattr(cost, "_budget", Budget())
    limits.use(0.5, 3.0)
    assert shop().budget == Budget(max_memory_gb=0.5, max_fit_minutes=3.0)


@pytest.mark.parametrize("name", ["svd", "als"])
def test_nothing_else_depends_on_the_budget(name):
    space = {name: search_space.parse(name, {})}
    assert limits.left_out(space, replace(shop(), budget=Budget(max_memory_gb=1e-9)))[name]


def test_a_model_that_learns_from_ratings_is_impossible_without_any():
    data = shop()
    without = replace(data, interactions=data.interactions.with_columns(rating=pl.lit(None, pl.Float64)))
    assert not limits.is_possible("svdpp", without)
    assert limits.is_possible("als", without)
