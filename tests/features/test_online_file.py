"""The online file written by column has the rows that Feast itself writes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from conftest import utc
from store_data import SECOND, SETTINGS, new_root, write

from recomart_lib.core import paths
from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.features import feast_store, feature_store, offline_files, online_features, online_file, store_config
from recomart_lib.features.base import KEYS
from recomart_lib.features.definitions import DEFINITIONS, names

ODD_IDS = ["", " ", "u\u0000", "7", "Ünïcödé 😀", 'a "quoted" one', "x" * 300, "ж" * 40]
ODD_NUMBERS = [0.0, -0.0, 1e-7, 1e300, float("inf"), float("-inf"), float("nan"), None, 0.1 + 0.2, 5e-324]


def odd_tables(as_of: datetime) -> dict[str, pl.DataFrame]:
    """Tables of ids and values that are easy to store wrongly; features of one type cycle through the same values."""
    values = {
        pl.Float64: ODD_NUMBERS,
        pl.Int64: [0, -1, None, 2**31, 127, 128, 300, 7],
        pl.String: ["", None, "ä", "a\nb", "😀", "0", "x" * 200, " "],
    }
    tables = {}
    for entity, keys in KEYS.items():
        ids = [(user, item) for user in ODD_IDS for item in ODD_IDS[: len(user) % 9]] if len(keys) > 1 else None
        table = pl.DataFrame(ids or [(name,) for name in ODD_IDS], schema=keys, orient="row")
        columns = [
            pl.Series(d.name, [values[d.dtype][(n + k) % len(values[d.dtype])] for k in range(table.height)], d.dtype)
            for n, d in enumerate(d for d in DEFINITIONS if d.entity == entity)
        ]
        tables[entity] = table.select(*keys, pl.lit(as_of).cast(TIMESTAMP).alias("event_timestamp"), *columns)
    return tables


def rows(file: Path, view: str) -> list[tuple]:
    with closing(sqlite3.connect(file)) as db:
        return db.execute(f"select * from recomart_{view} order by entity_key, feature_name").fetchall()


def layout(file: Path) -> set[tuple]:
    with closing(sqlite3.connect(file)) as db:
        return set(db.execute("select type, name, tbl_name, sql from sqlite_master"))


def written_by_both(root: Path, monkeypatch: pytest.MonkeyPatch, as_of: datetime | None = None) -> tuple[Path, Path]:
    """The online file as we write it, and as Feast does."""
    feature_store.apply("data1", SETTINGS, root)
    target = store_config.online_file(root)
    with monkeypatch.context() as patched:
        patched.setattr(feature_store, "PLAIN_SQLITE", set())
        counts = feature_store.materialise(as_of, root)
        feasts = target.rename(root / "of_feast.db")
    assert feature_store.materialise(as_of, root) == counts
    return target, feasts


@pytest.fixture(scope="module")
def odd(tmp_path_factory) -> Path:
    """A project with odd ids and values at two moments, some of whose keys are known at the first only."""
    root = new_root(tmp_path_factory.mktemp("odd"))
    early, late = odd_tables(utc(2024, 1, 1)), odd_tables(utc(2024, 3, 31, 1, 30))
    with offline_files.FeatureWriter(root) as writer:
        writer.add(early.items())
        writer.add((entity, table.filter(pl.col(KEYS[entity][0]) != "7")) for entity, table in late.items())
    return root


def test_the_rows_and_the_layout_are_those_of_feast(odd, monkeypatch):
    ours, feasts = written_by_both(odd, monkeypatch)
    for view in feast_store.ONLINE:
        assert rows(ours, view) == rows(feasts, view), view
        assert len(rows(ours, view)) >= len(ODD_IDS)
    assert layout(ours) == layout(feasts)


def test_an_earlier_moment_and_small_blocks_give_the_rows_of_feast(tmp_path, monkeypatch):
    root = new_root(tmp_path / "root")
    write(root)
    monkeypatch.setattr(online_file, "BLOCK_ROWS", 2)
    monkeypatch.setattr(offline_files, "BATCH_KEYS", 3)
    ours, feasts = written_by_both(root, monkeypatch, SECOND)
    for view in feast_store.ONLINE:
        assert rows(ours, view) == rows(feasts, view), view


def test_empty_lists_and_lists_that_are_null_are_stored_as_feast_stores_them(odd, monkeypatch):
    path = odd / paths.FEATURES / "user_history.parquet"
    stored, lists = pl.read_parquet(path), ["item_id", *names("interaction")]
    some = pl.col("user_id") == "7"
    changed = stored.with_columns(pl.when(some).then(pl.col(name).list.head(0)).otherwise(name) for name in lists)
    changed.with_columns(
        pl.when(pl.col("user_id") == " ").then(None).otherwise(name).alias(name) for name in lists
    ).write_parquet(path)
    ours, feasts = written_by_both(odd, monkeypatch)
    assert rows(ours, "user_history") == rows(feasts, "user_history")
    stored.write_parquet(path)


def test_features_are_read_as_they_were_stored(odd):
    feature_store.apply("data1", SETTINGS, odd)
    feature_store.materialise(root=odd)
    last = offline_files.newest(odd, "user")
    for row in pl.concat(last).iter_rows(named=True):
        live = feature_store.online_user(row["user_id"], root=odd)
        expected = {name: None if row[name] != row[name] else row[name] for name in names("user")}
        assert {name: live[name] for name in expected} == expected
    user = ODD_IDS[6]
    pairs = pl.scan_parquet(odd / paths.FEATURES / "interaction.parquet").filter(user_id=user).collect()
    newest = pairs.filter(pl.col("event_timestamp") == pl.col("event_timestamp").max())
    assert newest.height
    live = feature_store.online(user, root=odd)
    assert live["item_id"].to_list() == newest.sort("item_id")["item_id"].to_list()


def test_memory_is_bounded_by_blocks(odd, monkeypatch):
    """However many ids there are, those of one block are encoded at a time."""
    heights = []
    original = online_file._rows

    def counted(part: pl.DataFrame, key: str) -> object:
        heights.append(part.height)
        return original(part, key)

    monkeypatch.setattr(online_file, "_rows", counted)
    monkeypatch.setattr(online_file, "BLOCK_ROWS", 2)
    feature_store.apply("data1", SETTINGS, odd)
    assert feature_store.materialise(root=odd)["user"] == len(ODD_IDS)
    assert max(heights) == 2


def test_another_type_is_an_error_that_names_the_feature(tmp_path):
    block = pl.DataFrame({"user_id": ["u"], "event_timestamp": [SECOND], "is_new": [True]})
    file = tmp_path / "online.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("create table t (entity_key, feature_name, value, value_text, event_ts)")
    with pytest.raises(TypeError, match="the feature is_new has the type Boolean"):
        online_file.write(file, "t", "user_id", [block])


def test_other_settings_of_an_sqlite_store_leave_the_write_to_feast(tmp_path, monkeypatch):
    root = new_root(tmp_path / "root")
    write(root)
    config = root / store_config.FILE
    config.write_text(config.read_text().replace("  type: sqlite\n", "  type: sqlite\n  text_search_enabled: false\n"))
    feature_store.apply("data1", SETTINGS, root)
    monkeypatch.delattr(online_file, "write")
    assert feature_store.materialise(root=root)["user"] == 12
    online_features._opened.cache_clear()
    assert feature_store.online_user("u4", root=root)["as_of"] == SECOND
