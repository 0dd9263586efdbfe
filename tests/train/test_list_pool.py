"""The longer lists of the chosen models, and the fallback over the whole catalogue."""

from __future__ import annotations

import polars as pl
import pytest
from model_data import CASES, window

from recomart_lib import models
from recomart_lib.core import paths
from recomart_lib.train import list_pool, model_lists

DATA = CASES["a shop"]
CHOSEN = {"all": "own_history", "novel": "item_knn"}
STRINGS = pl.selectors.enum().cast(pl.String)


@pytest.fixture(scope="module")
def fitted() -> dict:
    return {name: models.create(name).fit(DATA) for name in ("own_history", "item_knn", "popularity")}


def test_the_first_places_of_the_pool_are_the_lists_of_the_chosen_models(fitted):
    pool = list_pool.pool(fitted, CHOSEN, DATA, window(DATA))
    assert pool.columns == list(list_pool.COLUMNS)
    assert dict(pool.select("protocol", "model").unique().iter_rows()) == CHOSEN
    short = model_lists.all_lists(fitted, DATA, window(DATA), 3).with_columns(STRINGS)
    is_chosen = pl.any_horizontal(
        (pl.col("protocol") == protocol) & (pl.col("model") == name) for protocol, name in CHOSEN.items()
    )
    expected = short.filter(is_chosen).select(pool.columns).sort("protocol", "user_id", "rank")
    assert pool.filter(pl.col("rank") <= 3).with_columns(STRINGS).equals(expected)
    assert pool["rank"].max() > 3


def test_the_depth_bounds_the_pool_and_a_sample_its_users(fitted):
    sample = {**window(DATA), "holdout": window(DATA)["holdout"].filter(pl.col("user_id") == "u03")}
    pool = list_pool.pool(fitted, CHOSEN, DATA, sample, depth=2)
    assert (set(pool["user_id"]), pool["rank"].max()) == ({"u03"}, 2)


def test_ids_of_the_stored_pool_are_strings(fitted, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "place", lambda path: tmp_path / path)
    pool = list_pool.pool(fitted, CHOSEN, DATA, window(DATA))
    model_lists.write(pool, "pool.parquet")
    stored = pl.read_parquet(tmp_path / "pool.parquet")
    assert stored.equals(pool.with_columns(STRINGS))


def test_the_fallback_ranks_the_whole_catalogue():
    fallback = list_pool.fallback(DATA, window(DATA))
    assert sorted(fallback["item_id"]) == sorted(window(DATA)["items"]["item_id"])
    assert fallback["rank"].to_list() == list(range(1, DATA.n_items + 1))
    assert fallback["score"].is_sorted(descending=True)
    assert set(fallback["model"]) == {"recent_popularity"}
