"""Features as of a cut use what the shop stated until then: a catalogue that changes in March, from 04's files on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import engine, leakage_audit, moments, statements, takeaways
from recomart_lib.features.compute import compute
from recomart_lib.features.settings import Features
from recomart_lib.prepare import cleaning, versions
from recomart_lib.prepare.settings import Prepare

JANUARY, MARCH, JUNE = utc(2024, 1, 1), utc(2024, 3, 1), utc(2024, 6, 1)
ITEMS = [  # the shop's statements about its products; the last event is in May
    ("a", "tools", "Acme", 10.0, JANUARY),
    ("a", "garden", None, 15.0, MARCH),
    ("a", "toys", "Best", 99.0, JUNE),
    ("b", "food", "Best", 5.0, utc(2024, 4, 1)),
]
USERS = [("u", "DE", JANUARY), ("u", "FR", MARCH)]
EVENTS = [
    ("u", "a", "view", utc(2024, 1, 10)),
    ("u", "b", "view", utc(2024, 1, 11)),
    ("u", "a", "purchase", utc(2024, 2, 10)),
    ("u", "a", "purchase", utc(2024, 4, 10)),
    ("u", "b", "view", utc(2024, 5, 10)),
]
LIVE = utc(2024, 5, 11)


def stated(table: str, columns: tuple[str, ...], records: list[tuple]) -> pl.DataFrame:
    """A history, cleaned as 04_prepare does it; the last value of each record is `valid_from`."""
    history = rows(table, *[dict(zip(columns, record[:-1], strict=True)) for record in records])
    moments = pl.Series("valid_from", [record[-1] for record in records], TIMESTAMP)
    return cleaning.clean_history(table, history.with_columns(moments))


def prepared(folder: Path, items: list[tuple] = ITEMS, users: list[tuple] = USERS) -> engine.PreparedTables:
    """What 04_prepare writes for this shop, as 05_features reads it."""
    columns = ("user_id", "item_id", "event_type", "timestamp")
    events = [dict(zip(columns, event, strict=True), event_id=f"e{n}") for n, event in enumerate(EVENTS)]
    items_history = stated("items", ("item_id", "category", "brand", "price"), items)
    tables = {
        "events": cleaning.clean_events(rows("events", *events), Prepare(), items_history),
        "items_history": items_history,
        "users_history": stated("users", ("user_id", "country"), users),
    }
    for name, table in tables.items():
        table.write_parquet(folder / f"{name}.parquet")
    return engine.scan(folder, "UTC")


def item(tables: dict[str, pl.DataFrame], key: str) -> tuple:
    return tables["item"].filter(item_id=key).select("category", "brand", "list_price").row(0)


@pytest.mark.parametrize(
    ("as_of", "a", "country", "preferred", "price"),
    [
        (utc(2024, 2, 15), ("tools", "Acme", 10.0), "DE", "tools", 10.0),
        (MARCH, ("garden", "unknown", 15.0), "FR", "garden", 10.0),  # the price of the last event: in February
        (utc(2024, 4, 15), ("garden", "unknown", 15.0), "FR", "garden", 15.0),
        (LIVE, ("toys", "Best", 99.0), "FR", "toys", 15.0),  # live: the newest, made after the last event
    ],
)
def test_features_use_what_the_shop_stated_until_the_cut(tmp_path, as_of, a, country, preferred, price):
    tables = compute(prepared(tmp_path), as_of, Features())
    assert item(tables, "a") == a
    assert item(tables, "b") == ("food", "Best", 5.0)  # before its first statement: the first
    assert tables["item"].filter(item_id="a")["price"].to_list() == [price]
    user = tables["user"].row(0, named=True)
    assert (user["country"], user["preferred_category"]) == (country, preferred)


@pytest.mark.parametrize("as_of", [utc(2024, 2, 15), MARCH, utc(2024, 4, 15)])
def test_later_statements_change_no_feature(tmp_path, as_of):
    before = compute(prepared(tmp_path), as_of, Features())
    later = [(*record[:1], "other", "other", 77.0, *record[-1:]) if record[-1] > as_of else record for record in ITEMS]
    later[-1] = ITEMS[-1]  # the first statement about b counts before its moment, too
    after = compute(prepared(tmp_path, items=later), as_of, Features())
    for entity, table in before.items():
        assert table.equals(after[entity])
    shop = prepared(tmp_path)
    leakage_audit.require_no_leak(leakage_audit.audit(shop, as_of, Features()))


def test_one_delivery_is_used_as_of_every_cut(tmp_path):
    once, always = [ITEMS[0], (*ITEMS[3][:-1], JANUARY)], [(*ITEMS[0][:-1], versions.ALWAYS), ITEMS[3]]
    for as_of in (utc(2024, 1, 15), utc(2024, 4, 15), LIVE):
        first = compute(prepared(tmp_path, items=once, users=USERS[:1]), as_of, Features())
        late = [(*record[:-1], utc(2026, 1, 1)) for record in once]
        for other in (always, late):
            tables = compute(prepared(tmp_path, items=other, users=USERS[:1]), as_of, Features())
            for entity, table in first.items():
                assert table.equals(tables[entity])
        assert first["item"]["price"].null_count() == first["item"].height  # a catalogue of today prices no past event


def test_the_statements_that_cuts_use_are_counted_and_described(tmp_path):
    shop = prepared(tmp_path)
    cuts = {"training_1": utc(2024, 2, 15), "test": utc(2024, 4, 15), "live": LIVE}
    features = moments.compute_all(shop, cuts, Features(), tmp_path)
    histories = {name: pl.read_parquet(tmp_path / f"{name}_history.parquet") for name in ("users", "items")}
    used = statements.used(histories, cuts, features)
    assert used.rows() == [
        ("users", "training_1", 1, 1, 0),
        ("users", "test", 1, 0, 0),
        ("items", "training_1", 2, 1, 1),
        ("items", "test", 2, 1, 0),
    ]
    assert takeaways.statements("items", histories["items"], used, "UTC") == (
        "**1 of 2 products changed** (4 statements, 2024-01-01 to 2024-06-01); as of a cut, the newest statement until "
        "then counts. It differs from today's: training_1 1 of 2, test 1 of 2. "
        "**Where there is none yet, the first one is used, although it is later than the cut**: "
        "training_1 1 of 2."
    )
    assert "today's: training_1 1 of 1. No cut" in takeaways.statements("users", histories["users"], used, "UTC")
    assert "today's: at no cut." in takeaways.statements("users", histories["users"], used.clear(), "UTC")
    assert "1 of 1 user changed" in takeaways.statements("users", histories["users"], used, "UTC")


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        (versions.ALWAYS, "UTC", "no statement has a day"),
        (
            datetime.fromisoformat("2024-02-29T23:00Z"),
            "Europe/Berlin",
            "each of 1 product** (2024-03-01), used as of every cut",
        ),
    ],
)
def test_products_without_a_history_are_described(moment, zone, expected):
    history = stated("items", ("item_id",), [("a", moment)])
    assert expected in takeaways.statements("items", history, pl.DataFrame(schema=statements.USED), zone)
