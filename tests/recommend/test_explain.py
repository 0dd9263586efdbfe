"""Why this item: exact parts of a score, in words; and `recomart recommend`, which shows them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from model_data import WORLDS
from recommend_data import (
    DATA,
    NAMES,
    WINDOW,
)

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.recommend import explain

SUGGESTED = pl.DataFrame({"user_id": ["u0", "u0", "stranger"], "item_id": ["c", "b", "a"]})


def test_parts_of_an_item_to_item_model_are_exact_and_largest_first():
    model = models.create("ease", reg=1).fit(DATA)
    pairs = explain.indexed(SUGGESTED, WINDOW)
    assert pairs.select("user_id", "item_id").rows() == [("u0", "c"), ("u0", "b")], "a stranger has no history"
    parts = explain.told(model, pairs, explain.columns_of(model, DATA, SUGGESTED, WINDOW), NAMES)
    weights = model.arrays["weights"]
    expected = sorted([(weights[0, 2], "you took Axe"), (weights[1, 2], "you took Bow")], reverse=True)
    found = parts.filter(item_id="c")
    positive = [(value, cause) for value, cause in expected if value > 0]
    assert found["cause"].to_list() == [cause for _, cause in positive]
    assert found["contribution"].to_list() == pytest.approx([value for value, _ in positive])
    assert found["place"].to_list() == list(range(1, len(positive) + 1))
    assert parts.schema == explain.WHY
    assert explain.told(model, pairs, pairs.clear(), NAMES, top=1).filter(item_id="c").height == 1


@pytest.mark.parametrize(
    "name", [name for name in models.MODELS if name not in ("ease", "item_knn", "content", "basket")]
)
def test_models_without_parts_say_so(name):
    data = WORLDS["a shop"]
    model = models.create(name, **({"n_factors": 2} if "n_factors" in models.MODELS[name].hyper_names() else {})).fit(
        data
    )
    assert not explain.explains(model)
    with pytest.raises(UserError, match=f"{name} has no parts that could be shown"):
        explain.told(model, explain.indexed(SUGGESTED, WINDOW), pl.DataFrame(), NAMES)


def test_recommend_shows_the_list_and_why(finished, call):
    status, said, _ = call("recommend", "--user", "u0")
    assert (status, "Cup" in said, "Bow" in said, "you took" in said) == (0, True, True, False)
    status, said, _ = call("recommend", "--user", "u0", "--why", "--k", "1")
    assert (status, "The user took 2 products, last:" in said, "you took Bow" in said) == (0, True, True)
    assert "2. Bow" not in said
    status, said, _ = call("recommend", "--user", "new", "--why")
    assert (status, "no history yet" in said) == (0, True)
    status, said, _ = call("recommend", "--user", "nobody")
    assert (status, "Nobody knows 'nobody'. Strangers are shown:" in said, "Bow" in said) == (0, True, True)


def test_recommend_before_the_first_run_says_what_to_run(tmp_path, call, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    status, _, complaint = call("recommend", "--user", "u0")
    assert (status, "Nothing was recommended yet. Run: dvc repro" in complaint) == (1, True)


def test_contributions_sum_to_the_score():
    model = models.create("ease", reg=1).fit(DATA)
    every = explain.told(model, explain.indexed(SUGGESTED, WINDOW), pl.DataFrame(), NAMES, top=99).filter(item_id="c")
    negative = model.explain(np.array([0]), np.array([2])).filter(pl.col("contribution") < 0)["contribution"].sum()
    assert every["contribution"].sum() + negative == pytest.approx(model.score(np.array([0]))[0, 2])
