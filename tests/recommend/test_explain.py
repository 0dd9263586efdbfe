"""Exact contributions to scores, in words, and `recomart recommend`, which shows them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from model_data import CASES
from recommend_data import (
    DATA,
    NAMES,
    WINDOW,
)

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.features import definitions
from recomart_lib.recommend import explain, plain_causes
from recomart_lib.train import candidates

LISTS = pl.DataFrame({"user_id": ["u0", "u0", "cold"], "item_id": ["c", "b", "a"]})


def test_item_to_item_contributions_are_exact_and_largest_first():
    model = models.create("ease", reg=1).fit(DATA)
    pairs = explain.with_indices(LISTS, WINDOW)
    assert pairs.select("user_id", "item_id").rows() == [("u0", "c"), ("u0", "b")], "a cold user has no history"
    contributions = explain.contributions(model, pairs, explain.candidate_columns(model, DATA, LISTS, WINDOW), NAMES)
    weights = model.arrays["weights"]
    expected = sorted([(weights[0, 2], "you chose Axe"), (weights[1, 2], "you chose Bow")], reverse=True)
    of_item = contributions.filter(item_id="c")
    above_zero = [(value, cause) for value, cause in expected if value > 0]
    assert of_item["cause"].to_list() == [cause for _, cause in above_zero]
    assert of_item["contribution"].to_list() == pytest.approx([value for value, _ in above_zero])
    assert of_item["rank"].to_list() == list(range(1, len(above_zero) + 1))
    assert contributions.schema == explain.CONTRIBUTIONS
    assert explain.contributions(model, pairs, pairs.clear(), NAMES, top=1).filter(item_id="c").height == 1


@pytest.mark.parametrize(
    "name", [name for name in models.MODELS if name not in ("ease", "item_knn", "content", "basket")]
)
def test_other_models_cannot_be_explained(name):
    data = CASES["a shop"]
    model = models.create(
        name, **({"n_factors": 2} if "n_factors" in models.MODELS[name].hyperparameter_names() else {})
    ).fit(data)
    assert not explain.can_explain(model)
    with pytest.raises(UserError, match=f"{name} cannot be explained as a sum of contributions"):
        explain.contributions(model, explain.with_indices(LISTS, WINDOW), pl.DataFrame(), NAMES)


def test_recommend_shows_the_list_and_contributions(finished, call):
    status, output, _ = call("recommend", "--user", "u0")
    assert (status, "Cup" in output, "Bow" in output, "you chose" in output) == (0, True, True, False)
    status, output, _ = call("recommend", "--user", "u0", "--why", "--k", "1")
    assert (status, "The user bought 2 products; the most recent:" in output, "you chose Bow" in output) == (
        0,
        True,
        True,
    )
    assert "2. Bow" not in output
    status, output, _ = call("recommend", "--user", "new", "--why")
    assert (status, "no purchase history yet" in output) == (0, True)
    status, output, _ = call("recommend", "--user", "nobody")
    assert (status, "Unknown user 'nobody'. The default list for new users:" in output, "Bow" in output) == (
        0,
        True,
        True,
    )


def test_recommend_before_the_first_run_names_the_command(tmp_path, call, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    status, _, error = call("recommend", "--user", "u0")
    assert (status, "There are no recommendations yet. Run: dvc repro" in error) == (1, True)


def test_contributions_sum_to_the_score():
    model = models.create("ease", reg=1).fit(DATA)
    positive = explain.contributions(model, explain.with_indices(LISTS, WINDOW), pl.DataFrame(), NAMES, top=99).filter(
        item_id="c"
    )
    negative = model.explain(np.array([0]), np.array([2])).filter(pl.col("contribution") < 0)["contribution"].sum()
    assert positive["contribution"].sum() + negative == pytest.approx(model.score(np.array([0]))[0, 2])


def test_every_column_of_the_ranker_has_plain_words():
    of_sources = [f"{source}__{kind}" for source in candidates.SOURCES for kind in candidates.DESCRIPTIONS]
    columns = [*of_sources, "own", "own__rank", *(d.ref.replace(".", "__") for d in definitions.DEFINITIONS)]
    assert [column for column in columns if not plain_causes.words(column)] == []
    assert plain_causes.words("recent_week__rank").endswith("by Recent bestsellers of the last week")
    assert plain_causes.words("user__new_feature") is None
