"""Lessons: what was known at earlier cuts, and what followed; nothing of the window that judges."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib.features import feature_store
from recomart_lib.prepare import cleaning, splits
from recomart_lib.prepare.settings import Prepare
from recomart_lib.train import train_data, training_examples

FACTS = {
    "validation_start": "2024-02-01T00:00:00+00:00",
    "cut": "2024-03-02T00:00:00+00:00",
    "end": "2024-04-01T00:00:00+00:00",
    "live": "2024-04-20T00:00:00+00:00",
    "first": "2023-12-01T00:00:00+00:00",
    "horizon_days": 30,
    "n_training_cuts": 6,
    "relevant_events": ["purchase"],
}
CUTS = splits.cuts(FACTS)
HAPPENED = [
    ("u", "a", "purchase", utc(2023, 12, 1)),
    ("u", "b", "purchase", utc(2023, 12, 2)),
    ("u", "c", "view", utc(2023, 12, 3)),
    ("u", "a", "purchase", utc(2024, 1, 2)),  # at the first cut itself: an answer, and no past
    ("v", "a", "purchase", utc(2024, 1, 31)),
    ("u", "b", "purchase", utc(2024, 2, 1)),
    ("v", "a", "purchase", utc(2024, 3, 20)),
    ("v", "a", "purchase", utc(2024, 4, 10)),  # after the test window
]


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    records = [
        {"event_id": f"e{n}", "user_id": user, "item_id": item, "event_type": kind, "timestamp": moment}
        for n, (user, item, kind, moment) in enumerate(HAPPENED)
    ]
    return cleaning.clean_events(rows("events", *records), Prepare())


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """A store that knows one feature of users, items and pairs: the number of the moment's month."""

    def training_frame(spine: pl.DataFrame, service: str) -> pl.DataFrame:
        entity = {"user_id", "item_id"} & set(spine.columns)
        name = "interaction" if len(entity) == 2 else entity.pop().removesuffix("_id")
        month = pl.col("as_of").dt.month().cast(pl.Float64)
        return spine.with_columns(month.alias(f"{name}__x"), pl.lit(service).alias(f"{name}__word"))

    monkeypatch.setattr(feature_store, "training_frame", training_frame)


def window(events: pl.DataFrame, name: str) -> dict[str, pl.DataFrame]:
    cut = splits.Window(name, CUTS[name], CUTS[name] + timedelta(days=30))
    return splits.split(events, cut, ["purchase"])


def answers(table: pl.DataFrame) -> dict[tuple[str, str], int]:
    return {(user, item): label for user, item, label in table.select("user_id", "item_id", "label").iter_rows()}


def learn(events: pl.DataFrame, *names: str, n_users: int = 9) -> pl.DataFrame:
    return training_examples.learn(names, events, FACTS, "recommender_v2", n_users, seed=1)


def taught(events: pl.DataFrame, name: str, past: pl.DataFrame | None = None, **tables: pl.DataFrame):
    return train_data.taught(window(events, name), name, events, FACTS, "recommender_v2", past, **tables)


def test_the_cuts_lie_half_a_horizon_apart_as_far_back_as_the_shop_goes():
    assert list(CUTS) == [
        "training_4",
        "training_3",
        "training_2",
        "training_1",
        "validation",
        "test",
        "live",
    ]  # not six
    assert CUTS["training_4"] == utc(2023, 12, 3)
    assert CUTS["training_2"] == utc(2024, 1, 2)
    assert CUTS["live"] == utc(2024, 4, 20)
    assert training_examples.before_valid(FACTS) == ["training_4", "training_3", "training_2", "training_1"]
    assert training_examples.before_valid({**FACTS, "n_training_cuts": 0}) == []


def test_a_lesson_is_what_was_known_and_what_followed(events):
    found = learn(events, "training_2")
    assert set(found["as_of"]) == {CUTS["training_2"]}
    assert answers(found.filter("own", pl.col("label") == 1)) == {("u", "a"): 1}  # v was not known then
    assert set(found["user_id"]) == {"u"}
    assert set(found.filter("own")["interaction__x"]) == {1.0}  # of January, the cut's month
    assert found.filter(~pl.col("own"))["interaction__x"].null_count() == found.filter(~pl.col("own")).height


def test_a_window_learns_only_from_lessons_that_were_over(events):
    past = training_examples.together(learn(events, *training_examples.before_valid(FACTS), "validation", "test"))
    ends = {name: taught(events, name, past).lesson["as_of"].max() for name in ("validation", "test", "live")}
    assert ends == {"validation": CUTS["training_2"], "test": CUTS["validation"], "live": CUTS["test"]}
    assert taught(events, "validation").lesson is None


def test_the_clock_of_summer_leaves_valid_a_lesson_of_test():
    summer = {**FACTS, "validation_start": "2024-03-02T00:00:00+00:00", "cut": "2024-03-31T23:00:00+00:00"}
    assert train_data.latest_lesson("test", summer) == utc(2024, 3, 2)


@pytest.mark.parametrize("name", ["training_2", "validation", "test"])
def test_another_future_changes_neither_candidates_nor_what_a_lesson_knew(events, name):
    late = pl.col("timestamp") >= CUTS[name]
    other = events.with_columns(
        item_id=pl.when(late).then(pl.lit("b")).otherwise("item_id"),
        weight=pl.when(late).then(99.0).otherwise("weight"),
    )
    cut = splits.Window(name, CUTS[name], CUTS[name] + timedelta(days=30))
    before, after = (
        train_data.taught(splits.split(table, cut, ["purchase"]), name, table, FACTS, "recommender_v2")
        for table in (events, other)
    )
    assert before.features.equals(after.features)
    assert before.candidates(np.arange(before.n_users)).equals(after.candidates(np.arange(after.n_users)))


def test_only_so_many_users_teach_and_the_same_in_every_run(events):
    many = pl.concat(
        [events]
        + [
            events.with_columns(user_id=pl.col("user_id") + str(n), event_id=pl.col("event_id") + str(n))
            for n in range(20)
        ]
    ).sort("timestamp")
    few = learn(many, "validation", n_users=5)
    assert few["user_id"].n_unique() <= 5
    assert few.equals(learn(many, "validation", n_users=5))
    assert few.filter(pl.col("label") == 1).height > 0


def test_nobody_comes_back_no_lesson(events):
    only = events.filter(pl.col("timestamp") < CUTS["training_2"])
    found = learn(only, "training_2")
    assert found.is_empty()
    assert taught(only, "validation", found).lesson.is_empty()
    assert training_examples.signal(found).is_empty()


def test_lessons_are_described(events):
    data = taught(events, "test", learn(events, "training_2", "validation"))
    row = training_examples.describe({"test": data, "validation": taught(events, "validation")})
    assert row.row(0)[:2] == ("test", 2)
    assert row.row(0)[2:5] == (data.lesson.height, data.lesson["user_id"].n_unique(), data.lesson["label"].mean())
    assert row.row(1) == ("validation", 0, 0, 0, None, 0)


def test_attributes_are_those_of_the_window_and_prices_those_told_before_the_cut():
    told = [(utc(2024, 1, 5), 3.0), (utc(2024, 1, 9), 5.0), (utc(2024, 1, 9), 4.0), (CUTS["validation"], 9.0)]
    records = [
        {"event_id": f"e{n}", "user_id": "u", "item_id": "a", "event_type": "purchase", "timestamp": at, "price": price}
        for n, (at, price) in enumerate(told)
    ] + [{"event_id": "x", "user_id": "v", "item_id": "b", "event_type": "view", "timestamp": utc(2024, 1, 3)}]
    events = cleaning.clean_events(rows("events", *records), Prepare())
    items = cleaning.clean_items(rows("items", *[{"item_id": item, "price": 99.0} for item in "dcba"]))
    users = cleaning.clean_users(rows("users", {"user_id": "u", "country": "DE"}, {"user_id": "w"}))
    data = taught(events, "validation", users=users, items=items)
    assert data.items.select("item_idx", "name", "category", "price").rows() == [
        (0, "a", "unknown", 4.0),
        (1, "b", "unknown", None),
    ]
    assert data.users.select("user_idx", "country").rows() == [(0, "DE"), (1, None)]
    assert taught(events, "validation").items is None


def pairs(label: list[int], **features: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u"] * len(label), "label": label, "own": [True] * len(label), **features})


def test_the_signal_is_the_share_of_right_comparisons():
    table = pairs([1, 0, 1, 0], right=[9.0, 1.0, 8.0, 2.0], wrong=[1.0, 2.0, 1.0, 2.0], half=[1.0, 1.0, 2.0, 2.0])
    found = training_examples.signal(table)
    assert dict(found.select("feature", "auc").iter_rows()) == {"right": 1.0, "wrong": 0.0, "half": 0.5}
    assert found["feature"].to_list() == ["right", "wrong", "half"]
    row = training_examples.signal(pairs([1, 1, 0, 0, 0], x=[5.0, 2.0, 3.0, 1.0, None])).row(0, named=True)
    assert row["auc"] == pytest.approx(5 / 6)  # of six comparisons only 2.0 against 3.0 is wrong; null is smallest
    # Hanley and McNeil: q1 = auc / (2 - auc) = 5/7, q2 = 2 auc^2 / (1 + auc) = 25/33
    variance = (5 / 36 + (5 / 7 - 25 / 36) + 2 * (25 / 33 - 25 / 36)) / 6
    assert row["low"] == pytest.approx(5 / 6 - 1.96 * variance**0.5)


@pytest.mark.parametrize("table", [None, pairs([0, 0], x=[1.0, 2.0]), pairs([], x=[])], ids=["none", "one", "empty"])
def test_nothing_to_learn_from_gives_no_signal(table):
    assert training_examples.signal(table).is_empty()


def test_a_feature_that_never_varies_is_left_out():
    assert training_examples.signal(pairs([1, 0], x=[1.0, 1.0], y=[None, None])).is_empty()
