"""Users and items that are delivered again: the newest statement counts, older ones are history."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from check_data import EVENT, ITEM, NOW, USER, check, failed_rules, good_tables
from conftest import full_shop, rows, utc
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib.core import schemas
from recomart_lib.core.shop_tables import Table
from recomart_lib.prepare import versions

JANUARY, FEBRUARY, MARCH = (f"items_2025-0{month}-01.csv" for month in (1, 2, 3))
WITH_VALID_FROM = Table(kind="csv", path="*", columns={name: name for name in (*schemas.ITEMS, "valid_from")})


def deliveries(**rows_by_month: list[dict]) -> dict:
    """Tables with a good user and event, and deliveries of items: month -> items."""
    names = {"january": JANUARY, "february": FEBRUARY, "march": MARCH}
    return good_tables() | {"items": {names[month]: rows("items", *items) for month, items in rows_by_month.items()}}


def dated(*records: dict) -> pl.DataFrame:
    """Items with a `valid_from` of their own."""
    moments = pl.Series("valid_from", [record.get("valid_from") for record in records], schemas.TIMESTAMP)
    kept = [{name: value for name, value in record.items() if name != "valid_from"} for record in records]
    return rows("items", *kept).with_columns(moments)


def history(result, table: str = "items", *columns: str) -> list[tuple]:
    columns = columns or ("item_id", "price", "valid_from")
    return result.validated[f"{table}_history"].select(columns).rows()


def test_the_newest_statement_counts_and_older_ones_are_history():
    result = check(deliveries(january=[ITEM], february=[ITEM], march=[ITEM | {"price": 12.0, "name": None}]))
    assert result.places("items") == {"good": 1, "history": 2}
    assert result.validated["items"].select("item_id", "price", "name").rows() == [("a", 12.0, None)]
    assert history(result) == [("a", 10.0, utc(2025, 1, 1)), ("a", 12.0, utc(2025, 3, 1))]  # February says nothing new
    assert result.report["score"] == 100
    assert result.quarantine["items"].is_empty()


def test_a_statement_that_comes_back_is_a_statement():
    result = check(deliveries(january=[ITEM], february=[ITEM | {"price": 5.0}], march=[ITEM]))
    assert [price for _, price, _ in history(result)] == [10.0, 5.0, 10.0]


def test_a_product_that_is_missing_in_the_newest_delivery_keeps_its_last_statement():
    result = check(deliveries(january=[ITEM, ITEM | {"item_id": "b"}], march=[ITEM | {"item_id": "b", "price": 2.0}]))
    assert result.validated["items"].select("item_id", "price").rows() == [("a", 10.0), ("b", 2.0)]


def test_two_statements_of_one_delivery_are_an_error_and_the_same_one_a_duplicate():
    result = check(deliveries(january=[ITEM], march=[ITEM, ITEM, ITEM | {"price": 12.0}]))
    assert result.places("items") == {"good": 1, "history": 1, "duplicates": 1, "quarantined": 1}
    assert result.quarantine["items"].select("reasons", "price").rows() == [("item_id_unique", 12.0)]
    assert result.validated["items"]["price"].to_list() == [10.0]


def test_files_of_one_day_are_one_delivery():
    parts = {"2025-03-01/part-0.csv": [ITEM], "2025-03-01/part-1.csv": [ITEM, ITEM | {"price": 12.0}]}
    result = check(good_tables() | {"items": {name: rows("items", *items) for name, items in parts.items()}})
    assert result.places("items") == {"good": 1, "duplicates": 1, "quarantined": 1}


def test_a_wrong_statement_of_the_past_is_quarantined_and_lowers_the_score():
    result = check(deliveries(january=[ITEM | {"price": -1.0}], february=[ITEM], march=[ITEM | {"price": 12.0}]))
    assert result.places("items") == {"good": 1, "history": 1, "quarantined": 1}
    assert result.report["tables"]["items"]["score"] == pytest.approx(200 / 3)
    assert history(result) == [("a", 10.0, utc(2025, 2, 1)), ("a", 12.0, utc(2025, 3, 1))]


def test_a_wrong_newest_statement_does_not_replace_a_good_one():
    result = check(deliveries(january=[ITEM], march=[ITEM | {"price": -1.0}]))
    assert result.places("items") == {"good": 1, "quarantined": 1}
    assert result.validated["items"]["price"].to_list() == [10.0]


def test_of_quarantined_statements_alone_the_newest_is_used_as_far_as_possible():
    result = check(deliveries(january=[ITEM | {"price": -1.0}], march=[ITEM | {"price": -2.0, "name": "Anvil 2"}]))
    assert result.validated["items"].select("name", "price").rows() == [("Anvil 2", None)]
    assert history(result) == [("a", None, schemas.ALWAYS)]


def test_users_have_a_history_too():
    files = {"users_2024-12.csv": rows("users", USER | {"country": "DE"}), "users_2025-06.csv": rows("users", USER)}
    result = check(good_tables() | {"users": files}, full_shop("Europe/Berlin"))
    assert result.validated["users"]["country"].to_list() == [None]  # a missing value is a statement
    expected = [("DE", utc(2024, 11, 30, 23)), (None, utc(2025, 5, 31, 22))]  # midnight in Berlin
    assert history(result, "users", "country", "valid_from") == expected


def test_a_day_that_does_not_begin_at_midnight_begins_an_hour_later():
    """In Cairo the clocks went from 00:00 to 01:00 on 25 April 2025."""
    files = {"items_2025-04-25.csv": rows("items", ITEM)}
    result = check(good_tables() | {"items": files}, full_shop("Africa/Cairo"))
    assert history(result) == [("a", 10.0, utc(2025, 4, 24, 22))]


def test_the_sign_up_of_the_newest_statement_counts():
    files = {
        "users_2024-01-01.csv": rows("users", USER | {"signup_date": date(2024, 1, 1)}),
        "users_2024-06-01.csv": rows("users", USER | {"signup_date": date(2024, 3, 1)}),
    }
    assert failed_rules(good_tables() | {"users": files}) == {"event_after_signup": 1}


def test_a_year_of_two_digits_is_no_day_from_which_a_row_holds():
    """Before the start of time, every row would always have held: also at cuts before it was known."""
    items = dated(
        ITEM | {"price": 12.0, "valid_from": utc(25, 3, 1)},
        ITEM | {"item_id": "b", "valid_from": utc(1989, 12, 31)},
        ITEM | {"item_id": "c", "valid_from": schemas.ALWAYS},
        ITEM | {"item_id": "d", "valid_from": utc(1990, 1, 1)},
    )
    result = check(good_tables() | {"items": items}, full_shop(items=WITH_VALID_FROM))
    assert result.places("items") == {"good": 2, "quarantined": 2}
    assert set(result.quarantine["items"]["reasons"]) == {"item_valid_from_plausible"}
    # the product was sold, and keeps its other cells
    assert result.validated["items"].filter(item_id="a")["price"].to_list() == [12.0]


def test_a_mapped_column_says_from_when_a_row_holds():
    items = dated(
        ITEM | {"price": 12.0, "valid_from": utc(2025, 3, 1, 12)},
        ITEM | {"valid_from": utc(2024, 1, 1)},
        ITEM | {"item_id": "b", "valid_from": utc(2025, 1, 1)},
    )
    result = check(good_tables() | {"items": items}, full_shop(items=WITH_VALID_FROM))
    assert result.places("items") == {"good": 2, "history": 1}
    assert result.validated["items"].select("item_id", "price").rows() == [("a", 12.0), ("b", 10.0)]
    assert history(result) == [
        ("a", 10.0, utc(2024, 1, 1)),
        ("a", 12.0, utc(2025, 3, 1, 12)),
        ("b", 10.0, utc(2025, 1, 1)),
    ]


def test_rows_without_a_moment_have_held_before_those_that_have_one():
    items = dated(ITEM, ITEM | {"price": 12.0, "valid_from": utc(2025, 3, 1)})
    result = check(good_tables() | {"items": items}, full_shop(items=WITH_VALID_FROM))
    assert history(result) == [("a", 10.0, schemas.ALWAYS), ("a", 12.0, utc(2025, 3, 1))]


def test_a_whole_history_that_is_delivered_again_may_correct_itself():
    first = [ITEM | {"valid_from": utc(2024, 1, 1)}, ITEM | {"price": 11.0, "valid_from": utc(2024, 6, 1)}]
    second = [first[0], first[1] | {"price": 12.0}]
    files = {JANUARY: dated(*first), FEBRUARY: dated(*second)}
    result = check(good_tables() | {"items": files}, full_shop(items=WITH_VALID_FROM))
    assert result.places("items") == {"good": 1, "history": 3}
    assert [price for _, price, _ in history(result)] == [10.0, 12.0]


def test_a_statement_about_the_future_does_not_count_yet():
    soon = NOW + timedelta(days=30)
    items = dated(ITEM, ITEM | {"price": 12.0, "valid_from": soon}, ITEM | {"item_id": "b", "valid_from": soon})
    result = check(good_tables() | {"items": items}, full_shop(items=WITH_VALID_FROM))
    assert result.places("items") == {"good": 2, "history": 1}
    assert result.validated["items"].select("item_id", "price").rows() == [("a", 10.0), ("b", 10.0)]
    assert [price for _, price, _ in history(result)] == [10.0, 10.0]
    assert result.report["entities"]["items"]["later"] == 2


@pytest.mark.parametrize(("name", "moment"), [("items.csv", schemas.ALWAYS), (JANUARY, utc(2025, 1, 1))])
def test_when_one_delivery_without_a_day_was_ingested_changes_no_result(name, moment):
    result = check(good_tables() | {"items": {name: rows("items", ITEM)}})
    assert history(result) == [("a", 10.0, moment)]


def test_tables_without_deliveries_and_ids_of_events_alone_have_always_been_so():
    derived = {name: Table(kind="derived") for name in ("users", "items")}
    result = check({"events": rows("events", EVENT)}, full_shop(**derived))
    assert history(result) == [("a", None, schemas.ALWAYS)]
    assert history(result, "users", "user_id", "valid_from") == [("u1", schemas.ALWAYS)]


STATEMENTS = st.lists(
    st.tuples(
        st.sampled_from([JANUARY, FEBRUARY, MARCH]),
        st.fixed_dictionaries({"item_id": st.sampled_from("ab"), "price": st.sampled_from([None, -1.0, 1.0, 2.0])}),
    ),
    max_size=9,
)


@given(STATEMENTS)
@settings(max_examples=40, deadline=None)
def test_the_history_ends_with_the_current_table_and_every_row_has_a_place(statements):
    files = {name: [row for file, row in statements if file == name] for name in (JANUARY, FEBRUARY, MARCH)}
    result = check(good_tables() | {"items": {name: rows("items", *items) for name, items in files.items()}})
    current, stated = result.validated["items"], result.validated["items_history"]
    assert sum(result.places("items").values()) == len(statements)
    assert versions.as_of(stated, "item_id", None).equals(current)
    assert versions.as_of(stated, "item_id", datetime.max.replace(tzinfo=NOW.tzinfo)).equals(current)
    assert stated.equals(stated.sort("item_id", "valid_from"))
    assert stated.unique(["item_id", "valid_from"]).height == stated.height


def with_state(available: bool | None, stock: float | None, **changed: object) -> pl.DataFrame:
    """A delivery of the product `a` with what can be bought now."""
    state = {"available": available, "stock": stock}
    return rows("items", ITEM | changed).with_columns(pl.lit(state[n], schemas.STATE[n]).alias(n) for n in state)


def test_of_what_can_be_bought_the_newest_statement_counts_and_there_is_no_history():
    files = {JANUARY: with_state(True, 5.0), FEBRUARY: with_state(True, 0.0), MARCH: with_state(False, None)}
    result = check(good_tables() | {"items": files})
    assert result.places("items") == {"good": 1, "history": 2}
    assert result.validated["items"].select("available", "stock").rows() == [(False, None)]
    assert result.validated["items_history"].columns == [*schemas.ITEMS, "valid_from"]
    assert history(result) == [("a", 10.0, utc(2025, 1, 1))]


def test_a_change_of_stock_changes_nothing_but_the_items():
    first, second = (
        check(good_tables() | {"items": {JANUARY: with_state(True, 5.0), MARCH: with_state(True, left, price=12.0)}})
        for left in (0.0, 7.0)
    )
    names = {*first.validated, *second.validated}
    changed = [name for name in names if not first.validated[name].equals(second.validated[name])]
    assert (changed, second.validated["items"]["stock"].to_list()) == (["items"], [7.0])
    assert first.report == second.report


def test_older_files_without_a_stock_are_read_and_shops_without_it_have_no_such_column():
    result = check(
        good_tables() | {"items": {JANUARY: rows("items", ITEM | {"item_id": "b"}), MARCH: with_state(True, 2.0)}}
    )
    assert result.validated["items"].select("item_id", "stock").rows() == [("a", 2.0), ("b", None)]
    assert check(good_tables()).validated["items"].columns == [*schemas.ITEMS]


def test_a_product_with_a_wrong_price_keeps_its_stock():
    result = check(good_tables() | {"items": {MARCH: with_state(True, 2.0, price=-1.0)}})
    assert result.validated["items"].select("price", "available", "stock").rows() == [(None, True, 2.0)]
