"""The memory and time of fits, estimated before, and the budget."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from model_data import CASES, CUT, shop

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.models import cost
from recomart_lib.models.base import BASKETS, TrainData
from recomart_lib.models.cost import Budget, Cost


def random_data(n_users, n_items, per_user, seed=0):
    """Users with about this many distinct items each; one order per day."""
    rng = np.random.default_rng(seed)
    n = n_users * per_user
    pairs = pl.DataFrame({"user_idx": rng.integers(0, n_users, n), "item_idx": rng.integers(0, n_items, n)}).unique(
        maintain_order=True
    )
    when = pl.lit(CUT) - pl.duration(minutes=pl.int_range(1, pl.len() + 1))
    rows = pairs.cast({"user_idx": pl.Int32, "item_idx": pl.Int32}).with_columns(
        weight=pl.lit(1.0), n_events=1, n_relevant=1, n_orders=1, rating=pl.lit(None, pl.Float64)
    )
    data = TrainData.of(rows.with_columns(last_timestamp=when, last_relevant_timestamp=when), n_users, n_items, CUT)
    lines = data.interactions.select(
        "user_idx", "item_idx", basket=pl.int_range(pl.len()) // 8, timestamp=pl.lit(CUT - timedelta(days=1))
    )
    return data.with_baskets(lines.cast(BASKETS))


BY_ITEMS = [(1_500, 800, 6), (6_000, 2_000, 4)]
BY_USERS = [(500, 3_000, 8), (1_200, 9_000, 8)]
ROWS = [(3_000, 2_000, 6), (12_000, 6_000, 6)]
MODELS = [
    *[("ease", {"precision": p}, size) for p in ("double", "single") for size in BY_ITEMS],
    *[("ease", {"closeness": 1.0, "precision": p}, size) for p in ("double", "single") for size in BY_ITEMS],
    *[("ease", {}, size) for size in BY_USERS],
    *[("ease", {"max_items": 300}, size) for size in BY_ITEMS],
    *[(name, {"n_epochs": 1}, size) for name in ("als", "ials", "bpr", "svd") for size in ROWS],
    *[(name, {}, size) for name in ("item_knn", "user_knn", "basket") for size in ROWS],
]


@pytest.mark.parametrize(("name", "hyper", "size"), MODELS, ids=str)
def test_the_estimated_memory_is_right_within_a_factor_of_two(name, hyper, size):
    data = random_data(*size)
    model = models.create(name, **hyper)
    estimate = model.cost(data)  # the matrices that all models share are not part of a fit
    model.fit(random_data(50, 40, 3)).cost(data)  # imports what is imported late
    tracemalloc.start()
    model.fit(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.5 <= estimate.memory / peak <= 2


@pytest.mark.parametrize("name", models.MODELS)
@pytest.mark.parametrize("case", CASES)
def test_every_model_estimates_its_cost(name, case):
    estimate = models.create(name).cost(CASES[case])
    assert 0 <= estimate.memory < 1e8
    assert 0 <= estimate.seconds < 60
    assert models.create(name).cost(CASES[case]) == estimate, "it does not depend on the machine or the moment"


@pytest.mark.parametrize(
    ("name", "hyper"),
    [("als", {}), ("ials", {}), ("bpr", {}), ("svd", {}), ("svdpp", {}), ("item_knn", {}), ("user_knn", {})],
)
def test_the_cost_grows_with_the_pairs_and_not_with_users_times_items(name, hyper):
    model = models.create(name, **hyper)
    small, large = (model.cost(random_data(1_000 * n, 500 * n, 5)) for n in (1, 8))
    assert 4 < large.seconds / small.seconds < 16
    assert 4 < large.memory / small.memory < 16


def test_the_budget_says_what_is_exceeded():
    budget = Budget(max_memory_gb=2, max_fit_minutes=0.5)
    assert budget.excess(Cost(2e9, 30)) is None
    assert budget.excess(Cost(2.51e9, 0)) == (
        "a fit would need about 2.5 GB of memory, more than train.max_memory_gb (2)"
    )
    assert budget.excess(Cost(0, 90)) == (
        "a fit would take about 1.5 minutes of one core, more than train.max_fit_minutes (0.5)"
    )


def test_a_stage_sets_the_budget_of_its_training_data(monkeypatch):
    monkeypatch.setattr(cost, "_budget", Budget())
    assert shop().budget == Budget()
    cost.use_budget(Budget(max_memory_gb=0.5))
    assert shop().budget.memory == 0.5e9
    assert replace(shop(), cut=CUT).budget == Budget(max_memory_gb=0.5)


def test_memory_that_is_not_available_is_reported(monkeypatch):
    assert 10**6 < cost.available_memory() < 10**15
    monkeypatch.setattr(cost, "available_memory", lambda: 1_500_000_000)
    cost.require_available("ease", Cost(1.4e9, 0))
    with pytest.raises(UserError, match=r"ease: a fit needs up to 1\.6 GB, and 1\.5 GB of memory are available\."):
        cost.require_available("ease", Cost(1.6e9, 0))
