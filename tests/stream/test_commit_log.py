"""The zone: a commit is all or nothing, compaction changes no row, and what nobody counts is swept away."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, compaction, latency

DAY = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # in Berlin, it is the second of March


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path, "s", "Europe/Berlin")


def rows(partition: int, first: int, n: int, day: datetime = DAY) -> pl.DataFrame:
    told = [
        dict.fromkeys(commit_log.ROWS)
        | {
            "event_id": f"{partition}-{first + k}",
            "user_id": "u",
            "item_id": "a",
            "event_type": "view",
            "timestamp": day + timedelta(seconds=k),
            "topic": "t",
            "partition": partition,
            "offset": first + k,
        }
        for k in range(n)
    ]
    return pl.DataFrame(told, schema=commit_log.ROWS)


def dead(partition: int, offset: int) -> pl.DataFrame:
    return pl.DataFrame([("t", partition, offset, "bad", None, b"x")], schema=commit_log.DEAD, orient="row")


def put(zone, partition: int, first: int, n: int, day: datetime = DAY, letter: bool = False) -> dict:
    letters = dead(partition, first + n) if letter else pl.DataFrame(schema=commit_log.DEAD)
    facts = {"n_messages": n + letter, "n_duplicates": 0, "latency": {"10": n}, "sent": 0}
    upto = first + n + letter
    return commit_log.commit(
        zone, f"t-{partition}", first, upto, rows(partition, first, n, day), letters, lambda: facts
    )


def ids(zone) -> Counter:
    return Counter(commit_log.read(zone).get_column("event_id"))


def test_a_batch_is_durable_with_where_it_ends(zone):
    put(zone, 0, 0, 3)
    put(zone, 0, 3, 2)
    assert commit_log.position(zone, "t-0") == (5, 0)
    assert commit_log.position(zone, "t-1") == (0, 0)
    assert ids(zone) == Counter({f"0-{n}": 1 for n in range(5)})


def test_days_are_those_of_the_shop(zone):
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
@given(st.lists(st.tuples(st.sampled_from(["put", "letter", "compact", "sweep"]), st.integers(0, 2)), max_size=15))
def test_whatever_happens_each_row_is_read_once_and_counted(tmp_path_factory, steps):
    zone, ends, letters = commit_log.Zone(tmp_path_factory.mktemp("zone"), "s", "UTC"), [0, 0, 0], 0
    expected: Counter = Counter()
    for step, partition in steps:
        if step == "compact":
            compaction.compact(zone)
        elif step == "sweep":
            age(zone)
            compaction.sweep(zone)
        else:
            put(zone, partition, ends[partition], 2, letter=step == "letter")
            expected.update(f"{partition}-{ends[partition] + k}" for k in range(2))
            ends[partition] += 2 + (step == "letter")
            letters += step == "letter"
    assert ids(zone) == expected
    assert commit_log.dead_letters(zone).height == letters
    assert [commit_log.position(zone, f"t-{n}")[0] for n in range(3)] == ends
    assert sum(one["n_events"] for one in commit_log.counts(zone).values()) == expected.total()
    assert sum(one["n_messages"] for one in commit_log.minutes(zone).values()) == sum(ends)
    for partition in range(3):
        mine = [event for event in expected if event.startswith(f"{partition}-")]
        assert sorted(commit_log.last_ids(zone, f"t-{partition}", 1_000)) == sorted(mine)


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


def test_who_comes_second_leaves_nothing(zone):
    put(zone, 0, 0, 3)
    with pytest.raises(commit_log.TakenError, match="t-0: offset 0"):
        put(zone, 0, 0, 2)
    assert len(list(zone.root.rglob("*.parquet"))) == 1


def test_who_overslept_a_compaction_commits_beside_the_chain(zone):
    put(zone, 0, 0, 4)
    put(zone, 0, 4, 4)
    compaction.compact(zone)
    age(zone)
    compaction.sweep(zone)
    assert not list(zone.root.glob("log/*/*.json"))
    put(zone, 0, 4, 3)  # a zombie that read the log when it ended at 4
    put(zone, 0, 7, 3)
    put(zone, 0, 8, 2)  # the one who holds the partition
    assert ids(zone) == Counter({f"0-{n}": 1 for n in range(10)})
    assert commit_log.position(zone, "t-0")[0] == 10


def test_of_two_compactions_at_once_one_counts(zone, monkeypatch):
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
    assert commit_log.compacted(zone)["number"] == 1


def test_a_compaction_that_dies_changes_nothing(zone, monkeypatch):
    put(zone, 0, 0, 4)

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(commit_log, "create", dies)
        with pytest.raises(KeyboardInterrupt):
            compaction.compact(zone)
    assert ids(zone) == Counter({f"0-{n}": 1 for n in range(4)})
    compaction.compact(zone)
    age(zone)
    compaction.sweep(zone)
    assert len(list(zone.root.glob("date=*/*.parquet"))) == 1


def test_a_batch_that_may_still_be_committed_is_not_swept_away(zone):
    """A consumer that slept between writing its rows and committing them, and whose partition nobody took."""
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
    late = list(range(1, 1001))
    found = latency.quantiles(latency.classes(pl.Series(late, dtype=pl.Float64).to_numpy()))
    for name, exact in (("p50", 500), ("p95", 950), ("p99", 990), ("max", 1000)):
        assert exact <= found[name] <= exact * latency.STEP
    assert latency.quantiles({}) == {"p50": None, "p95": None, "p99": None, "max": None}


def test_classes_can_be_added_up():
    one, other = (latency.classes(pl.Series(values).to_numpy()) for values in ([0.1, 5.0], [5.0, 90.0]))
    both = latency.classes(pl.Series([0.1, 5.0, 5.0, 90.0]).to_numpy())
    assert latency.added([one, other]) == both


def test_figures_by_minute_are_kept_for_a_while_and_sums_for_ever(zone, monkeypatch):
    monkeypatch.setattr(compaction, "KEPT_MINUTES", 1)
    for first, minute in ((0, "00"), (5, "01")):
        record = put(zone, 0, first, 5)
        path = zone.root / "log" / "t-0" / f"{first:020d}.json"
        path.write_text(json.dumps(record | {"committed_at": f"2026-01-01T00:{minute}:30+00:00"}))
        compaction.compact(zone)
    assert list(commit_log.minutes(zone)) == ["2026-01-01T00:01"]
    assert commit_log.counts(zone)["t-0"]["n_events"] == 10
    assert commit_log.latency(zone) == {"10": 10}


def test_a_zone_is_kept_small_until_told_to_end_whatever_goes_wrong(zone, monkeypatch, caplog):
    put(zone, 0, 0, 5)
    ended, merged, calls = threading.Event(), compaction._merged_days, []

    def full_once(*arguments: object) -> dict:
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError("no space left")
        ended.set()
        return merged(*arguments)

    monkeypatch.setattr(compaction, "_merged_days", full_once)
    compaction.keep_small(zone, 0.05, ended)
    assert "no space left" in caplog.text
    assert sum(file["rows"] for file in commit_log.compacted(zone)["days"].values()) == 5
