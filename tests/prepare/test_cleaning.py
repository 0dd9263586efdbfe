"""Cleaning: weights computed by hand, missing values filled, words normalised."""

from __future__ import annotations

from math import log

import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib.core.schemas import ALWAYS
from recomart_lib.prepare import cleaning
from recomart_lib.prepare.settings import Prepare


def cleaned(*events: dict, **weights: float) -> pl.DataFrame:
    records = [
        {"event_id": f"e{n}", "item_id": "a", "timestamp": utc(2024, 1, 1), **event} for n, event in enumerate(events)
    ]
    return cleaning.clean_events(rows("events", *records), Prepare(**weights))


@pytest.mark.parametrize(
    ("kind", "quantity", "weight"),
    [
        ("view", None, 1),
        ("cart", 1, 3),
        ("purchase", 1, 5),
        ("purchase", 12, 5 * (1 + log(12))),
        ("purchase", 1.5, 5 * (1 + log(1.5))),
        ("purchase", 0.53, 5),  # a part of a kilogram is one purchase
        ("return", 3, 0),
    ],
)
def test_a_weight_is_that_of_the_type_times_a_damped_quantity(kind, quantity, weight):
    assert cleaned({"event_type": kind, "quantity": quantity})["weight"].to_list() == pytest.approx([weight])


def test_ratings_have_weight_in_rating_shops_only():
    rating = {"event_type": "rating", "rating": 4.0}
    assert cleaned(rating)["weight"].to_list() == [5.0]
    assert cleaned(rating, {"event_type": "purchase"})["weight"].to_list() == [0.0, 5.0]


def test_weights_come_from_the_parameters():
    assert cleaned({"event_type": "view"}, weight_view=2)["weight"].to_list() == [2.0]


def test_a_missing_price_is_the_last_earlier_one_and_a_missing_quantity_one():
    first, last = {"timestamp": utc(2023, 1, 1)}, {"timestamp": utc(2025, 1, 1), "price": 7.0}
    events = cleaned({"price": 8.0, "quantity": 2}, {}, {"item_id": "b"}, first, last)
    assert events["price"].to_list() == [None, 8.0, 8.0, None, 7.0]
    assert events["quantity"].to_list() == [1, 2, 1, 1, 1]


def test_a_missing_price_is_the_one_that_the_shop_stated_if_that_is_newer():
    stated = [("a", 5.0, utc(2024, 2, 1)), ("a", None, utc(2024, 3, 1)), ("a", 9.0, utc(2024, 4, 1))]
    stated += [("b", 3.0, ALWAYS)]  # no statement: it may come from the events
    records = [{"item_id": item, "price": price} for item, price, _ in stated]
    items = cleaning.clean_history(
        "items", rows("items", *records).with_columns(pl.Series("valid_from", [row[2] for row in stated]))
    )
    events = rows(
        "events",
        *[
            {"event_id": f"{n}", "item_id": item, "event_type": "view", "timestamp": moment, "price": price}
            for n, (item, moment, price) in enumerate(
                [
                    ("a", utc(2024, 1, 31), None),  # before the first statement nothing is known
                    ("a", utc(2024, 2, 1), None),  # a statement holds from its moment on
                    ("a", utc(2024, 2, 2), 6.0),
                    ("a", utc(2024, 3, 2), None),  # the last known price is that of an event
                    ("a", utc(2024, 4, 2), None),
                    ("b", utc(2024, 4, 2), None),
                ]
            )
        ],
    )
    cleaned_events = cleaning.clean_events(events, Prepare(), items)
    assert cleaned_events["price"].to_list() == [None, 5.0, 6.0, 6.0, 9.0, None]
    assert cleaned_events.columns == [*events.columns, "weight"]


def test_prices_of_a_catalogue_that_was_delivered_once_are_not_used():
    items = cleaning.clean_history(
        "items", rows("items", {"item_id": "a", "price": 5.0}).with_columns(valid_from=pl.lit(utc(2020, 1, 1)))
    )
    event = {"event_id": "e", "item_id": "a", "event_type": "view", "timestamp": utc(2024, 1, 1)}
    assert cleaning.clean_events(rows("events", event), Prepare(), items)["price"].to_list() == [None]


def test_events_are_sorted_by_time_and_id():
    early = {"event_id": "z", "timestamp": utc(2023, 1, 1)}
    assert cleaned({"event_id": "b"}, {"event_id": "a"}, early)["event_id"].to_list() == ["z", "a", "b"]


@pytest.mark.parametrize(
    ("age", "group"),
    [
        (None, "unknown"),
        (0, "under 18"),
        (17, "under 18"),
        (18, "18-24"),
        (24, "18-24"),
        (25, "25-34"),
        (64, "55-64"),
        (65, "65+"),
        (120, "65+"),
    ],
)
def test_age_groups_begin_at_their_first_year(age, group):
    assert cleaning.clean_users(rows("users", {"user_id": "u", "age": age}))["age_group"].to_list() == [group]


@pytest.mark.parametrize(
    ("age", "delivered", "group"), [(None, " 35-49 ", "35-49"), (30, "35-49", "25-34"), (None, None, "unknown")]
)
def test_a_delivered_age_group_counts_where_there_is_no_age(age, delivered, group):
    users = rows("users", {"user_id": "u", "age": age, "age_group": delivered})
    assert cleaning.clean_users(users)["age_group"].to_list() == [group]


def test_words_of_users_are_normalised_or_unknown():
    users = cleaning.clean_users(rows("users", {"user_id": "v", "gender": " F ", "country": "DE "}, {"user_id": "u"}))
    assert users.select("user_id", "gender", "country", "city").rows() == [
        ("u", "unknown", "unknown", "unknown"),
        ("v", "f", "DE", "unknown"),
    ]


def test_items_without_a_name_are_called_by_their_id():
    items = cleaning.clean_items(rows("items", {"item_id": "a"}))
    assert items.select("name", "category", "brand", "price_z").row(0) == ("a", "unknown", "unknown", None)


@pytest.mark.parametrize(
    ("prices", "scores"),
    [
        ([1.0, 100.0, None], [-(0.5**0.5), 0.5**0.5, None]),
        ([3.0, 3.0, None], [0.0, 0.0, None]),
        ([3.0], [0.0]),
        ([None], [None]),
    ],
)
def test_log_prices_are_standardised(prices, scores):
    items = cleaning.clean_items(
        rows("items", *({"item_id": f"i{n}", "price": price} for n, price in enumerate(prices)))
    )
    assert items["price_z"].to_list() == pytest.approx(scores)


def test_items_keep_what_can_be_bought_now_as_it_was_delivered():
    items = rows("items", {"item_id": "a"}, {"item_id": "b"}).drop("source_file", "source_line")
    items = items.with_columns(available=pl.Series([None, False]), stock=pl.Series([2.0, None]))
    clean = cleaning.clean_items(items)
    assert clean.select("item_id", "available", "stock").rows() == [("a", None, 2.0), ("b", False, None)]


def test_filled_counts_missing_values_before_and_after():
    before = rows("items", {"item_id": "a", "name": "Anvil"}, {"item_id": "b"})
    assert cleaning.filled(before, cleaning.clean_items(before)).rows() == [
        ("name", 1, 0),
        ("category", 2, 0),
        ("brand", 2, 0),
        ("price", 2, 2),
    ]
    assert cleaning.filled(before.select("item_id"), before).is_empty()


def test_computed_age_groups_were_not_missing():
    users = rows("users", {"user_id": "u", "age": 30}, {"user_id": "v", "age": 40})
    assert "age_group" not in cleaning.filled(users, cleaning.clean_users(users))["column"].to_list()
    some = users.with_columns(age_group=pl.Series(["30-39", None]))
    assert ("age_group", 1, 0) in cleaning.filled(some, cleaning.clean_users(some)).rows()


def test_cleaning_empty_tables_gives_empty_tables():
    assert cleaning.clean_events(rows("events"), Prepare()).is_empty()
    assert cleaning.clean_users(rows("users")).is_empty()
    assert cleaning.clean_items(rows("items")).is_empty()


def test_tables_without_gaps_have_typed_columns_too():
    full, gaps = rows("users", {"user_id": "u"}).select("user_id"), rows("users", {"user_id": "u"}).select("age")
    assert pl.concat([cleaning.filled(full, full), cleaning.filled(gaps, gaps)]).rows() == [("age", 1, 1)]
