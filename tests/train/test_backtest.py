"""Earlier cuts, the random split, and chances held against what happened: worked by hand."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib import models
from recomart_lib.models import base
from recomart_lib.models.base import TrainData
from recomart_lib.prepare import cleaning, splits
from recomart_lib.prepare.settings import Prepare
from recomart_lib.train import backtest, model_lists, selection, train_data

FACTS = {
    "validation_start": "2024-03-01T00:00:00+00:00",
    "cut": "2024-03-31T00:00:00+00:00",
    "end": "2024-04-30T00:00:00+00:00",
    "horizon_days": 30,
}
TEST = splits.Window("test", utc(2024, 3, 31), utc(2024, 4, 30))
EARLY = splits.Window("2 horizons before test", utc(2024, 1, 31), utc(2024, 3, 1))


def events(*happened: tuple) -> pl.DataFrame:
    records = [
        {"event_id": f"e{n}", "user_id": user, "item_id": item, "event_type": "purchase", "timestamp": moment}
        for n, (user, item, moment) in enumerate(happened)
    ]
    return cleaning.clean_events(rows("events", *records), Prepare())


# Everybody buys a and b in December; in February u buys a again and v the new c; in April u buys a and v b.
HAPPENED = [
    *[(user, item, utc(2023, 12, day)) for day, user in enumerate("uvw", 1) for item in "ab"],
    ("w", "c", utc(2023, 12, 9)),
    ("u", "a", utc(2024, 2, 3)),
    ("v", "c", utc(2024, 2, 4)),
    ("u", "a", utc(2024, 4, 3)),
    ("v", "b", utc(2024, 4, 4)),
    ("x", "b", utc(2024, 4, 5)),  # cold
]


def window(which: splits.Window) -> dict[str, pl.DataFrame]:
    return splits.split(events(*HAPPENED), which, ["purchase"])


def shown(which: splits.Window, *names: str) -> pl.DataFrame:
    tables = window(which)
    data = train_data.data_of(tables, which.start)
    fitted = {name: models.create(name).fit(data) for name in names}
    return model_lists.all_lists(fitted, data, tables, 20)


def test_windows_are_one_horizon_apart_and_the_oldest_comes_first():
    found = backtest.windows(FACTS, utc(2023, 1, 1), 4)
    assert [(w.name, w.start, w.end) for w in found] == [
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
    assert [w.name for w in backtest.windows(FACTS, first, 3)] == names
    assert [w.name for w in backtest.windows(FACTS, first, 1)] == ["test"]


def test_contenders_are_the_floors_the_chosen_and_the_best_on_valid():
    decisions = {
        "chosen": {"all": "repurchase", "novel": "ease"},
        "validation": {
            "all": {"als": 0.1, "ease": 0.2, "repurchase": 0.5, "item_knn": 0.4, "popularity": 0.05},
            "novel": {"als": 0.3, "ease": 0.4, "repurchase": None, "item_knn": 0.1, "popularity": 0.05},
        },
        "parameters": {name: {} for name in ("als", "ease", "item_knn", "popularity", "random", "repurchase", "svd")},
    }
    assert list(backtest.contenders(decisions, 1)) == ["ease", "popularity", "repurchase"]
    assert list(backtest.contenders(decisions, 2)) == ["als", "ease", "item_knn", "popularity", "repurchase"]


def test_lists_are_judged_by_both_protocols_and_cold_ones_are_not():
    judged = selection.judged(shown(TEST, "popularity", "own_history"), window(TEST))
    assert judged["protocol"].unique().to_list() == ["all"]  # nobody took anything new
    own = judged.filter(pl.col("model") == "own_history").sort("user_id")
    assert own["user_id"].to_list() == ["u", "v"]
    # u had a twice: it comes first; v had a, b and c once each, in the order of popularity (ties: the smaller index)
    assert own["mrr@10"].to_list() == [1, 0.5]


def test_every_cut_is_judged_by_what_lay_before_it():
    judged = selection.judged(shown(TEST, "popularity", "ease"), window(TEST))
    found = backtest.over_cuts(judged, [EARLY, TEST], {}, events(*HAPPENED), ["purchase"], {"popularity": {}})
    assert found.columns[:4] == ["cut", "protocol", "model", "user_id"]
    assert found["model"].unique().to_list() == ["popularity"]
    early = found.filter(pl.col("cut") == EARLY.start)
    # v's first c is new to v; u's a is a repeat
    assert early.select("protocol", "user_id").rows() == [("all", "u"), ("all", "v"), ("novel", "v")]
    # a and b stand before c for everybody in protocol all; in novel v, who has both, is shown c first
    assert early["mrr@10"].to_list() == [1, 1 / 3, 1]
    same = found.filter(pl.col("cut") == TEST.start).drop("cut")
    assert same.equals(judged.filter(pl.col("model") == "popularity"))


def test_models_that_read_features_are_left_out_where_there_is_no_lesson():
    judged = selection.judged(shown(TEST, "popularity", "repurchase"), window(TEST))
    both = {"popularity": {}, "repurchase": {}}
    found = backtest.over_cuts(judged, [EARLY, TEST], {}, events(*HAPPENED), ["purchase"], both)
    at = {cut: set(part["model"]) for (cut,), part in found.group_by("cut")}
    assert at == {EARLY.start: {"popularity"}, TEST.start: {"popularity", "repurchase"}}


def test_known_windows_are_used_as_they_are():
    tables = window(EARLY)
    lesson = pl.DataFrame({"as_of": [EARLY.start - timedelta(days=1)], "label": [1], "own": [True]})
    data = train_data.data_of(tables, EARLY.start, lesson, lesson)
    known, wanted = {EARLY.name: selection.Judge(data, tables)}, {"repurchase": {}}
    judged = selection.judged(shown(TEST, "popularity"), window(TEST))
    found = backtest.over_cuts(judged, [EARLY, TEST], known, events(*HAPPENED).clear(), ["purchase"], wanted)
    assert set(found["model"]) == {"repurchase"}


def asked(**n: int) -> pl.DataFrame:
    return pl.DataFrame({"user_id": list(n), "n_relevant": list(n.values())})


def drawn(*happened: tuple, end=TEST.end, seed: int = 1, **n: int) -> dict[str, pl.DataFrame]:
    return backtest.random_split(events(*happened), end, asked(**n), ["purchase"], seed)


def test_a_random_split_hides_pairs_whole_and_every_answer_is_new():
    liked = {(user, item) for user, item, _ in HAPPENED}
    tables = drawn(*HAPPENED, u=1, v=2, x=5)
    held = set(tables["holdout"].select("user_id", "item_id").rows())
    known = set(tables["interactions"].select("user_id", "item_id").rows())
    assert (held | known, held & known) == (liked, set())
    assert sorted(user for user, _ in held) == ["u", "v", "v", "x"]  # as many as asked for, or all there are
    assert not tables["holdout"]["repeat"].any()
    # x has nothing else: nobody knows x any more
    assert dict(tables["holdout"].select("user_id", "warm").iter_rows()) == {"u": True, "v": True, "x": False}


def test_a_random_split_is_drawn_by_its_seed_whatever_the_order_of_rows():
    answers = drawn(*HAPPENED, u=1, v=2)["holdout"]
    assert drawn(*reversed(HAPPENED), u=1, v=2)["holdout"].equals(answers)
    assert any(not drawn(*HAPPENED, seed=seed, u=1, v=2)["holdout"].equals(answers) for seed in range(2, 9))


def test_a_random_split_knows_nothing_from_the_end_on():
    tables = drawn(*HAPPENED, end=utc(2024, 2, 4), v=9)
    assert tables["interactions"]["last_timestamp"].max() < utc(2024, 2, 4)
    assert tables["holdout"].select("user_id", "item_id").rows() == [("v", "a"), ("v", "b")]


def test_both_splits_ask_the_same_models_and_users_for_as_many_answers():
    later = [*HAPPENED, ("u", "c", utc(2024, 4, 8))]
    tables = splits.split(events(*later), TEST, ["purchase"])
    data = train_data.data_of(tables, TEST.start)
    fitted = {name: models.create(name).fit(data) for name in ("popularity", "own_history")}
    judged = selection.judged(model_lists.all_lists(fitted, data, tables, 20), tables)
    both = {"popularity": {}, "own_history": {}}
    found = backtest.time_and_random(judged, TEST, events(*later), ["purchase"], both, seed=1)
    assert set(found["model"]) == {"popularity"}  # own_history cannot rank what is new
    assert found.select("split", "user_id", "n_relevant").rows() == [("time", "u", 1), ("random", "u", 1)]
    # u's one answer is the only product of the three that u is not known to have
    assert found["mrr@10"].to_list() == [1, 1]


def test_nobody_to_judge_leaves_empty_tables_with_their_columns():
    judged = selection.judged(shown(TEST, "popularity").clear(), window(TEST))
    assert judged.height == 0
    found = backtest.time_and_random(judged, TEST, events(*HAPPENED), ["purchase"], {"ease": {}}, seed=1)
    assert (found.height, found.columns[:3]) == (0, ["split", "model", "user_id"])
    assert backtest.over_cuts(judged, [TEST], {}, events(*HAPPENED), ["purchase"], {}).columns[0] == "cut"


class Foretelling(base.ArrayModel):
    """Tells a chance of two pairs."""

    name = "foretelling"

    def score(self, users):
        raise AssertionError("to tell chances, no scores are needed")

    def chance(self) -> pl.DataFrame:
        columns = {"user_idx": pl.Int32, "item_idx": pl.Int32}
        return pl.DataFrame({"user_idx": [0, 1, 2], "item_idx": [0, 0, 1], "probability": [0.9, 0.2, 0.1]}).cast(
            columns
        )


def test_chances_are_held_against_what_happened():
    tables = window(TEST)
    data: TrainData = train_data.data_of(tables, TEST.start)
    fitted = {"popularity": models.create("popularity").fit(data), "foretelling": Foretelling()}
    found = backtest.chances(fitted, tables)
    # u took a; v did not; w, who did not come back, counts as a no
    assert found.rows() == [("foretelling", 0.9, 1), ("foretelling", 0.2, 0), ("foretelling", 0.1, 0)]
    assert backtest.chances({"popularity": fitted["popularity"]}, tables).schema == backtest.CHANCES
