"""Training examples: candidates at earlier cuts and their labels; nothing from the evaluated window."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from conftest import rows, utc
from split_data import SPLIT_METADATA

from recomart_lib.features import feature_store
from recomart_lib.prepare import cleaning, splits, versions
from recomart_lib.prepare.settings import Prepare
from recomart_lib.train import train_data, training_examples

CUTS = splits.cuts(SPLIT_METADATA)
HISTORY = [
    ("u", "a", "purchase", utc(2023, 12, 1)),
    ("u", "b", "purchase", utc(2023, 12, 2)),
    ("u", "c", "view", utc(2023, 12, 3)),
    ("u", "a", "purchase", utc(2024, 1, 2)),  # at the cut itself: in the window, not in the past
    ("v", "a", "purchase", utc(2024, 1, 31)),
    ("u", "b", "purchase", utc(2024, 2, 1)),
    ("v", "a", "purchase", utc(2024, 3, 20)),
    ("v", "a", "purchase", utc(2024, 4, 10)),  # after the test window
]


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    records = [
        {"event_id": f"e{n}", "user_id": user, "item_id": item, "event_type": kind, "timestamp": moment}
        for n, (user, item, kind, moment) in enumerate(HISTORY)
    ]
    return cleaning.clean_events(rows("events", *records), Prepare())


@pytest.fixture(autouse=True)
def store(monkeypatch):
    """A store with one feature of users, items and pairs: the number of the month of `as_of`."""

    def training_frame(spine: pl.DataFrame, service: str) -> pl.DataFrame:
        entity = {"user_id", "item_id"} & set(spine.columns)
        name = "interaction" if len(entity) == 2 else entity.pop().removesuffix("_id")
        month = pl.col("as_of").dt.month().cast(pl.Float64)
        return spine.with_columns(month.alias(f"{name}__x"), pl.lit(service).alias(f"{name}__text"))

    monkeypatch.setattr(feature_store, "training_frame", training_frame)


def window(events: pl.DataFrame, name: str) -> dict[str, pl.DataFrame]:
    cut = splits.Window(name, CUTS[name], CUTS[name] + timedelta(days=30))
    return splits.split(events, cut, ["purchase"])


def labels(table: pl.DataFrame) -> dict[tuple[str, str], int]:
    return {(user, item): label for user, item, label in table.select("user_id", "item_id", "label").iter_rows()}


def examples_at(events: pl.DataFrame, *names: str, n_users: int = 9) -> pl.DataFrame:
    return training_examples.build_training_examples(names, events, SPLIT_METADATA, "recommender_v2", n_users, seed=1)


def data_at(events: pl.DataFrame, name: str, past: pl.DataFrame | None = None, **tables: pl.DataFrame):
    return train_data.build_train_data(
        window(events, name), name, events, SPLIT_METADATA, "recommender_v2", past, **tables
    )


def test_training_cuts_are_half_a_horizon_apart_back_to_the_first_event():
    assert list(CUTS) == [
        "training_4",
        "training_3",
        "training_2",
        "training_1",
        "validation",
        "test",
        "live",
    ]  # fewer than six: too early
    assert CUTS["training_4"] == utc(2023, 12, 3)
    assert CUTS["training_2"] == utc(2024, 1, 2)
    assert CUTS["live"] == utc(2024, 4, 20)
    assert training_examples.training_cuts(SPLIT_METADATA) == ["training_4", "training_3", "training_2", "training_1"]
    assert training_examples.training_cuts({**SPLIT_METADATA, "n_training_cuts": 0}) == []


def test_an_example_has_the_features_of_its_cut_and_the_label_of_its_window(events):
    examples = examples_at(events, "training_2")
    assert set(examples["as_of"]) == {CUTS["training_2"]}
    assert labels(examples.filter("own", pl.col("label") == 1)) == {("u", "a"): 1}  # v was unknown then
    assert set(examples["user_id"]) == {"u"}
    assert set(examples.filter("own")["interaction__x"]) == {1.0}  # of January, the cut's month
    assert examples.filter(~pl.col("own"))["interaction__x"].null_count() == examples.filter(~pl.col("own")).height


def test_a_window_uses_only_examples_whose_window_has_ended(events):
    past = training_examples.concat(
        examples_at(events, *training_examples.training_cuts(SPLIT_METADATA), "validation", "test")
    )
    ends = {name: data_at(events, name, past).examples["as_of"].max() for name in ("validation", "test", "live")}
    assert ends == {"validation": CUTS["training_2"], "test": CUTS["validation"], "live": CUTS["test"]}
    assert data_at(events, "validation").examples is None


def test_daylight_saving_time_keeps_the_validation_cut_for_test():
    summer = {**SPLIT_METADATA, "validation_start": "2024-03-02T00:00:00+00:00", "cut": "2024-03-31T23:00:00+00:00"}
    assert train_data.latest_example_cut("test", summer) == utc(2024, 3, 2)


@pytest.mark.parametrize("name", ["training_2", "validation", "test"])
def test_another_future_changes_neither_candidates_nor_features(events, name):
    late = pl.col("timestamp") >= CUTS[name]
    other = events.with_columns(
        item_id=pl.when(late).then(pl.lit("b")).otherwise("item_id"),
        weight=pl.when(late).then(99.0).otherwise("weight"),
    )
    cut = splits.Window(name, CUTS[name], CUTS[name] + timedelta(days=30))
    before, after = (
        train_data.build_train_data(
            splits.split(table, cut, ["purchase"]), name, table, SPLIT_METADATA, "recommender_v2"
        )
        for table in (events, other)
    )
    assert before.features.equals(after.features)
    assert before.candidates(np.arange(before.n_users)).equals(after.candidates(np.arange(after.n_users)))


def test_the_number_of_users_is_limited_and_the_sample_reproducible(events):
    many = pl.concat(
        [events]
        + [
            events.with_columns(user_id=pl.col("user_id") + str(n), event_id=pl.col("event_id") + str(n))
            for n in range(20)
        ]
    ).sort("timestamp")
    few = examples_at(many, "validation", n_users=5)
    assert few["user_id"].n_unique() <= 5
    assert few.equals(examples_at(many, "validation", n_users=5))
    assert few.filter(pl.col("label") == 1).height > 0


def test_without_returning_users_there_are_no_examples(events):
    only = events.filter(pl.col("timestamp") < CUTS["training_2"])
    examples = examples_at(only, "training_2")
    assert examples.is_empty()
    assert data_at(only, "validation", examples).examples.is_empty()
    assert training_examples.feature_importance(examples).is_empty()


def test_without_past_cuts_there_are_no_examples_and_models_fall_back():
    """In a shop whose data starts in its validation window."""
    none = training_examples.build_training_examples([], rows("events"), SPLIT_METADATA, "recommender_v2", 9, 1)
    assert none.filter("own").is_empty()
    assert training_examples.feature_importance(none).is_empty()


def test_examples_are_described(events):
    data = data_at(events, "test", examples_at(events, "training_2", "validation"))
    row = training_examples.describe({"test": data, "validation": data_at(events, "validation")})
    assert row.row(0)[:2] == ("test", 2)
    assert row.row(0)[2:5] == (data.examples.height, data.examples["user_id"].n_unique(), data.examples["label"].mean())
    assert row.row(1) == ("validation", 0, 0, 0, None, 0)


def test_attributes_are_those_of_the_window_and_prices_are_from_before_the_cut():
    prices = [(utc(2024, 1, 5), 3.0), (utc(2024, 1, 9), 5.0), (utc(2024, 1, 9), 4.0), (CUTS["validation"], 9.0)]
    records = [
        {"event_id": f"e{n}", "user_id": "u", "item_id": "a", "event_type": "purchase", "timestamp": at, "price": price}
        for n, (at, price) in enumerate(prices)
    ] + [{"event_id": "x", "user_id": "v", "item_id": "b", "event_type": "view", "timestamp": utc(2024, 1, 3)}]
    events = cleaning.clean_events(rows("events", *records), Prepare())
    items = cleaning.clean_items(rows("items", *[{"item_id": item, "price": 99.0} for item in "dcba"]))
    users = cleaning.clean_users(rows("users", {"user_id": "u", "country": "DE"}, {"user_id": "w"}))
    data = data_at(events, "validation", users=versions.always(users), items=versions.always(items))
    assert data.items.select("item_idx", "name", "category", "price").rows() == [
        (0, "a", "unknown", 4.0),
        (1, "b", "unknown", None),
    ]
    assert data.users.select("user_idx", "country").rows() == [(0, "DE"), (1, None)]
    assert data_at(events, "validation").items is None


def test_attributes_are_what_the_shop_stated_until_the_cut_and_live_the_newest(events):
    statements = [("a", "food", 2.0, utc(2024, 1, 1)), ("a", "tools", 3.0, utc(2024, 2, 1))]
    statements += [("a", None, 4.0, utc(2024, 5, 1)), ("b", "food", 7.0, utc(2024, 3, 1))]
    records = [{"item_id": item, "category": category, "price": price} for item, category, price, _ in statements]
    items = cleaning.clean_history(
        "items", rows("items", *records).with_columns(pl.Series("valid_from", [row[3] for row in statements]))
    )
    users = cleaning.clean_users(rows("users", {"user_id": "u", "country": "DE"}, {"user_id": "u", "country": "FR"}))
    users = users.with_columns(pl.Series("valid_from", [utc(2024, 1, 1), utc(2024, 3, 2)]))
    expected = {
        "training_2": ([("food", 2.0), ("food", 7.0)], "DE"),  # no statement about b yet: its first
        "validation": ([("tools", 3.0), ("food", 7.0)], "DE"),
        "test": ([("tools", 3.0), ("food", 7.0)], "FR"),
        "live": ([("unknown", 4.0), ("food", 7.0)], "FR"),
    }
    for name, (products, country) in expected.items():
        data = data_at(events, name, users=users, items=items)
        stated = data.items.filter(pl.col("item_idx") < 2)
        assert stated.select("category", "price").rows() == products, name
        assert data.users["country"][0] == country, name


def pairs(label: list[int], **features: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u"] * len(label), "label": label, "own": [True] * len(label), **features})


def test_feature_importance_is_the_share_of_correct_comparisons():
    table = pairs([1, 0, 1, 0], right=[9.0, 1.0, 8.0, 2.0], wrong=[1.0, 2.0, 1.0, 2.0], half=[1.0, 1.0, 2.0, 2.0])
    examples = training_examples.feature_importance(table)
    assert dict(examples.select("feature", "auc").iter_rows()) == {"right": 1.0, "wrong": 0.0, "half": 0.5}
    assert examples["feature"].to_list() == ["right", "wrong", "half"]
    row = training_examples.feature_importance(pairs([1, 1, 0, 0, 0], x=[5.0, 2.0, 3.0, 1.0, None])).row(0, named=True)
    assert row["auc"] == pytest.approx(5 / 6)  # of six comparisons only 2.0 against 3.0 is wrong; null is smallest
    # Hanley and McNeil: q1 = auc / (2 - auc) = 5/7, q2 = 2 auc^2 / (1 + auc) = 25/33
    variance = (5 / 36 + (5 / 7 - 25 / 36) + 2 * (25 / 33 - 25 / 36)) / 6
    assert row["low"] == pytest.approx(5 / 6 - 1.96 * variance**0.5)


@pytest.mark.parametrize("table", [None, pairs([0, 0], x=[1.0, 2.0]), pairs([], x=[])], ids=["none", "one", "empty"])
def test_without_two_labels_there_is_no_feature_importance(table):
    assert training_examples.feature_importance(table).is_empty()


def test_a_feature_that_never_varies_is_left_out():
    assert training_examples.feature_importance(pairs([1, 0], x=[1.0, 1.0], y=[None, None])).is_empty()
