"""Values that several models at a cut need are built once."""

from __future__ import annotations

import gc
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import pytest
from model_data import CASES, baskets, catalogue, fitted

from recomart_lib import models
from recomart_lib.models.base import TrainData
from recomart_lib.models.popularity import Popularity
from recomart_lib.models.shared import Shared

OPTIONAL = [part.name for part in fields(TrainData) if part.default is None]


@pytest.fixture
def fits(monkeypatch) -> list[str]:
    """The fits of popularity."""
    calls, fit = [], Popularity.fit
    monkeypatch.setattr(Popularity, "fit", lambda model, data: calls.append(model.name) or fit(model, data))
    return calls


def test_a_second_thread_waits_for_a_value_and_other_keys_do_not_wait():
    shared, started, may_finish, calls = Shared(), threading.Event(), threading.Event(), []

    def build() -> str:
        calls.append("slow")
        started.set()
        assert may_finish.wait(10)
        return "slow"

    with ThreadPoolExecutor(2) as threads:
        slow = [threads.submit(shared.once, "a", build) for _ in range(2)]
        assert started.wait(10)
        assert shared.once("b", lambda: "quick") == "quick"
        may_finish.set()
        assert [future.result(10) for future in slow] == ["slow", "slow"]
    assert calls == ["slow"]


def test_equal_models_are_fitted_once_while_somebody_uses_them(fits):
    data = CASES["a shop"]
    first = data.fitted(models.create("popularity"))
    assert data.with_baskets(baskets()).fitted(models.create("popularity")) is first
    assert fits == ["popularity"]
    week, month = (data.fitted(models.create("recent_popularity", window_days=days)) for days in (7, 30))
    assert week is not month
    del first
    gc.collect()
    data.fitted(models.create("popularity"))
    assert fits.count("popularity") == 2


def test_a_model_of_a_copy_with_other_attributes_is_another_one():
    data = CASES["a shop"]
    rows = [(f"item {n}", "tea", None, 1.0) for n in range(data.n_items)]
    with_items = data.with_attributes(items=catalogue(*rows))
    plain, named = data.fitted(models.create("content")), with_items.fitted(models.create("content"))
    assert plain is not named
    assert named is with_items.with_baskets(None).fitted(models.create("content"))
    assert data.fitted(models.create("ease")) is with_items.fitted(models.create("ease"))


def test_a_shared_model_scores_as_a_new_one():
    data = CASES["a shop"]
    expected = fitted("ease", data).arrays["weights"]
    assert (data.fitted(models.create("ease")).arrays["weights"] == expected).all()


def test_a_failed_fit_is_tried_again():
    shared, tries = Shared(), iter([ValueError("no"), None])

    def build() -> int:
        if problem := next(tries):
            raise problem
        return 1

    with pytest.raises(ValueError, match="no"):
        shared.once("a", build)
    assert shared.once("a", build) == 1


def test_matrices_are_shared_by_copies():
    data = CASES["a shop"]
    assert data.with_baskets(None).relevant is data.relevant


@pytest.mark.parametrize("name", models.MODELS)
def test_every_model_declares_the_optional_parts_that_it_reads(name):
    classes = [parent for parent in models.MODELS[name].__mro__ if parent.__module__.startswith("recomart_lib.models.")]
    code = "".join(inspect.getsource(parent) for parent in classes if parent.__name__ != "ArrayModel")
    read = {part for part in OPTIONAL if f"data.{part}" in code.replace("`TrainData", "")}
    assert read <= set(models.MODELS[name].reads)
