"""Engines: the same features on Polars and on Spark, and clear words where one is missing."""

from __future__ import annotations

import os

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from conftest import rows, utc
from feature_data import write_prepared

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import compute as computing
from recomart_lib.features import engine
from recomart_lib.features.compute import compute
from recomart_lib.features.settings import Features
from recomart_lib.prepare import cleaning, settings, splits, versions


def test_prepared_tables_have_integer_times_and_local_hours():
    event = {
        "event_id": "e",
        "user_id": "u",
        "item_id": "a",
        "event_type": "view",
        "timestamp": utc(2024, 3, 31, 1, 30),
    }
    events = cleaning.clean_events(rows("events", event), settings.Prepare())
    user = {"user_id": "u", "signup_date": utc(1970, 1, 2).date()}
    users = versions.always(cleaning.clean_users(rows("users", user)))
    items = versions.always(cleaning.clean_items(rows("items")))
    prepared = engine.prepared_tables(events.lazy(), users.lazy(), items.lazy(), "Europe/Berlin")
    found = engine.collect(prepared.events).row(0, named=True)
    assert found["time"] == 1_711_848_600_000_000
    assert (found["weekday"], found["hour"]) == (7, 3)  # the hour from 2 to 3 was left out that night
    assert "timestamp" not in found
    assert prepared.users["signup"].to_list() == [86_400_000_000]


def test_live_features_use_statements_later_than_the_last_event():
    stated = [("a", "food", utc(2024, 1, 1)), ("a", "tools", utc(2024, 3, 1)), ("a", "garden", utc(2024, 4, 1))]
    event = {"event_id": "e", "user_id": "u1", "item_id": "a", "event_type": "view", "timestamp": utc(2024, 2, 10)}
    events = cleaning.clean_events(rows("events", event), settings.Prepare())
    users = versions.always(cleaning.clean_users(rows("users", {"user_id": "u1"})))
    columns = {"item_id": pl.String, "category": pl.String, "valid_from": TIMESTAMP}
    items = pl.DataFrame(stated, schema=columns, orient="row")
    prepared = engine.prepared_tables(events.lazy(), users.lazy(), items.lazy())
    live = splits.after(utc(2024, 2, 10)).start
    for moment, category in ((utc(2024, 2, 10), "food"), (live, "garden")):
        assert engine.collect(prepared.as_of("items", moment)).rows() == [("a", category)]


def test_a_missing_table_is_reported(tmp_path):
    pl.DataFrame().write_parquet(tmp_path / "users_history.parquet")
    with pytest.raises(UserError, match=r"lacks events.parquet, items_history.parquet. Run: dvc repro 04_prepare"):
        engine.scan(tmp_path, "UTC")


def test_missing_spark_is_reported_with_the_command_to_install_it(monkeypatch):
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"base.engine is spark.*pip install .*-r requirements-spark.lock"):
        engine.check("spark")
    engine.check("polars")


def test_a_local_spark_listens_on_this_machine_only(monkeypatch):
    for name in (*engine.CONFIGURED_BY, "SPARK_LOCAL_IP"):
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as patch:
        patch.setenv("SPARK_LOCAL_IP", "192.0.2.1")
        engine._stay_on_this_machine()
        assert os.environ["SPARK_LOCAL_IP"] == "192.0.2.1"
    with monkeypatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", "/etc/spark")
        engine._stay_on_this_machine()
        assert "SPARK_LOCAL_IP" not in os.environ
    monkeypatch.setattr(os, "environ", dict(os.environ))
    engine._stay_on_this_machine()
    assert os.environ["SPARK_LOCAL_IP"] == "127.0.0.1"


@pytest.mark.parametrize("asked", [False, True], ids=["known pairs", "requested pairs"])
def test_pairs_in_small_parts_have_equal_features(tmp_path, monkeypatch, asked):
    write_prepared(tmp_path)
    prepared = engine.scan(tmp_path, "UTC")
    users, items = ([*(f"u{n}" for n in range(60)), "ghost"], ["i0", "i1", "i59", "unknown"])
    n_rows = 80 if asked else 100
    pairs = pl.DataFrame({"user_id": users}).join(pl.DataFrame({"item_id": items}), how="cross") if asked else None
    at_once = compute(prepared, utc(2024, 1, 20), Features(), pairs)
    monkeypatch.setattr(computing, "PART_BYTES", n_rows * computing.ROW_BYTES * Features().n_last)
    past = computing.past_of(prepared, utc(2024, 1, 20), Features())
    assert len(list(computing.parts_of_users(at_once["interaction"], past))) >= 3
    in_parts = compute(prepared, utc(2024, 1, 20), Features(), pairs)
    for entity, table in at_once.items():
        assert table.equals(in_parts[entity]), entity


@pytest.mark.slow
@pytest.mark.parametrize("asked", [False, True], ids=["known pairs", "asked pairs"])
def test_spark_computes_what_polars_computes(tmp_path, asked):
    pytest.importorskip("pyspark.sql", reason="PySpark is not installed: make test-slow installs it")
    write_prepared(tmp_path)
    pairs = pl.DataFrame({"user_id": ["u1", "u2", "ghost"], "item_id": ["i1", "i59", "i0"]}) if asked else None
    polars, spark = (
        compute(engine.scan(tmp_path, "America/New_York", name), utc(2024, 1, 20), Features(), pairs)
        for name in ("polars", "spark")
    )
    assert engine.session().conf.get("spark.driver.host") in ("localhost", "127.0.0.1")
    for entity, table in polars.items():
        assert table.height > 1
        assert table.schema == spark[entity].schema
        for name in table.columns:
            ours, theirs = table[name], spark[entity][name]
            if ours.dtype.is_float():
                assert ours.is_null().equals(theirs.is_null()), f"{entity}.{name}"
                assert np.allclose(ours.drop_nulls(), theirs.drop_nulls(), rtol=0, atol=1e-9), f"{entity}.{name}"
            else:
                assert ours.equals(theirs), f"{entity}.{name}"


def coded_pairs(*pairs: tuple[str, str, int]) -> pl.DataFrame:
    ids = pl.Enum(["a", "b", "c"])
    return pl.DataFrame(pairs, schema={"user_id": ids, "item_id": ids, "n": pl.Int64}, orient="row")


def test_a_join_by_numbers_equals_one_by_ids():
    keys, one = ["user_id", "item_id"], coded_pairs(("a", "b", 1), ("b", "a", 2), ("c", "c", 3), ("c", "c", 4))
    other = coded_pairs(("c", "c", 5), ("b", "a", 6), ("a", "a", 7)).rename({"n": "m"})
    found = engine.collect(engine.join_on_ids(*(nw.from_native(t.lazy()) for t in (one, other)), keys))
    assert found.sort("n").equals(one.join(other, on=keys).sort("n"))


def test_features_of_the_same_rows_are_added_without_a_join(monkeypatch):
    keys, table = ["user_id", "item_id"], coded_pairs(("a", "b", 1), ("b", "a", 2))
    features = table.select(*keys, more=pl.col("n") * 2)
    joined = engine.with_columns_of(table, features.reverse(), keys)
    monkeypatch.setattr(pl.DataFrame, "join", None)
    assert engine.with_columns_of(table, features, keys).equals(joined)


def test_a_function_that_returns_a_key_twice_is_an_error():
    table = coded_pairs(("a", "b", 1), ("b", "a", 2))
    with pytest.raises(ValueError, match="several rows for the same user_id and item_id"):
        engine.with_columns_of(table, pl.concat([table, table]).rename({"n": "more"}), ["user_id", "item_id"])
