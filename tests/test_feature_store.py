"""The feature store registers what `features` defines, in SQLite, and doing so twice changes nothing."""

from __future__ import annotations

import sqlite3

import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib import feature_store, features, prepare
from recomart_lib.params import Features, Prepare


@pytest.fixture
def made() -> dict[str, pl.DataFrame]:
    event = {"event_id": "e", "user_id": "u", "item_id": "a", "event_type": "purchase", "timestamp": utc(2024, 1, 1)}
    items, users = rows("items", {"item_id": "a"}), rows("users", {"user_id": "u"})
    events = prepare.clean_events(rows("events", event), items, Prepare())
    clean = prepare.clean_users(users), prepare.clean_items(items)
    return features.compute(events, *clean, utc(2024, 2, 1), Features())


def test_all_definitions_are_registered_in_sqlite_and_again_changes_nothing(tmp_path, made):
    for entity, table in made.items():
        table.write_parquet(tmp_path / f"{entity}.parquet")
    first = feature_store.apply(tmp_path / "store", tmp_path, made)
    assert feature_store.apply(tmp_path / "store", tmp_path, made).equals(first)
    registered = {
        (view.removesuffix("_features"), feature) for view, feature in first.select("view", "feature").iter_rows()
    }
    assert registered == {(definition.entity, definition.name) for definition in features.DEFINITIONS}
    described = first.filter(pl.col("feature") == "conversion_rate").row(0, named=True)
    assert (
        described["description"] == "distinct buyers who viewed it / distinct viewers [share]; null: nobody viewed it"
    )
    assert described["type"] == "Float64"
    store = feature_store.open_store(tmp_path / "store")
    assert [service.name for service in store.list_feature_services()] == [feature_store.SERVICE]
    with sqlite3.connect(tmp_path / "store" / "feature_store.db") as registry:
        assert registry.execute("select count(*) from feature_views").fetchone() == (len(made),)
