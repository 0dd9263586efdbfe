"""The answer of stage 07: the chosen model beside the strongest simple one, and its stability."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from recomart_lib.evaluate import answer, comparison


def metrics(ndcg: float, precision: float) -> dict:
    return {"ndcg@10": ndcg, "precision@10": precision, "precision@10_ci": [precision - 0.02, precision + 0.02]}


MODELS = {
    "two_stage": metrics(0.38, 0.32),
    "ease": metrics(0.36, 0.30),  # better than every simple model, but not simple
    "own_history": metrics(0.33, 0.29),
    "popularity": metrics(0.08, 0.08),
    "recent_popularity": metrics(0.12, 0.11),
}


def compared(chosen: str, n_users: int = 40) -> pl.DataFrame:
    """Paired tests of users whose scores spread around the means of `MODELS`."""
    rows = [
        (name, f"u{n:02}", values["ndcg@10"] + 0.01 * (n % 3) * (name != chosen))
        for name, values in MODELS.items()
        for n in range(n_users)
    ]
    table = pl.DataFrame(rows, ["model", "user_id", "ndcg@10"], orient="row")
    return comparison.compare(table, chosen, "ndcg@10")


def test_the_rival_is_the_strongest_simple_model():
    found = answer.answer(MODELS, compared("two_stage"), "two_stage")
    assert (found["model"], found["rival"]) == ("two_stage", "own_history")
    assert found["low"] < found["difference"] < found["high"]
    assert found["difference"] == pytest.approx(0.05 - 0.00975)
    assert found["p"] < 0.001
    assert list(found["hits"]) == ["two_stage", "own_history", "popularity", "recent_popularity"]
    hits = found["hits"]["two_stage"]
    assert (hits["value"], hits["low"], hits["high"]) == pytest.approx((3.2, 3.0, 3.4))


def test_a_simple_model_that_is_chosen_is_not_its_own_rival():
    found = answer.answer(MODELS, compared("own_history"), "own_history")
    assert found["rival"] == "recent_popularity"
    assert list(found["hits"]) == ["own_history", "recent_popularity", "popularity"]


def test_without_users_without_rivals_and_with_one_user():
    assert answer.answer({}, compared("ease"), "ease") is None
    alone = answer.answer({"popularity": MODELS["popularity"]}, compared("popularity").clear(), "popularity")
    assert (alone["rival"], alone["difference"], alone["p"], list(alone["hits"])) == (None, None, None, ["popularity"])
    tiny = answer.answer(MODELS, compared("two_stage", 1), "two_stage")
    assert (tiny["low"], tiny["high"], tiny["p"]) == (None, None, 1), "unknown, and never infinite"
    json.dumps([alone, tiny], allow_nan=False)


def test_stability_counts_leads_and_unseen_cuts():
    first, second, third = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 8, 15))
    rows = [
        (second, "ease", 0.2),
        (second, "als", 0.3),
        (first, "ease", 0.4),
        (first, "als", 0.3),
        (third, "als", 0.1),
        (first, "popularity", 0.1),
    ]
    table = pl.DataFrame(rows, ["cut", "model", "mean"], orient="row")
    table = table.with_columns(protocol=pl.lit("all"), metric=pl.lit("ndcg@10"))
    expected = {"cuts": 2, "all_cuts": 3, "leads": 1, "lowest": 0.2, "highest": 0.4, "unseen": 0}
    expected |= {"scores": [0.4, 0.2], "days": 7, "rival": "popularity", "rival_cuts": 1}
    expected |= {"earlier": None, "ahead": [{"model": "als", "by": pytest.approx(0.1)}]}
    assert answer.stability(table, "ease", "popularity", "all", third, {}) == expected
    assert answer.stability(table, "als", None, "all", third, {})["unseen"] == 1
    assert answer.stability(table, "als", None, "all", third, {})["rival_cuts"] == 0
    assert answer.stability(table, "ease", "popularity", "novel", third, {}) is None
    assert answer.stability(table.clear(), "ease", "popularity", "all", third, {}) is None
    choice = {
        "ease": {"windows": 2, "leads": 1, "difference": 0.001},
        "als": {"difference": 0},
        "bpr": {"difference": 1},
    }
    found = answer.stability(table, "ease", None, "all", third, choice)
    assert found["earlier"] == {"model": "ease", "windows": 2, "leads": 1, "best": "als", "behind": 0.001}
    own = answer.earlier_windows({"ease": {"windows": 1, "leads": 1, "difference": 0}}, "ease")
    assert (own["best"], own["behind"]) == ("ease", 0)


def test_a_model_that_the_test_window_would_have_preferred_is_named():
    found = answer.answer(MODELS, compared("ease"), "ease")
    assert found["better"] is not None
    assert found["better"]["model"] == "two_stage"
    assert found["better"]["difference"] < 0
    assert found["better"]["p"] < 0.05
    assert answer.answer(MODELS, compared("two_stage"), "two_stage")["better"] is None
    assert answer.answer(MODELS, compared("ease", 1), "ease")["better"] is None, "one user proves nothing"


def test_repeats_are_counted_on_the_lists_of_evaluated_users():
    rows = [("u", "a", "ease", "all", 1), ("u", "b", "ease", "all", 2), ("u", "c", "ease", "all", 11)]
    rows += [("v", "a", "ease", "all", 1), ("u", "b", "als", "all", 1), ("u", "b", "ease", "novel", 1)]
    lists = pl.DataFrame(rows, ["user_id", "item_id", "model", "protocol", "rank"], orient="row")
    before = pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "n_relevant": [2, 0, 1]})
    relevant = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["b", "a"]})
    assert answer.repeats(lists, relevant, before, "all", "ease") == {"shown": 0.5, "hits": 0.5}
    assert answer.repeats(lists, relevant, before, "novel", "ease") == {"shown": 0.0, "hits": 0.0}
    assert answer.repeats(lists, relevant[1:], before, "novel", "ease") == {"shown": 0.0, "hits": None}
    assert answer.repeats(lists, relevant.clear(), before, "all", "ease") is None
