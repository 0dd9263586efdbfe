"""Why this item: exact parts of a score, in words; and `recomart recommend`, which shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_models import CUT, WORLDS, interactions, pair

from recomart_lib import models, why
from recomart_lib.errors import UserError
from recomart_lib.models.base import TrainData

HISTORY = [pair(0, 0, days=9), pair(0, 1), pair(1, 0), pair(1, 1), pair(1, 2), pair(2, 1), pair(2, 2)]
DATA = TrainData.of(interactions(HISTORY), 3, 3, CUT)
INDEX = pl.Series(range(3), dtype=pl.Int32)
WINDOW = {
    "users": pl.DataFrame({"user_idx": INDEX, "user_id": ["u0", "u1", "u2"]}),
    "items": pl.DataFrame({"item_idx": INDEX, "item_id": ["a", "b", "c"]}),
}
NAMES = pl.DataFrame({"item_idx": INDEX, "name": ["Axe", "Bow", "Cup"]})
SUGGESTED = pl.DataFrame({"user_id": ["u0", "u0", "stranger"], "item_id": ["c", "b", "a"]})


def test_parts_of_an_item_to_item_model_are_exact_and_largest_first():
    model = models.create("ease", reg=1).fit(DATA)
    pairs = why.indexed(SUGGESTED, WINDOW)
    assert pairs.select("user_id", "item_id").rows() == [("u0", "c"), ("u0", "b")], "a stranger has no history"
    parts = why.told(model, pairs, why.columns_of(model, DATA, SUGGESTED, WINDOW), NAMES)
    weights = model.arrays["weights"]
    expected = sorted([(weights[0, 2], "you took Axe"), (weights[1, 2], "you took Bow")], reverse=True)
    found = parts.filter(item_id="c")
    positive = [(value, cause) for value, cause in expected if value > 0]
    assert found["cause"].to_list() == [cause for _, cause in positive]
    assert found["contribution"].to_list() == pytest.approx([value for value, _ in positive])
    assert found["place"].to_list() == list(range(1, len(positive) + 1))
    assert parts.schema == why.WHY
    assert why.told(model, pairs, pairs.clear(), NAMES, top=1).filter(item_id="c").height == 1


@pytest.mark.parametrize(
    "name", [name for name in models.MODELS if name not in ("ease", "item_knn", "content", "basket")]
)
def test_models_without_parts_say_so(name):
    data = WORLDS["a shop"]
    model = models.create(name, **({"n_factors": 2} if "n_factors" in models.MODELS[name].hyper_names() else {})).fit(
        data
    )
    assert not why.explains(model)
    with pytest.raises(UserError, match=f"{name} has no parts that could be shown"):
        why.told(model, why.indexed(SUGGESTED, WINDOW), pl.DataFrame(), NAMES)


@pytest.fixture
def finished(tmp_path, monkeypatch) -> Path:
    """What 04 and 08 leave, for three users and three items."""
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    live, out = tmp_path / "data/prepared/live", tmp_path / "data/recommendations"
    live.mkdir(parents=True)
    out.mkdir(parents=True)
    for name, table in WINDOW.items():
        table.write_parquet(live / f"{name}.parquet")
    known = DATA.interactions.join(WINDOW["users"], on="user_idx").join(WINDOW["items"], on="item_idx")
    known.write_parquet(live / "interactions.parquet")
    WINDOW["items"].join(NAMES, on="item_idx").write_parquet(live.parent / "items.parquet")
    model = models.create("ease", reg=1).fit(DATA)
    model.save(out / "model")
    rows = [("u0", "c", 0.5, 1, "ease", "x"), ("u0", "b", 0.4, 2, "ease", "y"), ("new", "b", 3.0, 1, "popularity", "z")]
    lists = pl.DataFrame(rows, ["user_id", "item_id", "score", "rank", "model", "reason"], orient="row")
    lists.write_parquet(out / "recommendations.parquet")
    pl.DataFrame({"item_id": ["b"], "score": [3.0], "rank": [1]}).write_parquet(out / "strangers.parquet")
    why.columns_of(model, DATA, lists, WINDOW).write_parquet(out / "columns.parquet")
    return tmp_path


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
    every = why.told(model, why.indexed(SUGGESTED, WINDOW), pl.DataFrame(), NAMES, top=99).filter(item_id="c")
    negative = model.explain(np.array([0]), np.array([2])).filter(pl.col("contribution") < 0)["contribution"].sum()
    assert every["contribution"].sum() + negative == pytest.approx(model.score(np.array([0]))[0, 2])
