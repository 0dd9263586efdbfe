"""Candidates ranked by boosted trees."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import polars as pl
import pytest
from model_data import CUT, fitted, interactions, order, pair, repeat_purchases
from scipy import sparse

from recomart_lib import models
from recomart_lib.core.errors import UserError
from recomart_lib.models import boosted_trees
from recomart_lib.models.base import ARRAYS_FILE, TrainData
from recomart_lib.models.top_k import recommend


def candidate_data(now: dict[tuple[int, int], float], label: list[int] | None = None, n_users: int = 2) -> TrainData:
    """Examples in which candidates with a large x are bought; candidates (user, item) with these x now, of 4 items."""
    examples = repeat_purchases(label or [0] * 300 + [1] * 300, now=[1.0]).examples
    rows = pl.DataFrame(
        [(user, item, x) for (user, item), x in now.items()],
        schema={"user_idx": pl.Int32, "item_idx": pl.Int32, "x": pl.Float64},
        orient="row",
    ).with_columns(own=False)
    pairs = interactions([pair(0, 3), pair(1, 3), pair(0, 2, n_orders=5)])
    data = TrainData.of(pairs, n_users, 4, CUT).with_examples(examples)
    return data.with_candidates(lambda users: rows.filter(pl.col("user_idx").is_in(users.tolist())))


CANDIDATES = {(0, 0): 10.0, (0, 1): 590.0, (1, 1): 20.0, (1, 2): 580.0}


@pytest.mark.parametrize("objective", ["binary", "lambdarank", "both"])
def test_candidates_are_ranked_by_the_trees_and_the_others_by_popularity(objective):
    model = models.create("two_stage", n_trees=20, min_rows=5, objective=objective).fit(candidate_data(CANDIDATES))
    assert order(model, 0) == [1, 0, 3, 2]  # 3 has two users, 2 one
    assert order(model, 1) == [2, 1, 3, 0]
    levels = model.arrays["levels"].toarray()
    assert levels.tolist() == [[1, 2, 0, 0], [0, 1, 2, 0]]  # ranks among the user's own candidates


@pytest.mark.parametrize("objective", ["binary", "both"])
def test_two_stage_is_the_same_in_blocks_and_in_every_run(monkeypatch, tmp_path, objective):
    few = {"n_trees": 20, "min_rows": 5, "objective": objective}
    fits = [models.create("two_stage", **few).fit(candidate_data(CANDIDATES)) for _ in range(2)]
    monkeypatch.setattr("recomart_lib.models.two_stage.BLOCK", 1)
    fits.append(models.create("two_stage", **few).fit(candidate_data(CANDIDATES)))
    for number, model in enumerate(fits):
        model.save(tmp_path / str(number))
    assert len({(tmp_path / str(number) / ARRAYS_FILE).read_bytes() for number in range(3)}) == 1
    loaded = models.load(tmp_path / "0")
    assert np.array_equal(loaded.score(np.arange(2)), fits[0].score(np.arange(2)))


def test_both_rankers_count_equally():
    """Each is divided by the deviation of its scores of the training examples."""
    data = candidate_data(CANDIDATES)
    now, few = data.candidates(np.arange(2)), {"n_trees": 20, "min_rows": 5}
    single = {name: models.create("two_stage", objective=name, **few).fit(data) for name in ("lambdarank", "binary")}
    both = models.create("two_stage", objective="both", **few).fit(data)
    assert [trees.tobytes() for trees, _ in both._rankers()] == [m.arrays["trees"].tobytes() for m in single.values()]
    expected = np.zeros(now.height)
    for model in single.values():
        trees = model.arrays["trees"]
        expected += boosted_trees.score(trees, now) / boosted_trees.score(trees, data.examples).std()
    summed = both.contributions(now).group_by("row", maintain_order=True).agg(pl.col("contribution").sum())
    assert summed["contribution"].to_numpy() == pytest.approx(expected)


def test_users_without_candidates_get_popularity():
    model = models.create("two_stage", n_trees=20, min_rows=5).fit(candidate_data({(0, 0): 5.0}, n_users=3))
    assert order(model, 2) == [3, 2, 0, 1]
    assert order(models.create("two_stage", n_trees=5).fit(candidate_data({}, n_users=3)), 0) == [3, 2, 0, 1]


@pytest.mark.parametrize("what", ["one label", "no examples", "no rows", "no candidates"])
def test_without_training_examples_it_is_the_decayed_purchase_history(what, caplog):
    data = candidate_data(CANDIDATES, label=[0] * 30) if what == "one label" else candidate_data(CANDIDATES)
    examples = {"no examples": None, "no rows": data.examples.clear()}.get(what, data.examples)
    candidates = None if what == "no candidates" else data.candidates
    data = data.with_examples(examples).with_candidates(candidates)
    model = fitted("two_stage", data)
    assert np.array_equal(model.score(np.arange(2)), fitted("own_history_decayed", data).score(np.arange(2)))
    assert "two_stage: nothing to learn from" in caplog.text
    with pytest.raises(UserError, match="no contributions"):
        model.contributions(pl.DataFrame({"x": [1.0]}))


@pytest.mark.parametrize("objective", ["binary", "both"])
def test_contributions_sum_to_the_score_and_the_largest_comes_first(objective):
    data = candidate_data(CANDIDATES)
    examples = data.examples.with_columns(y=pl.col("x").sin(), z=pl.lit(0.0))
    model = models.create("two_stage", n_trees=20, min_rows=5, feature_share=1.0, objective=objective)
    now = data.candidates(np.arange(2)).with_columns(y=pl.lit(0.5), z=pl.lit(None, pl.Float64))
    model.fit(data.with_examples(examples).with_candidates(lambda _: now))
    rows = examples.head(7).with_columns(z=pl.lit(None, pl.Float64))
    found = model.contributions(rows)
    assert found.columns == ["row", "feature", "value", "contribution"]
    sums = found.group_by("row", maintain_order=True).agg(pl.col("contribution").sum())["contribution"].to_numpy()
    assert sums == pytest.approx(sum(boosted_trees.score(trees, rows) / d for trees, d in model._rankers()))
    assert found.group_by("row").agg((pl.col("contribution").abs().diff() <= 0).all())["contribution"].all()
    assert found.filter(pl.col("feature") == "x")["value"].to_list() == rows["x"].to_list()
    assert found.filter(pl.col("feature") == "z")["value"].null_count() == 7


def test_what_lists_need_is_kept_from_the_ranking():
    calls = []
    data = candidate_data({**CANDIDATES, (0, 2): 10.0})  # as good as (0, 0)
    rows = data.candidates(np.arange(2)).with_columns(own=pl.col("item_idx") == 1)

    def generate(users: np.ndarray) -> pl.DataFrame:
        calls.append(users.tolist())
        return rows.filter(pl.col("user_idx").is_in(users.tolist()))

    model = models.create("two_stage", n_trees=20, min_rows=5).fit(data.with_candidates(generate))
    assert model.kept_columns() is None
    model.keep_columns(2)
    assert recommend(model, np.arange(2), 2)["item_idx"].to_list() == [1, 2, 2, 1]
    kept = model.kept_columns()
    assert set(kept.select("user_idx", "item_idx").rows()) == {(0, 0), (0, 1), (0, 2), (1, 1), (1, 2)}
    assert kept.schema == rows.schema
    recommend(model, np.arange(2), 2)
    assert calls == [[0, 1]], "users are ranked once"


def test_the_new_candidates_alone_are_kept_for_lists_without_the_history():
    data = candidate_data(CANDIDATES)
    rows = data.candidates(np.arange(2)).with_columns(own=pl.col("item_idx") == 1)
    model = models.create("two_stage", n_trees=20, min_rows=5).fit(data.with_candidates(lambda _: rows))
    model.keep_columns(1, new_only=True)
    model.prepare(np.arange(2))
    assert model.kept_columns().select("user_idx", "item_idx").rows() == [(0, 0), (1, 2)]


def test_levels_of_many_blocks_are_put_together_once(monkeypatch):
    """To add each block to the matrix of all users would take time that grows with the square of their number."""
    monkeypatch.setattr("recomart_lib.models.two_stage.BLOCK", 1)
    model = models.create("two_stage", n_trees=20, min_rows=5).fit(candidate_data(CANDIDATES, n_users=30))
    built = Mock(wraps=sparse.csr_matrix)
    monkeypatch.setattr("recomart_lib.models.two_stage.sparse", Mock(csr_matrix=built))
    model.prepare(np.arange(30))
    assert built.call_count == 1
    assert model.arrays["levels"].toarray()[:2].tolist() == [[1, 2, 0, 0], [0, 1, 2, 0]]
