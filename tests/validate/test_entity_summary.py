"""What 02 says about users and items: deliveries, changes, who is in the events alone."""

from __future__ import annotations

import pytest
from check_data import EVENT, ITEM, USER, check, good_tables
from conftest import full_shop, rows, utc

from recomart_lib.core import schemas
from recomart_lib.core.errors import GateError
from recomart_lib.core.shop_tables import Table
from recomart_lib.validate import quality_report, takeaways
from recomart_lib.validate.remedies import remedies


def partial(table: str) -> Table:
    """A table that does not have all ids of the events."""
    return Table(kind="csv", path="*", columns={name: name for name in schemas.TABLES[table]}, complete=False)


def events_of(users: list[str], items: list[str] = ("a",)) -> dict:
    """The good tables, with one more event per user and item."""
    ids = [(user, item) for user in users for item in items]
    more = [EVENT | {"event_id": f"x{n}", "user_id": user, "item_id": item} for n, (user, item) in enumerate(ids)]
    return good_tables(events=more)


def test_a_partial_table_gets_a_row_for_everyone_who_is_in_the_events_alone():
    result = check(events_of(["u2", "u3"], ["a", "b"]), full_shop(users=partial("users"), items=partial("items")))
    assert result.places("events") == {"good": 5}
    users = result.validated["users"]
    assert users["user_id"].to_list() == ["u1", "u2", "u3"]
    assert users.drop("user_id").null_count().sum_horizontal().item() == 2 * (users.width - 1) + 3  # u1 lacks three
    assert result.validated["items"]["item_id"].to_list() == ["a", "b"]
    assert result.validated["users_history"]["user_id"].to_list() == ["u1", "u2", "u3"]
    summaries = result.report["entities"]
    assert [summaries[table]["only_in_events"] for table in ("users", "items")] == [2, 1]
    assert "2 of 3 users are not in f, but in the events alone" in takeaways.entities(result.report)


def test_a_partial_table_without_any_id_of_the_events_is_reported():
    tables = good_tables() | {"users": rows("users", USER | {"user_id": "001"})}
    result = check(tables, full_shop(users=partial("users")))
    assert result.report["score"] == 100
    assert "None of the 1 users of the events is in f**" in takeaways.entities(result.report)


def test_a_partial_table_may_be_partial_about_products_alone():
    result = check(events_of(["u2"], ["b"]), full_shop(items=partial("items")))
    assert result.quarantine["events"]["reasons"].to_list() == ["event_user_known"]


def test_the_gate_suggests_the_key_when_most_failures_are_of_this_kind():
    result = check(events_of(["u2", "u3"]))
    sentence = (
        "Only 1 of 3 users of the events are in f: if that is so by nature, set tables.users.complete: false "
        "in the shop file"
    )
    assert remedies(result.report) == [sentence]
    with pytest.raises(GateError, match=sentence):
        quality_report.gate(result.report)
    assert "tables.users.complete" in takeaways.entities(result.report)


def test_the_gate_says_that_no_id_of_the_table_is_in_the_events():
    tables = good_tables() | {"users": rows("users", USER | {"user_id": "001"})}
    result = check(tables)
    sentence = "None of the 1 users of the events is in f: compare how both write the ids"
    (remedy,) = remedies(result.report)
    assert remedy.startswith(sentence)
    with pytest.raises(GateError, match=sentence):
        quality_report.gate(result.report)


def test_the_gate_does_not_suggest_it_for_a_few_failures_or_for_a_partial_table():
    bad = [EVENT | {"event_id": f"b{n}", "quantity": -1} for n in range(4)]
    tables = good_tables(events=[*bad, EVENT | {"event_id": "x", "user_id": "u2"}])
    assert remedies(check(tables).report) == []
    assert remedies(check(events_of(["u2"]), full_shop(users=partial("users"))).report) == []


def test_the_gate_says_how_files_of_different_days_are_told_apart():
    files = {name: rows("items", ITEM | {"price": price}) for name, price in (("may.csv", 1.0), ("june.csv", 2.0))}
    result = check(good_tables() | {"items": files})
    assert result.quarantine["items"]["reasons"].to_list() == ["item_id_unique"]
    with pytest.raises(GateError, match=r"put the day into the names of the files, like items_2025-03-01\.csv"):
        quality_report.gate(result.report)


def test_the_page_says_what_has_changed_with_an_example():
    files = {
        "items_2025-01-01.csv": rows("items", ITEM | {"price": 20.78}, ITEM | {"item_id": "b"}),
        "items_2025-03-01.csv": rows("items", ITEM | {"price": 31.17, "name": "Anvil (new)"}),
    }
    result = check(good_tables() | {"items": files})
    summary = result.report["entities"]["items"]
    assert {name: summary[name] for name in ("deliveries", "statements", "changed", "ids")} == {
        "deliveries": 2,
        "statements": 3,
        "changed": 1,
        "ids": 2,
    }
    text = takeaways.entities(result.report)
    assert "items: 2 deliveries (2025-01-01 to 2025-03-01), 1 of 2 products have changed." in text
    assert "For example a: price 20.78 -> 31.17 on 2025-03-01." in text
    assert "users: one delivery; no statement about any of 1 users has changed." in text


def test_an_example_without_prices_shows_another_column_and_missing_values():
    files = {
        name: rows("users", USER | {"city": city}) for name, city in (("2024-01.csv", "Bonn"), ("2024-02.csv", None))
    }
    report = check(good_tables() | {"users": files}).report
    assert report["entities"]["users"]["example"] == {
        "id": "u1",
        "column": "city",
        "day": "2024-02-01",
        "before": "Bonn",
        "after": None,
    }
    assert "city Bonn -> no value on 2024-02-01" in takeaways.entities(report)


def test_statements_about_the_future_are_counted():
    later = rows("items", ITEM, ITEM | {"price": 12.0}).with_columns(
        valid_from=rows("events", {"timestamp": utc(2024, 1, 1)}, {"timestamp": utc(2999, 1, 1)})["timestamp"]
    )
    columns = {name: name for name in (*schemas.ITEMS, "valid_from")}
    result = check(good_tables() | {"items": later}, full_shop(items=Table(kind="csv", path="*", columns=columns)))
    assert "1 row of items will hold only after the last ingestion" in takeaways.entities(result.report)


def test_shops_without_these_tables_have_no_summary():
    derived = {name: Table(kind="derived") for name in ("users", "items")}
    report = check({"events": rows("events", EVENT)}, full_shop(**derived)).report
    assert report["entities"] == {}
    assert takeaways.entities(report) == "Users and products are built from the events: the shop delivers neither."
