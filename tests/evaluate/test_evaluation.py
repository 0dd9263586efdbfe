"""Metrics of all models, paired comparison, and the target card."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import polars as pl
import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.evaluate import comparison, evaluation, target_card
from recomart_lib.metrics import by_model, ranking

USERS, ITEMS, KS = [f"u{i}" for i in range(30)], list("abcdefgh"), [2, 4]


def lists(model: str, protocol: str, shown: str) -> pl.DataFrame:
    """The same list for everybody."""
    rows = [(model, protocol, user, item, rank) for user in USERS for rank, item in enumerate(shown, 1)]
    return pl.DataFrame(rows, schema=["model", "protocol", "user_id", "item_id", "rank"], orient="row")


def pairs(rows: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


TRAIN = pairs([(user, item) for n, user in enumerate(USERS) for item in ITEMS[: 1 + n % 8]])
RELEVANT = {
    "all": pairs([(user, item) for n, user in enumerate(USERS) for item in ("ab" if n % 3 else "ac")]),
    "novel": pairs([(user, "c") for user in USERS[:10]]),
}
SHOWN = pl.concat(
    [
        lists("popularity", "all", "abcd"),
        lists("random", "all", "hgfe"),
        lists("ease", "all", "acbd"),
        lists("popularity", "novel", "cdef"),
        lists("ease", "novel", "dcef"),
        lists("popularity", "cold", "abcd"),
    ]
)


@pytest.fixture(scope="module")
def evaluated() -> dict:
    return evaluation.evaluate(SHOWN, RELEVANT, TRAIN, KS, n_bootstrap=200, seed=1)


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    """One row per model and user, protocol *all*."""
    return by_model.per_user(SHOWN, {"all": RELEVANT["all"]}, KS)


def test_shape(evaluated):
    assert {protocol: list(models) for protocol, models in evaluated.items()} == {
        "all": ["ease", "popularity", "random"],
        "novel": ["ease", "popularity"],
    }
    names = [*ranking.NAMES, "coverage", "novelty", "diversity"]
    expected = {f"{name}@{k}" for name in names for k in KS}
    expected |= {f"{name}@{k}_ci" for name in ("ndcg", "precision", "recall") for k in KS}
    assert all(set(values) == expected for models in evaluated.values() for values in models.values())
    assert json.loads(json.dumps(evaluated, allow_nan=False)) == evaluated


def test_values(evaluated):
    popularity = evaluated["all"]["popularity"]
    assert popularity["precision@2"] == pytest.approx((20 * 1 + 10 * 0.5) / 30)
    assert popularity["recall@4"] == 1
    assert evaluated["novel"]["ease"]["mrr@4"] == 0.5
    assert evaluated["all"]["random"]["ndcg@4"] == 0
    low, high = popularity["precision@2_ci"]
    assert 0.5 <= low < popularity["precision@2"] < high <= 1
    assert popularity["coverage@2"] == 2 / 8
    n_b = sum(n % 8 >= 1 for n in range(30))  # a: all users, b: most of them
    assert popularity["novelty@2"] == pytest.approx((0 - math.log2(n_b / 30)) / 2)
    assert evaluated["all"]["random"]["novelty@4"] > popularity["novelty@4"]
    assert 0 < popularity["diversity@4"] < 1


def test_same_seed_gives_same_result_for_any_row_order(evaluated):
    shuffled = SHOWN.sample(fraction=1, shuffle=True, seed=5)
    again = evaluation.evaluate(shuffled, RELEVANT, TRAIN.reverse(), KS, n_bootstrap=200, seed=1)
    assert json.dumps(again) == json.dumps(evaluated)


def test_all_models_in_one_pass_equal_one_after_the_other(evaluated):
    for protocol, models in evaluated.items():
        for model, values in models.items():
            alone = SHOWN.filter(pl.col("model") == model, pl.col("protocol") == protocol)
            result = evaluation.evaluate(alone, {protocol: RELEVANT[protocol]}, TRAIN, KS, n_bootstrap=200, seed=1)
            assert {k: pytest.approx(v, abs=1e-12) for k, v in values.items()} == result[protocol][model]


def test_novelty_and_diversity_use_relevant_pairs():
    viewed = TRAIN.with_columns(n_relevant=(pl.col("item_id") == "a").cast(pl.Int64))
    result = evaluation.evaluate(SHOWN, RELEVANT, viewed, [2], n_bootstrap=10, seed=1)["all"]["popularity"]
    assert result["coverage@2"] == 2 / 8  # of everything in the catalogue
    assert result["diversity@2"] == 1  # nobody bought b


def test_no_users_to_evaluate():
    result = evaluation.evaluate(SHOWN, {"all": pairs([]), "novel": pairs([])}, TRAIN, KS, n_bootstrap=10, seed=1)
    assert result == {"all": {}, "novel": {}}
    card = target_card.target_card(result, {"all": "ease"}, {"all": pairs([])}, {"ndcg@2": 0.1})
    assert (card.height, dict(card.schema)) == (0, target_card.CARD)
    empty = by_model.per_user(SHOWN.clear(), RELEVANT, KS)
    assert (empty.height, empty.columns[:3]) == (0, ["protocol", "model", "user_id"])
    assert comparison.compare(empty, "ease", "ndcg@2").height == 0
    users = pl.DataFrame({"user_id": ["u"], "city": ["x"]})
    assert comparison.slices(empty, users, "city", "ndcg@2", 10, 1).height == 0


def test_target_card(evaluated):
    targets = {"precision@2": 0.5, "recall@4": 0.9, "ndcg@4": 1.0}
    card = target_card.target_card(evaluated, {"all": "popularity", "novel": "ease"}, RELEVANT, targets)
    assert card.schema == target_card.CARD
    assert card.select("protocol", "target").rows() == [(p, t) for p in ("all", "novel") for t in targets]
    first = card.row(0, named=True)
    assert (first["ceiling"], first["floor_random"], first["verdict"]) == (1, 0, "clearly met")
    assert first["floor_popularity"] == first["value"] == evaluated["all"]["popularity"]["precision@2"]
    assert card.row(2, named=True)["verdict"] == "missed"
    novel = card.row(3, named=True)
    assert (novel["ceiling"], novel["floor_random"], novel["verdict"]) == (0.5, None, "clearly met")


@pytest.mark.parametrize(
    ("low", "value", "verdict"), [(0.5, 0.6, "clearly met"), (0.4, 0.5, "met"), (0.3, 0.4999, "missed")]
)
def test_verdicts(low, value, verdict):
    result = {"all": {"ease": {"ndcg@2": value, "ndcg@2_ci": [low, 0.9]}}}
    assert target_card.target_card(result, {"all": "ease"}, RELEVANT, {"ndcg@2": 0.5})["verdict"].item() == verdict


def test_target_card_reports_missing_models_and_targets(evaluated):
    with pytest.raises(UserError, match="'als' has no lists"):
        target_card.target_card(evaluated, {"all": "als"}, RELEVANT, {"ndcg@2": 0.1})
    with pytest.raises(UserError, match="'ndcg@10' was not evaluated"):
        target_card.target_card(evaluated, {"all": "ease"}, RELEVANT, {"ndcg@10": 0.1})


def test_compare(table):
    result = comparison.compare(table, "popularity", "precision@2")
    assert result["model"].to_list() == ["ease", "random"]
    random = result.row(1, named=True)
    assert (random["reference"], random["n"], random["mean"]) == ("popularity", 30, 0)
    assert random["difference"] == pytest.approx(25 / 30), "a plus is good for the reference"
    assert 0 < random["low"] < random["difference"] < random["high"]
    assert random["p_value"] <= random["p_holm"] < 1e-9
    with pytest.raises(UserError, match="'als' was not evaluated"):
        comparison.compare(table, "als", "ndcg@2")


def test_compare_requires_one_protocol_and_the_same_users(table):
    both = by_model.per_user(SHOWN, RELEVANT, KS)
    with pytest.raises(ValueError, match="protocol has several values"):
        comparison.compare(both, "popularity", "ndcg@2")
    with pytest.raises(ValueError, match="the same users"):
        comparison.compare(table.head(-1), "popularity", "ndcg@2")


def test_slices(table):
    users = pl.DataFrame({"user_id": USERS[:20], "orders": [2] * 10 + [10] * 9 + [None]})
    result = comparison.slices(table, users, "orders", "recall@4", n_bootstrap=50, seed=1)
    assert result["orders"].unique(maintain_order=True).to_list() == ["2", "10", "unknown"]
    assert result.filter(pl.col("model") == "ease")["n"].to_list() == [10, 9, 11]
    assert result.columns == ["orders", "model", "mean", "low", "high", "n"]
    assert (result["low"] <= result["mean"] + 1e-12).all()
    with pytest.raises(UserError, match="'city'"):
        comparison.slices(table, users, "city", "recall@4", n_bootstrap=50, seed=1)


def test_user_shares(table):
    shares = comparison.user_shares(table, "ease", "popularity", "precision@2")
    assert shares == {"worse": pytest.approx(20 / 30), "equal": 0, "better": pytest.approx(10 / 30)}
    assert comparison.user_shares(table, "ease", "ease", "ndcg@2") == {"worse": 0, "equal": 1, "better": 0}


def test_evaluation_never_imports_models():
    result = "[m for m in sys.modules if m.startswith('recomart_lib.models')]"
    code = f"import sys, recomart_lib.evaluate.evaluation; print({result})"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "[]"


def test_two_models_are_compared_within_each_group_that_both_serve():
    rows = [
        (group, model, f"{group}{n}", 0.5 + gain * (model == "ease") + 0.01 * (n % 3) * (model == "als"))
        for group, size, gain in (("a", 20, 0.2), ("b", 20, 0.0101), ("c", 3, 0.2))
        for model in ("als", "ease")
        for n in range(size)
    ]
    served_by_one = [("d", "als", f"d{n}", 0.5) for n in range(20)]
    table = pl.DataFrame([*rows, *served_by_one], ["group", "model", "user_id", "x"], orient="row")
    found = comparison.compare_groups(table, "group", "ease", "als", "x", min_users=10)
    assert found["group"].to_list() == ["a", "b"]
    assert found["n"].to_list() == [20, 20]
    assert found["difference"].to_list() == pytest.approx([0.2 - 0.0095, 0.0006])
    assert (found["p_holm"] < 0.05).to_list() == [True, False]
    assert comparison.compare_groups(table.clear(), "group", "ease", "als", "x", 10).height == 0
