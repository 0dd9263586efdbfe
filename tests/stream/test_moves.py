"""Events that become dead letters: no reader of events sees them, and counts and offsets still add up."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.stream import commit_log, compaction, moves

DAY = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACES = [*commit_log.ORIGIN]


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def zone(tmp_path, request):
    return commit_log.Zone(tmp_path, "s", request.param)


def put(zone: commit_log.Zone, first: int, *moments: datetime | str) -> None:
    """Commit an event e<offset> for each of these times; a text may lie before year 1."""
    n = len(moments)
    columns = {name: [None] * n for name in commit_log.ROWS} | {"event_id": [f"e{first + k}" for k in range(n)]}
    columns |= {"user_id": ["u"] * n, "item_id": ["a"] * n, "event_type": ["view"] * n, "topic": ["t"] * n}
    columns |= {"partition": [0] * n, "offset": range(first, first + n)}
    texts = [moment if isinstance(moment, str) else moment.isoformat() for moment in moments]
    times = pl.Series(texts, dtype=pl.String).str.to_datetime("%+", time_unit="us", time_zone="UTC")
    rows = pl.DataFrame(columns, schema=commit_log.ROWS).with_columns(timestamp=times.cast(TIMESTAMP))
    stats = {"n_messages": n, "n_duplicates": 0, "latency": {}, "sent": 0, "topic_id": None}
    dead = pl.DataFrame(schema=commit_log.DEAD)
    commit_log.commit(zone, "t-0", first, first + n, rows, dead, lambda: stats)


def ids(zone: commit_log.Zone) -> list[str]:
    return sorted(commit_log.read(zone).get_column("event_id"))


def dead_ids(zone: commit_log.Zone) -> list[str]:
    return [json.loads(value)["event_id"] for value in commit_log.dead_letters(zone).get_column("value")]


def chosen(*offsets: int) -> pl.DataFrame:
    return pl.DataFrame([("t", 0, offset, "a test") for offset in offsets], schema=moves.MOVES, orient="row")


def require_counts(zone: commit_log.Zone, n_events: int, n_dead: int) -> None:
    counts = commit_log.counts(zone)["t-0"]
    assert (counts["n_messages"], counts["n_events"], counts["n_dead"]) == (n_events + n_dead, n_events, n_dead)
    assert commit_log.read(zone).height == n_events
    assert commit_log.dead_letters(zone).unique(PLACES).height == n_dead


@pytest.mark.parametrize("text", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "-0044-03-15T12:00:00Z"])
def test_an_event_that_no_stage_can_use_does_not_stop_a_compaction(zone, text, caplog):
    put(zone, 0, DAY, text, DAY + timedelta(days=1))
    compaction.compact(zone)
    assert ids(zone) == ["e0", "e2"]
    assert dead_ids(zone) == ["e1"]
    assert commit_log.dead_letters(zone).get_column("reason").to_list() == [moves.UNUSABLE]
    require_counts(zone, 2, 1)
    assert len(commit_log.day_files(zone)) == 2
    assert "'e1'" in caplog.text
    assert "recomart stream quarantine" in caplog.text
    put(zone, 3, DAY)
    compaction.compact(zone)
    require_counts(zone, 3, 1)
    assert commit_log.position(zone, "t-0").next == 4


def test_a_day_that_an_earlier_version_compacted_is_emptied_so_that_the_lake_follows(zone, monkeypatch):
    put(zone, 0, DAY, "0001-01-01T12:00:00Z")
    with monkeypatch.context() as patch:  # as it was: any day that Python knows
        patch.setattr(moves, "FIRST", datetime(1, 1, 1, tzinfo=UTC))
        compaction.compact(zone)
    assert date(1, 1, 1) in commit_log.day_files(zone)
    compaction.compact(zone)
    compaction.compact(zone)
    assert dead_ids(zone) == ["e1"]
    require_counts(zone, 1, 1)
    assert pl.read_parquet(commit_log.day_files(zone)[date(1, 1, 1)], hive_partitioning=False).height == 0
    assert commit_log.latest_compaction(zone)["number"] == 2


def test_chosen_events_become_dead_letters_wherever_they_are(zone):
    put(zone, 0, DAY, DAY, DAY - timedelta(days=3))
    compaction.compact(zone)
    put(zone, 3, DAY, DAY)
    moved = compaction.move(zone, chosen(0, 2, 4))
    assert sorted(moved.get_column("event_id")) == ["e0", "e2", "e4"]
    assert ids(zone) == ["e1", "e3"]
    assert dead_ids(zone) == ["e0", "e2", "e4"]
    require_counts(zone, 2, 3)
    letter = commit_log.dead_letters(zone).row(0, named=True)
    assert (letter["reason"], letter["key"]) == ("a test", b"u")
    assert json.loads(letter["value"])["timestamp"] == "2026-03-01T12:00:00.000000Z"
    assert commit_log.last_ids(zone, "t-0", 10) == ["e1", "e3"]


def test_moving_again_changes_nothing(zone):
    put(zone, 0, DAY, DAY)
    compaction.move(zone, chosen(0))
    assert compaction.move(zone, chosen(0)).height == 0
    assert compaction.move(zone, chosen()).height == 0
    require_counts(zone, 1, 1)


def test_a_move_waits_for_the_compaction_of_another_process(zone, monkeypatch):
    put(zone, 0, DAY, DAY)
    merged = compaction._merged_days

    def overtaken(*arguments):
        monkeypatch.setattr(compaction, "_merged_days", merged)
        put(zone, 2, DAY)
        compaction.compact(zone)
        return merged(*arguments)

    monkeypatch.setattr(compaction, "_merged_days", overtaken)
    compaction.move(zone, chosen(0))
    require_counts(zone, 2, 1)


def test_moved_events_are_unsent_until_they_are_marked(zone):
    put(zone, 0, DAY, DAY, DAY)
    compaction.move(zone, chosen(0, 2))
    unsent = commit_log.latest_compaction(zone)["unsent"]
    assert unsent == [["t", 0, 0], ["t", 0, 2]]
    put(zone, 3, DAY)
    compaction.compact(zone)
    compaction.mark_sent(zone, unsent[:1])
    assert commit_log.latest_compaction(zone)["unsent"] == [["t", 0, 2]]
    assert commit_log.latest_compaction(zone)["n_moved"] == 2
    require_counts(zone, 2, 2)
