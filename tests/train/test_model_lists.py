"""The lists of all models, in memory and as a file."""

from __future__ import annotations

import polars as pl
import pytest
from model_data import CASES, window

from recomart_lib import models
from recomart_lib.core import paths
from recomart_lib.models.cost import Cost
from recomart_lib.train import model_lists, selection

DATA = CASES["a shop"]
K = 3
NAMES = {"user_id": pl.String, "item_id": pl.String, "model": pl.String, "protocol": pl.String}


@pytest.fixture(scope="module")
def lists() -> pl.DataFrame:
    fitted = {name: models.create(name).fit(DATA) for name in ("popularity", "own_history", "item_knn")}
    return model_lists.all_lists(fitted, DATA, window(DATA), K)


def test_all_lists_are_those_of_each_model_in_order(lists):
    alone = [
        model_lists.lists(models.create(name).fit(DATA), DATA, window(DATA), K) for name in lists["model"].unique()
    ]
    warm = lists.filter(pl.col("protocol") != "cold").cast(NAMES)
    assert warm.equals(pl.concat(alone).select(warm.columns).sort("model", "protocol", "user_id", "rank"))
    cold = lists.filter(pl.col("protocol") == "cold").cast(NAMES)
    assert (set(cold["user_id"]), set(cold["model"]), cold.height) == ({"d"}, {"popularity"}, K)
    assert lists.cast(NAMES).equals(lists.cast(NAMES).sort("model", "protocol", "user_id", "rank"))


def test_ids_in_memory_are_numbers_and_in_the_file_strings(lists, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "place", lambda path: tmp_path / path)
    model_lists.write(lists, "lists.parquet")
    stored = pl.read_parquet(tmp_path / "lists.parquet")
    assert {stored.schema[name] for name in NAMES} == {pl.String()}
    assert stored.equals(lists.cast(NAMES))
    assert all(isinstance(lists.schema[name], pl.Enum) for name in NAMES)
    first = (tmp_path / "lists.parquet").read_bytes()
    model_lists.write(lists, "lists.parquet")
    assert (tmp_path / "lists.parquet").read_bytes() == first


def test_repeats_are_counted_within_a_list(lists):
    assert model_lists.count_repeats(lists) == 0
    assert model_lists.count_repeats(pl.concat([lists, lists.head(2)])) == 2


def test_lists_with_enums_are_evaluated_as_those_with_strings(lists):
    assert selection.evaluate_lists(lists, window(DATA)).equals(
        selection.evaluate_lists(lists.cast(NAMES), window(DATA))
    )


def test_large_fits_are_those_with_a_large_estimated_memory(monkeypatch):
    for memory, expected in ((model_lists.LARGE_FIT, False), (model_lists.LARGE_FIT + 1, True)):
        monkeypatch.setattr(models.MODELS["ease"], "cost", lambda _, data, memory=memory: Cost(memory, 1.0))
        assert model_lists.is_large(DATA, "ease", {"reg": 5.0}) is expected


def test_equal_models_are_fitted_once_for_sources_and_final_fit():
    parameters = {"popularity": {}, "item_knn": {"n_neighbours": 7}}
    source = DATA.fitted(models.create("item_knn", n_neighbours=7))
    assert model_lists.fit(DATA, parameters)["item_knn"] is source
