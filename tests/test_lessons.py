"""Lessons: what was known at earlier cuts, and what followed; nothing of the window that judges."""

from __future__ import annotations

from datetime import timedelta

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
    "horizon_days": 30,
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
    """A store that knows one feature: the number of the moment."""
    monkeypatch.setattr(
        feature_store,
        "training_frame",
        lambda spine, service: spine.with_columns(x=pl.col("as_of").dt.month().cast(pl.Float64), word=pl.lit(service)),
    )


def window(events: pl.DataFrame, name: str) -> dict[str, pl.DataFrame]:
    cut = splits.Window(name, CUTS[name], CUTS[name] + timedelta(days=30))
    return splits.split(events, cut, ["purchase"])


def answers(table: pl.DataFrame) -> dict[tuple[str, str], int]:
    return {(user, item): label for user, item, label in table.select("user_id", "item_id", "label").iter_rows()}


def test_the_cuts_lie_one_horizon_apart():
    assert list(CUTS) == ["lesson", "valid", "test", "live"]
    assert CUTS["lesson"] == utc(2024, 1, 2)
    assert CUTS["live"] == utc(2024, 4, 20)


def test_valid_learns_from_the_cut_before_it(events):
    data = lessons.taught(window(events, "valid"), "valid", events, FACTS, "recommender_v2")
    assert answers(data.lesson) == {("u", "a"): 1, ("u", "b"): 0}
    assert set(data.lesson["as_of"]) == {CUTS["lesson"]}
    assert data.features.select("user_id", "item_id").rows() == [("u", "a"), ("u", "b"), ("v", "a")]
    assert set(data.features["as_of"]) == {CUTS["valid"]}


def test_later_windows_learn_from_all_earlier_cuts_and_never_from_their_own_answers(events):
    test = lessons.taught(window(events, "test"), "test", events, FACTS, "recommender_v2").lesson
    assert sorted(set(test["as_of"])) == [CUTS["lesson"], CUTS["valid"]]
    assert answers(test.filter(as_of=CUTS["valid"])) == {("u", "a"): 0, ("u", "b"): 1, ("v", "a"): 0}
    live = lessons.taught(window(events, "live"), "live", events, FACTS, "recommender_v2").lesson
    last = answers(live.filter(as_of=CUTS["test"]))
    assert last == {("u", "a"): 0, ("u", "b"): 0, ("v", "a"): 1}
    assert live.height == test.height + 3


def test_the_last_window_of_the_live_lesson_is_as_long_as_the_others(events):
    only = events.filter(pl.col("timestamp") != utc(2024, 3, 20))
    live = lessons.taught(window(only, "live"), "live", only, FACTS, "recommender_v2").lesson
    assert answers(live.filter(as_of=CUTS["test"]))["v", "a"] == 0


def test_lessons_are_described(events):
    data = lessons.taught(window(events, "test"), "test", events, FACTS, "recommender_v2")
    assert lessons.describe({"test": data}).row(0) == ("test", 2, 5, 2 / 5, 1)


def test_attributes_are_those_of_the_window_and_prices_those_told_before_the_cut():
    told = [(utc(2024, 1, 5), 3.0), (utc(2024, 1, 9), 5.0), (utc(2024, 1, 9), 4.0), (CUTS["valid"], 9.0)]
    records = [
        {"event_id": f"e{n}", "user_id": "u", "item_id": "a", "event_type": "purchase", "timestamp": at, "price": price}
        for n, (at, price) in enumerate(told)
    ] + [{"event_id": "x", "user_id": "v", "item_id": "b", "event_type": "view", "timestamp": utc(2024, 1, 3)}]
    events = prepare.clean_events(rows("events", *records), Prepare())
    items = prepare.clean_items(rows("items", *[{"item_id": item, "price": 99.0} for item in "dcba"]))
    users = prepare.clean_users(rows("users", {"user_id": "u", "country": "DE"}, {"user_id": "w"}))
    data = lessons.taught(window(events, "valid"), "valid", events, FACTS, "recommender_v2", users, items)
    assert data.items.select("item_idx", "name", "category", "price").rows() == [
        (0, "a", "unknown", 4.0), (1, "b", "unknown", None)]  # fmt: skip
    assert data.users.select("user_idx", "country").rows() == [(0, "DE"), (1, None)]
    assert lessons.taught(window(events, "valid"), "valid", events, FACTS, "recommender_v2").items is None


def pairs(label: list[int], **features: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u"] * len(label), "label": label, **features})


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
