"""Earlier cuts, the random split, and predicted probabilities with their outcome: worked by hand."""

from __future__ import annotations

import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib import models
from recomart_lib.models import base
from recomart_lib.models.base import TrainData
from recomart_lib.prepare import cleaning, splits
from recomart_lib.prepare.settings import Prepare
from recomart_lib.train import backtest, model_lists, selection, train_data

SPLIT_METADATA = {
    "validation_start": "2024-03-01T00:00:00+00:00",
    "cut": "2024-03-31T00:00:00+00:00",
    "end": "2024-04-30T00:00:00+00:00",
    "horizon_days": 30,
}
TEST = splits.Window("test", utc(2024, 3, 31), utc(2024, 4, 30))
EARLY = splits.Window("2 horizons before test", utc(2024, 1, 31), utc(2024, 3, 1))


def events(*purchases: tuple) -> pl.DataFrame:
    records = [
        {"event_id": f"e{n}", "user_id": user, "item_id": item, "event_type": "purchase", "timestamp": moment}
        for n, (user, item, moment) in enumerate(purchases)
    ]
    return cleaning.clean_events(rows("events", *records), Prepare())


# Everybody buys a and b in December; in February u buys a again and v the new c; in April u buys a and v b.
HISTORY = [
    *[(user, item, utc(2023, 12, day)) for day, user in enumerate("uvw", 1) for item in "ab"],
    ("w", "c", utc(2023, 12, 9)),
    ("u", "a", utc(2024, 2, 3)),
    ("v", "c", utc(2024, 2, 4)),
    ("u", "a", utc(2024, 4, 3)),
    ("v", "b", utc(2024, 4, 4)),
    ("x", "b", utc(2024, 4, 5)),  # cold
]


def window(which: splits.Window) -> dict[str, pl.DataFrame]:
    return splits.split(events(*HISTORY), which, ["purchase"])


def lists_of(which: splits.Window, *names: str) -> pl.DataFrame:
    tables = window(which)
    data = train_data.from_window(tables, which.start)
    fitted = {name: models.create(name).fit(data) for name in names}
    return model_lists.all_lists(fitted, data, tables, 20)


def test_windows_are_one_horizon_apart_and_the_oldest_comes_first():
    scores = backtest.windows(SPLIT_METADATA, utc(2023, 1, 1), 4)
    assert [(w.name, w.start, w.end) for w in scores] == [
        ("3 horizons before test", utc(2024, 1, 1), utc(2024, 1, 31)),
        ("2 horizons before test", utc(2024, 1, 31), utc(2024, 3, 1)),
        ("validation", utc(2024, 3, 1), utc(2024, 3, 31)),
        ("test", utc(2024, 3, 31), utc(2024, 4, 30)),
    ]


@pytest.mark.parametrize(
    ("first", "names"),
    [
        (utc(2024, 1, 1), ["2 horizons before test", "validation", "test"]),  # exactly one horizon long
        (utc(2024, 1, 2), ["validation", "test"]),
        (utc(2024, 3, 20), ["test"]),  # the headline's own window is never left out
    ],
)
def test_short_data_has_fewer_windows(first, names):
    assert [w.name for w in backtest.windows(SPLIT_METADATA, first, 3)] == names
    assert [w.name for w in backtest.windows(SPLIT_METADATA, first, 1)] == ["test"]


def test_candidate_models_are_the_baselines_the_chosen_and_the_best_of_validation():
    decisions = {
        "chosen": {"all": "repurchase", "novel": "ease"},
        "validation": {
            "all": {"als": 0.1, "ease": 0.2, "repurchase": 0.5, "item_knn": 0.4, "popularity": 0.05},
            "novel": {"als": 0.3, "ease": 0.4, "repurchase": None, "item_knn": 0.1, "popularity": 0.05},
        },
        "parameters": {name: {} for name in ("als", "ease", "item_knn", "popularity", "random", "repurchase", "svd")},
    }
    assert list(backtest.candidate_models(decisions, 1)) == ["ease", "popularity", "repurchase"]
    assert list(backtest.candidate_models(decisions, 2)) == ["als", "ease", "item_knn", "popularity", "repurchase"]


def test_lists_are_evaluated_in_both_protocols_and_cold_ones_are_not():
    evaluated = selection.evaluate_lists(lists_of(TEST, "popularity", "own_history"), window(TEST))
    assert evaluated["protocol"].unique().to_list() == ["all"]  # nobody bought anything new
    own = evaluated.filter(pl.col("model") == "own_history").sort("user_id")
    assert own["user_id"].to_list() == ["u", "v"]
    # u had a twice: it comes first; v had a, b and c once each, in the order of popularity (ties: the smaller index)
    assert own["mrr@10"].to_list() == [1, 0.5]


def test_the_test_window_is_added_and_the_scores_of_named_models_are_kept():
    evaluated = selection.evaluate_lists(lists_of(TEST, "popularity", "ease"), window(TEST))
    at_early = selection.evaluate_lists(lists_of(EARLY, "popularity", "ease", "als"), window(EARLY))
    scores = pl.concat([at_early.select(pl.lit(cut).alias("cut"), pl.all()) for cut in (EARLY.start, utc(2020, 1, 1))])
    table = backtest.with_test(scores, evaluated, [EARLY, TEST], ["popularity", "als"])
    assert table.columns == ["cut", *evaluated.columns]
    at = {cut: set(part["model"]) for (cut,), part in table.group_by("cut")}
    assert at == {EARLY.start: {"popularity", "als"}, TEST.start: {"popularity"}}  # 2020 is not one of the windows
    test = table.filter(pl.col("cut") == TEST.start).drop("cut")
    assert test.equals(evaluated.filter(pl.col("model") == "popularity").cast(test.schema))
    early = table.filter(pl.col("cut") == EARLY.start, pl.col("model") == "popularity")
    # v's first c is new to v; u's a is a repeat
    assert early.select("protocol", "user_id").sort("protocol", "user_id").rows() == [
        ("all", "u"),
        ("all", "v"),
        ("novel", "v"),
    ]


def test_models_that_led_where_no_named_one_did_are_kept():
    rows = [(1, "all", "ease", 0.3), (1, "all", "als", 0.4), (2, "all", "ease", 0.5), (2, "all", "als", 0.4)]
    rows += [(2, "novel", "bpr", 0.2), (2, "novel", "ease", 0.2), (1, "novel", "svd", 0.0)]
    scores = pl.DataFrame(rows, ["cut", "protocol", "model", "ndcg@10"], orient="row")
    assert backtest.leaders(scores, ["ease"]) == {"als"}
    assert backtest.leaders(scores, ["popularity"]) == {"als", "ease", "bpr"}


def holdout_sizes(**n: int) -> pl.DataFrame:
    return pl.DataFrame({"user_id": list(n), "n_relevant": list(n.values())})


def split_at_random(*purchases: tuple, end=TEST.end, seed: int = 1, **n: int) -> dict[str, pl.DataFrame]:
    return backtest.random_split(events(*purchases), end, holdout_sizes(**n), ["purchase"], seed)


def test_a_random_split_holds_out_whole_pairs_which_are_new_to_their_users():
    purchases = {(user, item) for user, item, _ in HISTORY}
    tables = split_at_random(*HISTORY, u=1, v=2, x=5)
    holdout = set(tables["holdout"].select("user_id", "item_id").rows())
    known = set(tables["interactions"].select("user_id", "item_id").rows())
    assert (holdout | known, holdout & known) == (purchases, set())
    assert sorted(user for user, _ in holdout) == ["u", "v", "v", "x"]  # as many as asked for, or all there are
    assert not tables["holdout"]["repeat"].any()
    # x has no other events, and is unknown
    assert dict(tables["holdout"].select("user_id", "warm").iter_rows()) == {"u": True, "v": True, "x": False}


def test_a_random_split_depends_on_its_seed_and_not_on_the_order_of_rows():
    holdout = split_at_random(*HISTORY, u=1, v=2)["holdout"]
    assert split_at_random(*reversed(HISTORY), u=1, v=2)["holdout"].equals(holdout)
    assert any(not split_at_random(*HISTORY, seed=seed, u=1, v=2)["holdout"].equals(holdout) for seed in range(2, 9))


def test_a_random_split_uses_nothing_from_the_end_on():
    tables = split_at_random(*HISTORY, end=utc(2024, 2, 4), v=9)
    assert tables["interactions"]["last_timestamp"].max() < utc(2024, 2, 4)
    assert tables["holdout"].select("user_id", "item_id").rows() == [("v", "a"), ("v", "b")]


def test_both_splits_have_the_same_models_users_and_holdout_sizes():
    later = [*HISTORY, ("u", "c", utc(2024, 4, 8))]
    tables = splits.split(events(*later), TEST, ["purchase"])
    data = train_data.from_window(tables, TEST.start)
    fitted = {name: models.create(name).fit(data) for name in ("popularity", "own_history")}
    evaluated = selection.evaluate_lists(model_lists.all_lists(fitted, data, tables, 20), tables)
    both = {"popularity": {}, "own_history": {}}
    scores = backtest.compare_splits(evaluated, TEST, events(*later), ["purchase"], both, seed=1)
    assert set(scores["model"]) == {"popularity"}  # own_history cannot rank what is new
    assert scores.select("split", "user_id", "n_relevant").rows() == [("time", "u", 1), ("random", "u", 1)]
    # u's one holdout product is the only one of the three that u has not bought in the training data
    assert scores["mrr@10"].to_list() == [1, 1]


def test_without_evaluated_users_tables_are_empty_with_their_columns():
    evaluated = selection.evaluate_lists(lists_of(TEST, "popularity").clear(), window(TEST))
    assert evaluated.height == 0
    scores = backtest.compare_splits(evaluated, TEST, events(*HISTORY), ["purchase"], {"ease": {}}, seed=1)
    assert (scores.height, scores.columns[:3]) == (0, ["split", "model", "user_id"])
    no_scores = evaluated.select(pl.lit(EARLY.start).alias("cut"), pl.all())
    assert backtest.with_test(no_scores, evaluated, [TEST], ["ease"]).columns[0] == "cut"


class Predicting(base.ArrayModel):
    """Predicts a probability for three pairs."""

    name = "predicting"

    def score(self, users):
        raise AssertionError("probabilities need no scores")

    def predict_probabilities(self) -> pl.DataFrame:
        columns = {"user_idx": pl.Int32, "item_idx": pl.Int32}
        return pl.DataFrame({"user_idx": [0, 1, 2], "item_idx": [0, 0, 1], "probability": [0.9, 0.2, 0.1]}).cast(
            columns
        )


def test_probabilities_have_the_outcome_of_their_window():
    tables = window(TEST)
    data: TrainData = train_data.from_window(tables, TEST.start)
    fitted = {"popularity": models.create("popularity").fit(data), "predicting": Predicting()}
    scores = backtest.predicted_probabilities(fitted, tables)
    # u bought a; v did not; w, who did not return, has label 0
    assert scores.rows() == [("predicting", 0.9, 1), ("predicting", 0.2, 0), ("predicting", 0.1, 0)]
    assert (
        backtest.predicted_probabilities({"popularity": fitted["popularity"]}, tables).schema
        == backtest.PREDICTED_PROBABILITIES
    )
