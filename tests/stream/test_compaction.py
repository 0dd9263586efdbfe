"""Compaction with many event days: few files are written, no event is lost, and lines stay."""

from __future__ import annotations

import os
import time
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zone_data import DAY, put

from recomart_lib.stream import commit_log, compaction, moves

ONE_DAY = timedelta(days=1)


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path, "s", "UTC")


def files(zone) -> set[str]:
    return {path.relative_to(zone.root).as_posix() for path in zone.root.glob("date=*/*.parquet")}


def test_only_days_with_new_events_are_written_again(zone):
    put(zone, 0, 0, 5, apart=ONE_DAY)
    before = compaction.compact(zone)["days"]
    put(zone, 0, 5, 1, DAY + 2 * ONE_DAY)
    after = compaction.compact(zone)["days"]
    assert {day for day in after if after[day] != before.get(day)} == {"2026-03-03"}


def test_a_storm_of_days_writes_few_files_each_time(zone):
    for first in (0, 1_000, 2_000):
        before = files(zone)
        put(zone, 0, first, 1_000, DAY - 1_000 * ONE_DAY, apart=ONE_DAY)
        state = compaction.compact(zone)
        assert len(files(zone) - before) == compaction.MAX_DAYS
        assert commit_log.read(zone).height == first + 1_000
        assert state["rest"]["rows"] == first + 1_000 - sum(file["rows"] for file in state["days"].values())
        assert commit_log.counts(zone)["t-0"]["n_events"] == first + 1_000
    assert len(commit_log.last_ids(zone, "t-0", 9_000)) == 3_000
    assert sum(rows.height for rows in commit_log.read_since(zone, DAY + ONE_DAY)) == state["rest"]["rows"]


def test_days_with_many_events_come_first_and_days_with_enough_do_not_wait(zone, monkeypatch):
    monkeypatch.setattr(compaction, "ENOUGH_EVENTS", 3)
    put(zone, 0, 0, 1, DAY)
    put(zone, 0, 1, 3, DAY + ONE_DAY)
    put(zone, 0, 4, 4, DAY + 2 * ONE_DAY)
    put(zone, 0, 8, 2, DAY + 3 * ONE_DAY)
    state = compaction.compact(zone, 1)
    assert list(state["days"]) == ["2026-03-02", "2026-03-03"]
    assert state["rest"]["rows"] == 3
    assert state["rest"]["offsets"] == {"t-0": [0, 9]}
    put(zone, 0, 10, 2, DAY)  # together with the waiting event, they are enough
    state = compaction.compact(zone, 1)
    assert list(state["days"]) == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert state["rest"]["rows"] == 2
    assert compaction.compact(zone, 1) == state  # nothing new: nothing is written


def test_compact_all_leaves_no_rest_though_others_compact(zone, monkeypatch):
    put(zone, 0, 0, 5, apart=ONE_DAY)
    merged = compaction._merged_days

    def overtaken(*arguments):
        monkeypatch.setattr(compaction, "_merged_days", merged)
        compaction.compact(zone, 2)
        return merged(*arguments)

    monkeypatch.setattr(compaction, "_merged_days", overtaken)
    state = compaction.compact_all(zone)
    assert state["number"] == 2
    assert state["rest"] is None
    assert list(commit_log.day_files(zone)) == [date(2026, 3, 1) + n * ONE_DAY for n in range(5)]


def test_the_rest_is_swept_once_it_is_replaced(zone, monkeypatch):
    put(zone, 0, 0, 5, apart=ONE_DAY)
    monkeypatch.setattr(compaction, "ABANDONED_S", -1)
    for first in (5, 10, 15):
        compaction.compact(zone, 2)
        put(zone, 0, first, 5, apart=ONE_DAY)
    assert len(list(zone.root.glob("rest/*.parquet"))) <= 2
    compaction.compact_all(zone)
    compaction.compact_all(zone)
    assert commit_log.read(zone).height == 20


def test_a_reader_that_started_before_a_compaction_can_finish(zone):
    """Though the commits are old, as no consumer ran: they are obsolete only since the compaction."""
    put(zone, 0, 0, 3, letter=True)
    put(zone, 0, 4, 2)
    old = time.time() - compaction.ABANDONED_S - 1
    for path in [*zone.root.glob("*/*/*"), *zone.root.glob("log/*/*")]:
        os.utime(path, (old, old))
    reader = commit_log.read_since(zone, None)
    state, commits = commit_log.latest_compaction(zone), list(commit_log.uncompacted(zone, commit_log.EMPTY))
    for _ in range(2):
        compaction.compact(zone)
        put(zone, 0, commit_log.position(zone, "t-0").next, 1)
    assert state == commit_log.EMPTY
    assert commit_log.load_files(zone, [commit["rows"] for commit in commits], commit_log.ROWS).height == 5
    assert sum(rows.height for rows in reader) == 7
    for path in zone.root.rglob("*"):
        os.utime(path, (old, old))
    assert compaction.sweep(zone) > 0
    assert not (zone.root / commits[0]["rows"]["path"]).exists()
    assert commit_log.read(zone).height == 7


def test_an_event_of_the_rest_can_become_a_dead_letter(zone):
    put(zone, 0, 0, 3, apart=ONE_DAY)
    compaction.compact(zone, 1)
    chosen = pl.DataFrame([("t", 0, 2, "a test")], schema=moves.MOVES, orient="row")
    assert compaction.move(zone, chosen).get_column("event_id").to_list() == ["0-2"]
    assert sorted(commit_log.read(zone).get_column("event_id")) == ["0-0", "0-1"]
    assert commit_log.dead_letters(zone).height == 1


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3), st.sampled_from([0, 1, 2, None])), max_size=12))
def test_lines_stay_and_no_event_is_lost_whatever_waits(tmp_path_factory, steps):
    zone, n, lines = commit_log.Zone(tmp_path_factory.mktemp("zone"), "s", "UTC"), 0, {}
    for day, n_events, max_days in steps:
        put(zone, 0, n, n_events, DAY + day * ONE_DAY, apart=ONE_DAY / 2)
        n += n_events
        compaction.compact(zone, max_days)
        assert sorted(commit_log.read(zone).get_column("offset")) == list(range(n))
        for number, path in commit_log.day_files(zone).items():
            events = pl.read_parquet(path, hive_partitioning=False).get_column("event_id").to_list()
            assert events[: len(lines.get(number, []))] == lines.get(number, [])
            lines[number] = events
    compaction.compact_all(zone)
    assert sum(pl.read_parquet(path).height for path in commit_log.day_files(zone).values()) == n
