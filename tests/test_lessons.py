"""Lessons: what was known at earlier cuts, and what followed; nothing of the window that judges."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib import feature_store, lessons, prepare, splits
from recomart_lib.params import Prepare

FACTS = {
    "valid_start": "2024-02-01T00:00:00+00:00",
    "cut": "2024-03-02T00:00:00+00:00",
    "end": "2024-04-01T00:00:00+00:00",
    "live": "2024-04-20T00:00:00+00:00",
    "first": "2023-12-01T00:00:00+00:00",
    "horizon_days": 30,
    "n_lessons": 6,
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
    return prepare.clean_events(rows("events", *records), Prepare())


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
    return lessons.learn(names, events, FACTS, "recommender_v2", n_users, seed=1)


def taught(events: pl.DataFrame, name: str, past: pl.DataFrame | None = None, **tables: pl.DataFrame):
    return lessons.taught(window(events, name), name, events, FACTS, "recommender_v2", past, **tables)


def test_the_cuts_lie_half_a_horizon_apart_as_far_back_as_the_shop_goes():
    assert list(CUTS) == ["lesson_4", "lesson_3", "lesson_2", "lesson_1", "valid", "test", "live"]  # not six
    assert CUTS["lesson_4"] == utc(2023, 12, 3)
    assert CUTS["lesson_2"] == utc(2024, 1, 2)
    assert CUTS["live"] == utc(2024, 4, 20)
    assert lessons.before_valid(FACTS) == ["lesson_4", "lesson_3", "lesson_2", "lesson_1"]
    assert lessons.before_valid({**FACTS, "n_lessons": 0}) == []


def test_a_lesson_is_what_was_known_and_what_followed(events):
    found = learn(events, "lesson_2")
    assert set(found["as_of"]) == {CUTS["lesson_2"]}
    assert answers(found.filter("own", pl.col("label") == 1)) == {("u", "a"): 1}  # v was not known then
    assert set(found["user_id"]) == {"u"}
    assert set(found.filter("own")["interaction__x"]) == {1.0}  # of January, the cut's month
    assert found.filter(~pl.col("own"))["interaction__x"].null_count() == found.filter(~pl.col("own")).height


def test_a_window_learns_only_from_lessons_that_were_over(events):
    past = lessons.together(learn(events, *lessons.before_valid(FACTS), "valid", "test"))
    ends = {name: taught(events, name, past).lesson["as_of"].max() for name in ("valid", "test", "live")}
    assert ends == {"valid": CUTS["lesson_2"], "test": CUTS["valid"], "live": CUTS["test"]}
    assert taught(events, "valid").lesson is None


def test_the_clock_of_summer_leaves_valid_a_lesson_of_test():
    summer = {**FACTS, "valid_start": "2024-03-02T00:00:00+00:00", "cut": "2024-03-31T23:00:00+00:00"}
    assert lessons.latest_lesson("test", summer) == utc(2024, 3, 2)


@pytest.mark.parametrize("name", ["lesson_2", "valid", "test"])
def test_another_future_changes_neither_candidates_nor_what_a_lesson_knew(events, name):
    late = pl.col("timestamp") >= CUTS[name]
    other = events.with_columns(
        item_id=pl.when(late).then(pl.lit("b")).otherwise("item_id"),
        weight=pl.when(late).then(99.0).otherwise("weight"),
    )
    cut = splits.Window(name, CUTS[name], CUTS[name] + timedelta(days=30))
    before, after = (
        lessons.taught(splits.split(table, cut, ["purchase"]), name, table, FACTS, "recommender_v2")
        for table in (events, other)
    )
    assert before.features.equals(after.features)
    assert before.candidates(np.arange(before.n_users)).equals(after.candidates(np.arange(after.n_users)))


def test_only_so_many_users_teach_and_the_same_in_every_run(events):
    many = pl.concat(
        [events] + [events.with_columns(user_id=pl.col("user_id") + str(n), event_id=pl.col("event_id") + str(n))
                    for n in range(20)]
    ).sort("timestamp")  # fmt: skip
    few = learn(many, "valid", n_users=5)
    assert few["user_id"].n_unique() <= 5
    assert few.equals(learn(many, "valid", n_users=5))
    assert few.filter(pl.col("label") == 1).height > 0


def test_nobody_comes_back_no_lesson(events):
    only = events.filter(pl.col("timestamp") < CUTS["lesson_2"])
    found = learn(only, "lesson_2")
    assert found.is_empty()
    assert taught(only, "valid", found).lesson.is_empty()
    assert lessons.signal(found).is_empty()


def test_lessons_are_described(events):
    data = taught(events, "test", learn(events, "lesson_2", "valid"))
    row = lessons.describe({"test": data, "valid": taught(events, "valid")})
    assert row.row(0)[:2] == ("test", 2)
    assert row.row(0)[2:5] == (data.lesson.height, data.lesson["user_id"].n_unique(), data.lesson["label"].mean())
    assert row.row(1) == ("valid", 0, 0, 0, None, 0)


def test_attributes_are_those_of_the_window_and_prices_those_told_before_the_cut():
    told = [(utc(2024, 1, 5), 3.0), (utc(2024, 1, 9), 5.0), (utc(2024, 1, 9), 4.0), (CUTS["valid"], 9.0)]
    records = [
        {"event_id": f"e{n}", "user_id": "u", "item_id": "a", "event_type": "purchase", "timestamp": at, "price": price}
        for n, (at, price) in enumerate(told)
    ] + [{"event_id": "x", "user_id": "v", "item_id": "b", "event_type": "view", "timestamp": utc(2024, 1, 3)}]
    events = prepare.clean_events(rows("events", *records), Prepare())
    items = prepare.clean_items(rows("items", *[{"item_id": item, "price": 99.0} for item in "dcba"]))
    users = prepare.clean_users(rows("users", {"user_id": "u", "country": "DE"}, {"user_id": "w"}))
    data = taught(events, "valid", users=users, items=items)
    assert data.items.select("item_idx", "name", "category", "price").rows() == [
        (0, "a", "unknown", 4.0), (1, "b", "unknown", None)]  # fmt: skip
    assert data.users.select("user_idx", "country").rows() == [(0, "DE"), (1, None)]
    assert taught(events, "valid").items is None


def pairs(label: list[int], **features: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u"] * len(label), "label": label, "own": [True] * len(label), **features})


def test_the_signal_is_the_share_of_right_comparisons():
    table = pairs([1, 0, 1, 0], right=[9.0, 1.0, 8.0, 2.0], wrong=[1.0, 2.0, 1.0, 2.0], half=[1.0, 1.0, 2.0, 2.0])
    found = lessons.signal(table)
    assert dict(found.select("feature", "auc").iter_rows()) == {"right": 1.0, "wrong": 0.0, "half": 0.5}
    assert found["feature"].to_list() == ["right", "wrong", "half"]
    row = lessons.signal(pairs([1, 1, 0, 0, 0], x=[5.0, 2.0, 3.0, 1.0, None])).row(0, named=True)
    assert row["auc"] == pytest.approx(5 / 6)  # of six comparisons only 2.0 against 3.0 is wrong; null is smallest
    # Hanley and McNeil: q1 = auc / (2 - auc) = 5/7, q2 = 2 auc^2 / (1 + auc) = 25/33
    variance = (5 / 36 + (5 / 7 - 25 / 36) + 2 * (25 / 33 - 25 / 36)) / 6
    assert row["low"] == pytest.approx(5 / 6 - 1.96 * variance**0.5)


@pytest.mark.parametrize("table", [None, pairs([0, 0], x=[1.0, 2.0]), pairs([], x=[])], ids=["none", "one", "empty"])
def test_nothing_to_learn_from_gives_no_signal(table):
    assert lessons.signal(table).is_empty()


def test_a_feature_that_never_varies_is_left_out():
    assert lessons.signal(pairs([1, 0], x=[1.0, 1.0], y=[None, None])).is_empty()
