"""A damaged fresh.db is rebuilt from the streaming zone, with one warning; readers go on without it."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from conftest import utc
from zone_data import DAY, put

from recomart_lib.core.errors import UserError
from recomart_lib.features import online_events
from recomart_lib.prepare.settings import Prepare
from recomart_lib.stream import commit_log, feature_latency, fresh_file, log_once


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def overwrite(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def with_tables(statements: str):
    def write(path: Path) -> None:
        path.unlink()
        with closing(sqlite3.connect(path)) as db:
            db.executescript(statements)

    return write


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "no database": lambda path: path.write_bytes(b"no database at all" * 500),
    "cut": cut,
    "overwritten": overwrite,
    "no tables": with_tables("create table other (a);"),
    "other columns": with_tables(fresh_file.TABLE.replace("weight real,", "")),
    "no key": with_tables(fresh_file.TABLE.replace(", primary key (topic, partition, offset)) without rowid", ")")),
    "another table late": with_tables(fresh_file.TABLE.replace("class", "kind")),
}


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path / "data" / "streaming", "tiny", "UTC")


@pytest.fixture(autouse=True)
def nothing_warned(monkeypatch):
    monkeypatch.setattr(log_once, "_logged", set())


def consumer(root: Path, zone) -> online_events.Fresh:
    return online_events.Fresh(root, "tiny", Prepare(), True, lambda since: commit_log.read_since(zone, since))


def ids(root: Path) -> list[str]:
    return online_events.events_of("u", root).get_column("event_id").to_list()


@pytest.fixture
def file(tmp_path, zone) -> Path:
    """fresh.db with three events, closed."""
    put(zone, 0, 0, 3)
    consumer(tmp_path, zone).close()
    assert ids(tmp_path) == ["0-0", "0-1", "0-2"]
    return tmp_path / fresh_file.FILE


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_consumer_rebuilds_a_damaged_file_with_one_warning(tmp_path, zone, file, damage, caplog):
    DAMAGES[damage](file)
    consumer(tmp_path, zone).close()
    assert ids(tmp_path) == ["0-0", "0-1", "0-2"]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.startswith("data/streaming/fresh.db is damaged (")
    assert "rebuilt from the streaming zone" in warning
    caplog.clear()
    consumer(tmp_path, zone).close()
    assert not caplog.records


@pytest.mark.parametrize("damage", ["empty", "no database", "cut", "overwritten", "no tables"])
def test_readers_go_on_without_a_damaged_file_and_say_so_once(tmp_path, file, damage, caplog):
    DAMAGES[damage](file)
    for _ in range(2):
        assert ids(tmp_path) == []
        feature_latency.quantiles(tmp_path, utc(2024, 1, 1))
    assert 1 <= len([record for record in caplog.records if record.levelno >= logging.WARNING]) <= 2
    assert "`recomart stream consume` rebuilds it" in caplog.text


def test_a_moved_event_is_forgotten_by_a_damaged_file(tmp_path, zone, file):
    file.write_bytes(b"")
    online_events.forget(commit_log.read(zone), tmp_path)
    assert ids(tmp_path) == []


def test_a_file_that_is_damaged_under_a_running_consumer_is_rebuilt(tmp_path, zone, file, caplog):
    running = consumer(tmp_path, zone)
    running._db.execute("drop table fresh")
    put(zone, 0, 3, 1)
    running.add(commit_log.read(zone).tail(1))
    running.close()
    assert sorted(ids(tmp_path)) == ["0-0", "0-1", "0-2", "0-3"]
    assert caplog.text.count("is damaged") == 1


def test_a_file_that_was_deleted_or_rebuilt_by_another_consumer_is_opened_again(tmp_path, zone, file):
    running = consumer(tmp_path, zone)
    for n in (3, 4):
        file.unlink()
        if n == 4:
            consumer(tmp_path, zone).close()
        put(zone, 0, n, 1)
        running.add(commit_log.read(zone).filter(offset=n))
    running.close()
    assert sorted(ids(tmp_path)) == [f"0-{n}" for n in range(5)]


def test_a_log_that_a_deleted_file_left_is_not_played_into_the_new_one(tmp_path, zone, file):
    running = consumer(tmp_path, zone)  # its log is open
    file.unlink()
    put(zone, 0, 3, 1, DAY)
    consumer(tmp_path, zone).close()
    running.close()
    assert sorted(ids(tmp_path)) == [f"0-{n}" for n in range(4)]


def test_what_is_no_damage_is_not_rebuilt(tmp_path, zone, file):
    file.unlink()
    file.mkdir()
    with pytest.raises(UserError, match="cannot be opened: unable to open"):
        consumer(tmp_path, zone)
    with pytest.raises(UserError, match="cannot be read: "):
        ids(tmp_path)
    assert file.is_dir()


def test_a_locked_file_is_no_damage(tmp_path, zone, file, monkeypatch):
    monkeypatch.setattr(fresh_file, "WAIT_S", 0.01)
    with closing(sqlite3.connect(file)) as other:
        other.execute("begin immediate")
        with pytest.raises(UserError, match="locked"):
            consumer(tmp_path, zone)
        other.rollback()
    assert ids(tmp_path) == ["0-0", "0-1", "0-2"]
