"""Repeat purchases ranked by boosted trees."""

from __future__ import annotations

import numpy as np
import polars as pl
from model_data import CASES, fitted, repeat_purchases

from recomart_lib import models


def test_repurchase_ranks_the_purchase_history_by_what_was_bought_again():
    data = repeat_purchases([0] * 50 + [1] * 50, now=[10.0, 90.0, 60.0])
    scores = models.create("repurchase", n_trees=5).fit(data).score(np.arange(1))[0]
    assert min(scores[1], scores[2]) >= scores[0] + 1  # both look like what is bought again
    assert scores[0] > 1 > scores[3]  # items that the user never bought come last


def test_repurchase_with_one_label_only_is_own_history(caplog):
    for data in (repeat_purchases([0] * 30, now=[1.0, 2.0]), CASES["a shop"]):
        users = np.arange(data.n_users)
        assert np.array_equal(fitted("repurchase", data).score(users), fitted("own_history", data).score(users))
    assert "nothing to learn from" in caplog.text


def test_repurchase_predicts_the_probabilities_behind_its_order(tmp_path):
    model = models.create("repurchase", n_trees=5).fit(repeat_purchases([0] * 50 + [1] * 50, now=[10.0, 90.0, 60.0]))
    probabilities = model.predict_probabilities()
    assert probabilities.select("user_idx", "item_idx").rows() == [(0, 0), (0, 1), (0, 2)]
    values = probabilities["probability"].to_numpy()
    assert 0 < values[0] < 0.5 < min(values[1:]) < 1
    score = model.score(np.arange(1))[0][:3]
    assert ((values[:, None] < values) == (np.floor(score)[:, None] < np.floor(score))).all()
    model.save(tmp_path)
    assert models.load(tmp_path).predict_probabilities().equals(probabilities)


def test_models_without_probabilities_return_none():
    assert fitted("own_history", CASES["a shop"]).predict_probabilities() is None
    model = models.create("repurchase", n_trees=5).fit(repeat_purchases([0] * 50 + [1] * 50, now=[1.0]))
    refitted = model.fit(repeat_purchases([0] * 30, now=[1.0, 2.0]))
    assert refitted.predict_probabilities() is None  # one label only


def test_repurchase_uses_own_items_and_available_features_only():
    data = repeat_purchases([0] * 50 + [1] * 50, now=[10.0, 90.0])
    others = data.examples.with_columns(own=False, label=1 - pl.col("label"), ease__score=pl.lit(1.0))
    mixed = pl.concat([data.examples.with_columns(ease__score=pl.lit(0.0)), others])
    more = data.with_examples(mixed)
    scores = [models.create("repurchase", n_trees=5).fit(each).score(np.arange(1)) for each in (data, more)]
    assert np.array_equal(*scores)
