"""Scores by bit masks: the bytes of LightGBM's own prediction."""

from __future__ import annotations

import lightgbm
import numpy as np
import polars as pl
import pytest

from recomart_lib.models import boosted_trees, leaf_masks

N_USERS, N_ITEMS = 30, 20


def candidates(n: int, seed: int) -> pl.DataFrame:
    """Rows like those of `candidates`: user columns, item columns, rare pair columns, and columns of each row."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(N_USERS, size=n), rng.integers(N_ITEMS, size=n)
    shared = np.random.default_rng(0)  # the same users and items in every table
    score, rank = rng.normal(size=n), rng.integers(50, size=n).astype(float)
    rank[rng.random(n) < 0.5] = np.nan
    pair = np.where(rng.random(n) < 0.1, rng.random(n), np.nan)
    age = shared.integers(60, size=N_USERS).astype(float)
    age[::7] = np.nan
    columns = {
        "a__score": score,
        "a__rank": rank,
        "user__age": age[user],
        "user__orders": shared.integers(9, size=N_USERS)[user],
        "item__price": shared.gamma(2, size=N_ITEMS)[item],
        "interaction__affinity": pair,
        "interaction__orders": pair * 3,
    }
    table = pl.DataFrame({name: pl.Series(values, dtype=pl.Float32).fill_nan(None) for name, values in columns.items()})
    chance = np.nan_to_num(rank, nan=60) / 60 + 0.5 * score + np.nan_to_num(pair) + rng.normal(size=n)
    label = pl.Series("label", (chance > 0.5).astype(np.int32))
    return table.with_columns(label, user_idx=pl.Series(user, dtype=pl.Int32), item_idx=pl.Series(item, dtype=pl.Int32))


def learn(rows: pl.DataFrame, n_trees: int = 30, **settings: object) -> np.ndarray:
    columns = boosted_trees.numeric_columns(rows)
    return boosted_trees.fit(rows, columns, n_trees, objective="binary", seed=1, min_data_in_leaf=3, **settings)


def by_lightgbm(trees: np.ndarray, rows: pl.DataFrame) -> np.ndarray:
    booster = lightgbm.Booster(model_str=trees.tobytes().decode())
    values = rows.select(pl.col(booster.feature_name()).cast(pl.Float32)).to_numpy()
    return booster.predict(values, raw_score=True)


@pytest.mark.parametrize("n_leaves", [2, 31, 32, 33, 64])
def test_scores_are_the_bytes_of_lightgbm(n_leaves):
    trees = learn(candidates(4_000, 1), num_leaves=n_leaves)
    rows = candidates(3_000, 2)  # more than one part, and the last one is shorter
    masks = leaf_masks.of_text(trees.tobytes())
    assert masks is not None
    assert masks.score(rows).tobytes() == by_lightgbm(trees, rows).tobytes()
    assert masks.score(rows[:1]).tobytes() == by_lightgbm(trees, rows[:1]).tobytes()
    assert len(masks.score(rows.clear())) == 0


def test_values_at_a_threshold_and_beyond_all_go_where_lightgbm_sends_them():
    trees = learn(candidates(4_000, 1))
    at = leaf_masks.of_text(trees.tobytes()).thresholds["a__score"]
    values = np.concatenate(
        [at, np.nextafter(at, np.float32(9)), np.nextafter(at, np.float32(-9)), [np.inf, -np.inf, 0]]
    )
    rows = candidates(len(values), 3).with_columns(a__score=pl.Series(values, dtype=pl.Float32))
    assert boosted_trees.score(trees, rows).tobytes() == by_lightgbm(trees, rows).tobytes()


def test_a_value_that_was_never_missing_in_training_counts_as_zero_where_it_is_missing():
    whole = candidates(4_000, 1).fill_null(-0.5)
    trees = learn(whole)
    rows = candidates(500, 2)
    assert rows.null_count().sum_horizontal()[0] > 0
    assert boosted_trees.score(trees, rows).tobytes() == by_lightgbm(trees, rows).tobytes()


def test_rows_without_the_keys_have_columns_of_their_own():
    trees = learn(candidates(4_000, 1))
    rng = np.random.default_rng(5)
    rows = candidates(500, 2).drop("user_idx", "item_idx").with_columns(user__age=pl.Series(rng.random(500) * 60))
    assert boosted_trees.score(trees, rows).tobytes() == by_lightgbm(trees, rows).tobytes()


def test_trees_without_a_split_and_trees_with_too_many_leaves_are_left_to_lightgbm():
    rows = candidates(2_000, 1)
    for trees in (learn(rows, 3, min_gain_to_split=1e9), learn(rows, 3, num_leaves=80)):
        assert leaf_masks.of_text(trees.tobytes()) is None
        assert boosted_trees.score(trees, rows).tobytes() == by_lightgbm(trees, rows).tobytes()


def test_columns_that_rows_share_are_looked_up_once(monkeypatch):
    trees = learn(candidates(4_000, 1))
    rows = candidates(3_000, 2)
    looked_up: dict[str, int] = {}
    bins = leaf_masks.LeafMasks._bins

    def counted(self, table, name):
        looked_up[name] = looked_up.get(name, 0) + table.height
        return bins(self, table, name)

    monkeypatch.setattr(leaf_masks.LeafMasks, "_bins", counted)
    boosted_trees.score(trees, rows)
    assert looked_up["a__score"] == 3_000
    assert looked_up["user__age"] == N_USERS
    assert looked_up["item__price"] == N_ITEMS
    assert looked_up["interaction__affinity"] == rows.get_column("interaction__affinity").count() + 1
