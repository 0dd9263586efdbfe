"""Users and items that are derived from good events, or completed from quarantined rows."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from check_data import EVENT, check, good_tables
from conftest import full_shop, rows

from recomart_lib.core import schemas
from recomart_lib.core.shop_tables import Table


def test_tables_that_are_not_delivered_are_derived_from_good_events():
    extra = {"users.country": ["DE", "DE", "FR", "XX"], "items.price": [1.0, 3.0, 2.0, 99.0]}
    events = [EVENT | {"event_id": f"e{n}", "quantity": n} for n in range(1, 4)]
    bad = EVENT | {"event_id": None, "user_id": "ghost"}
    table = rows("events", *events, bad).with_columns(pl.Series(name, values) for name, values in extra.items())
    shop = full_shop(users=Table(kind="derived"), items=Table(kind="derived"))
    validated = check({"events": table}, shop).validated
    assert validated["users"].select("user_id", "country", "age").rows() == [("u1", "DE", None)]
    assert validated["items"].select("item_id", "price", "name").rows() == [("a", 1.0, None)]
    assert validated["events"].columns == list(schemas.EVENTS)


def test_later_events_do_not_change_what_is_derived():
    names = ["Zinc", "Anvil", "Anvil"]
    later = [EVENT | {"event_id": f"e{n}", "timestamp": EVENT["timestamp"] + timedelta(days=n)} for n in (2, 3)]
    table = rows("events", EVENT, *later).with_columns(pl.Series("items.name", names))
    assert check(
        {"events": table.reverse()}, full_shop(items=Table(kind="derived"), users=Table(kind="derived"))
    ).validated["items"]["name"].to_list() == ["Zinc"]


def test_a_quarantined_entity_with_good_events_keeps_all_but_the_blamed_cell():
    twice = [{"user_id": "u2", "age": 999, "country": "DE"}, {"user_id": "u2", "country": "FR"}]
    without_events = {"user_id": "u3", "age": -1}
    tables = good_tables(users=[*twice, without_events], events=[EVENT | {"event_id": "e2", "user_id": "u2"}])
    validated = check(tables).validated
    assert validated["events"]["user_id"].to_list() == ["u1", "u2"]
    assert validated["users"].select("user_id", "age", "country").rows() == [("u1", 30, None), ("u2", None, "DE")]
