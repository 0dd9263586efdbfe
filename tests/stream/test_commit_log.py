"""The streaming zone: commits are atomic, compaction changes no row, and obsolete files are deleted."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zone_data import DAY, put, rows

from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, compaction, latency, moves


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path, "s", "Europe/Berlin")


def ids(zone) -> Counter:
    return Counter(commit_log.read(zone).get_column("event_id"))


def test_a_commit_stores_its_rows_and_end_offset(zone):
    put(zone, 0, 0, 3)
    put(zone, 0, 3, 2)
    assert commit_log.position(zone, "t-0") == (5, 0, None)
    assert commit_log.position(zone, "t-1") == (0, 0, None)
    assert ids(zone) == Counter({f"0-{n}": 1 for n in range(5)})


def test_days_are_in_the_shops_time_zone(zone):
    put(zone, 0, 0, 2)
    put(zone, 0, 2, 1, DAY - timedelta(hours=1))
    compaction.compact(zone)
    assert list(commit_log.day_files(zone)) == [date(2026, 3, 1), date(2026, 3, 2)]


def test_a_day_that_grows_keeps_its_lines(zone):
    put(zone, 0, 0, 3)
    compaction.compact(zone)
    before = pl.read_parquet(*commit_log.day_files(zone).values(), hive_partitioning=False)
    put(zone, 0, 3, 2, DAY - timedelta(minutes=10))
    compaction.compact(zone)
    after = pl.read_parquet(*commit_log.day_files(zone).values(), hive_partitioning=False)
    assert after.head(3).equals(before)
    assert after.height == 5


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["put", "letter", "move", "compact", "sweep"]), st.integers(0, 2)), max_size=15)
)
def test_each_row_is_read_once_and_counted_in_any_order_of_steps(tmp_path_factory, steps):
    zone, ends, letters = commit_log.Zone(tmp_path_factory.mktemp("zone"), "s", "UTC"), [0, 0, 0], 0
    expected: Counter = Counter()
    for step, partition in steps:
        if step == "compact":
            compaction.compact(zone)
        elif step == "sweep":
            age(zone)
            compaction.sweep(zone)
        elif step == "move":
            chosen = pl.DataFrame([("t", partition, 0, "a test")], schema=moves.MOVES, orient="row")
            letters += compaction.move(zone, chosen).height
            del expected[f"{partition}-0"]
        else:
            put(zone, partition, ends[partition], 2, letter=step == "letter")
            expected.update(f"{partition}-{ends[partition] + k}" for k in range(2))
            ends[partition] += 2 + (step == "letter")
            letters += step == "letter"
    assert ids(zone) == expected
    assert commit_log.dead_letters(zone).height == letters
    assert [commit_log.position(zone, f"t-{n}")[0] for n in range(3)] == ends
    assert sum(total["n_events"] for total in commit_log.counts(zone).values()) == expected.total()
    assert sum(minute["n_messages"] for minute in commit_log.minutes(zone).values()) == sum(ends)
    for partition in range(3):
        partition_events = [event for event in expected if event.startswith(f"{partition}-")]
        assert sorted(commit_log.last_ids(zone, f"t-{partition}", 1_000)) == sorted(partition_events)


def age(zone) -> None:
    """Make all files old."""
    old = time.time() - compaction.ABANDONED_S - 1
    for path in zone.root.rglob("*"):
        if path.is_file():
            os.utime(path, (old, old))


def test_the_last_ids_are_the_newest(zone):
    put(zone, 0, 0, 5)
    compaction.compact(zone)
    put(zone, 0, 5, 2)
    assert commit_log.last_ids(zone, "t-0", 4) == ["0-3", "0-4", "0-5", "0-6"]


def test_the_second_of_two_commits_leaves_nothing(zone):
    put(zone, 0, 0, 3)
    with pytest.raises(commit_log.CommitConflictError, match="t-0: offset 0"):
        put(zone, 0, 0, 2)
    assert len(list(zone.root.rglob("*.parquet"))) == 1


def test_a_process_that_missed_a_compaction_commits_outside_the_chain(zone):
    put(zone, 0, 0, 4)
    put(zone, 0, 4, 4)
    compaction.compact(zone)
    age(zone)
    compaction.sweep(zone)
    assert not list(zone.root.glob("log/*/*.json"))
    put(zone, 0, 4, 3)  # a zombie that read the log when it ended at 4
    put(zone, 0, 7, 3)
    put(zone, 0, 8, 2)  # the consumer that holds the partition
    assert ids(zone) == Counter({f"0-{n}": 1 for n in range(10)})
    assert commit_log.position(zone, "t-0")[0] == 10


def test_of_two_concurrent_compactions_one_is_valid(zone, monkeypatch):
    put(zone, 0, 0, 4)
    merged = compaction._merged_days

    def overtaken(*arguments):
        monkeypatch.setattr(compaction, "_merged_days", merged)
        compaction.compact(zone)
        put(zone, 0, 4, 1)
        return merged(*arguments)

    monkeypatch.setattr(compaction, "_merged_days", overtaken)
    compaction.compact(zone)
    assert ids(zone) == Counter({f"0-{n}": 1 for n in range(5)})
    assert commit_log.latest_compaction(zone)["number"] == 1


def test_a_killed_compaction_changes_nothing(zone, monkeypatch):
    put(zone, 0, 0, 4)

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commit_log, "create_atomically", dies)
        with pytest.raises(KeyboardInterrupt):
            compaction.compact(zone)
    assert ids(zone) == Counter({f"0-{n}": 1 for n in range(4)})
    compaction.compact(zone)
    age(zone)
    compaction.sweep(zone)
    assert len(list(zone.root.glob("date=*/*.parquet"))) == 1


def test_a_batch_that_may_still_be_committed_is_not_deleted(zone):
    """A consumer was suspended between writing and committing, and no other consumer took over its partition."""
    put(zone, 0, 0, 2)
    waiting = zone.root / "segments/t-0/00000000000000000002-sleeping.parquet"
    rows(0, 2, 1).write_parquet(waiting)
    overtaken = zone.root / "segments/t-0/00000000000000000000-late.parquet"
    rows(0, 0, 1).write_parquet(overtaken)
    age(zone)
    assert compaction.sweep(zone) == 1
    assert waiting.exists()
    assert not overtaken.exists()


def test_a_damaged_commit_is_one_sentence(zone):
    put(zone, 0, 0, 2)
    next(zone.root.glob("log/*/*.json")).write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        commit_log.read(zone)


def test_a_quantile_is_at_most_a_class_too_high():
    milliseconds = list(range(1, 1001))
    quantiles = latency.quantiles(latency.histogram(pl.Series(milliseconds, dtype=pl.Float64).to_numpy()))
    for name, exact in (("p50", 500), ("p95", 950), ("p99", 990), ("max", 1000)):
        assert exact <= quantiles[name] <= exact * latency.STEP
    assert latency.quantiles({}) == {"p50": None, "p95": None, "p99": None, "max": None}


def test_histograms_can_be_merged():
    one, other = (latency.histogram(pl.Series(values).to_numpy()) for values in ([0.1, 5.0], [5.0, 90.0]))
    both = latency.histogram(pl.Series([0.1, 5.0, 5.0, 90.0]).to_numpy())
    assert latency.merge([one, other]) == both


def test_minutes_are_kept_for_a_while_and_totals_for_ever(zone, monkeypatch):
    monkeypatch.setattr(compaction, "KEPT_MINUTES", 1)
    for first, minute in ((0, "00"), (5, "01")):
        record = put(zone, 0, first, 5)
        path = zone.root / "log" / "t-0" / f"{first:020d}.json"
        path.write_text(json.dumps(record | {"committed_at": f"2026-01-01T00:{minute}:30+00:00"}))
        compaction.compact(zone)
    assert list(commit_log.minutes(zone)) == ["2026-01-01T00:01"]
    assert commit_log.counts(zone)["t-0"]["n_events"] == 10
    assert commit_log.latency(zone) == {"10": 10}


def test_periodic_compaction_survives_errors_until_it_is_stopped(zone, monkeypatch, caplog):
    put(zone, 0, 0, 5)
    stop, merged, calls = threading.Event(), compaction._merged_days, []

    def full_once(*arguments: object) -> dict:
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError("no space left")
        stop.set()
        return merged(*arguments)

    monkeypatch.setattr(compaction, "_merged_days", full_once)
    compaction.run_periodically(zone, 0.05, stop)
    assert "no space left" in caplog.text
    assert sum(file["rows"] for file in commit_log.latest_compaction(zone)["days"].values()) == 5


def test_a_compaction_with_the_clock_ahead_does_not_stop_later_ones(zone, monkeypatch):
    put(zone, 0, 0, 5)
    compaction.compact(zone)
    (newest,) = zone.root.glob("compacted/*.json")
    os.utime(newest, (4e9, 4e9))  # in 2096
    calls, stop = [], threading.Event()
    monkeypatch.setattr(compaction, "compact", lambda _: (calls.append(1), stop.set()))
    threading.Timer(2, stop.set).start()  # if it is never called
    compaction.run_periodically(zone, 0.01, stop)
    assert calls


def test_whole_quantities_of_an_earlier_version_are_read_with_fractions(zone):
    empty, stats = pl.DataFrame(schema=commit_log.DEAD), {"n_messages": 1, "n_duplicates": 0, "latency": {}, "sent": 0}
    earlier = rows(0, 0, 1).with_columns(quantity=pl.lit(2, pl.Int64))
    commit_log.commit(zone, "t-0", 0, 1, earlier, empty, lambda: stats)
    compaction.compact(zone)
    for offset, quantity in ((1, pl.lit(3, pl.Int64)), (2, pl.lit(0.53))):
        new = rows(0, offset, 1).with_columns(quantity=quantity)
        commit_log.commit(zone, "t-0", offset, offset + 1, new, empty, lambda: stats)
    for _ in range(2):
        assert commit_log.read(zone).sort("offset")["quantity"].to_list() == [2.0, 3.0, 0.53]
        assert commit_log.last_ids(zone, "t-0", 9) == ["0-0", "0-1", "0-2"]
        compaction.compact(zone)
