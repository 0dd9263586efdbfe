"""Streamed events in the lake: a file per day, a day that grows, and what came by file and by stream counts once."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib.ingest import lake, landing
from recomart_lib.ingest.settings import Ingest
from recomart_lib.stream import commit_log, compaction
from recomart_lib.validate import row_checks
from recomart_lib.validate.settings import Validate

# e2 of the tiny shop, as its file has it, and two new events; the second is of a day that is long past
AGAIN = {
    "event_id": "e2",
    "user_id": "u1",
    "item_id": "a",
    "event_type": "purchase",
    "timestamp": utc(2024, 2, 1, 10, 5),
    "quantity": 2,
    "price": 10.0,
    "order_id": "o1",
}
NEW = {"event_id": "s1", "user_id": "u2", "item_id": "b", "event_type": "view", "timestamp": utc(2024, 3, 1, 8)}
LATE = {"event_id": "s2", "user_id": "u2", "item_id": "c", "event_type": "view", "timestamp": utc(2024, 2, 2, 23, 59)}


@pytest.fixture
def tiny(tiny_shop, tmp_path):
    return tiny_shop(tmp_path)


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path / "streaming", "tiny", "UTC")


def put(zone: commit_log.Zone, first: int, *events: dict) -> None:
    """Commit events as offsets from `first` on."""
    origin = [
        pl.lit("t").alias("topic"),
        pl.lit(0, pl.Int32).alias("partition"),
        (pl.int_range(pl.len()) + first).alias("offset"),
    ]
    found = rows("events", *events).with_columns(origin).select(list(commit_log.ROWS))
    dead, facts = (
        pl.DataFrame(schema=commit_log.DEAD),
        {"n_messages": len(events), "n_duplicates": 0, "latency": {}, "sent": 0},
    )
    commit_log.commit(zone, "t-0", first, first + len(events), found, dead, lambda: facts)


def land(tiny, zone, raw) -> pl.DataFrame:
    compaction.compact(zone)
    files = landing.ingest(tiny.shop, tiny.source, raw, Ingest(), streamed=commit_log.day_files(zone))
    return files.filter(pl.col("file").str.starts_with("stream/"))


def test_each_event_day_is_one_file_and_late_events_are_in_theirs(tiny, zone, tmp_path):
    put(zone, 0, NEW, LATE)
    found = land(tiny, zone, tmp_path / "raw")
    assert found.select("file", "day", "rows_landed", "state").rows() == [
        ("stream/events-2024-02-02.parquet", date(2024, 2, 2), 1, "landed"),
        ("stream/events-2024-03-01.parquet", date(2024, 3, 1), 1, "landed"),
    ]
    assert set(land(tiny, zone, tmp_path / "raw")["state"]) == {"known"}
    assert landing.no_longer_delivered(tiny.shop, tiny.source, tmp_path / "raw") == []


def test_a_day_that_grows_is_a_new_version_and_readers_see_each_event_once(tiny, zone, tmp_path):
    raw = tmp_path / "raw"
    put(zone, 0, NEW)
    land(tiny, zone, raw)
    put(zone, 1, {**NEW, "event_id": "s0"})
    assert land(tiny, zone, raw)["state"].to_list() == ["new version"]
    landed = lake.read(raw, "tiny", "events").filter(pl.col("source_file").str.starts_with("stream/"))
    # a line stays the same event: s0 sorts before s1, and comes after it
    assert landed.select("event_id", "source_line").rows() == [("s1", 1), ("s0", 2)]


def test_what_came_by_file_and_by_stream_counts_once(tiny, zone, tmp_path):
    raw = tmp_path / "raw"
    put(zone, 0, AGAIN, NEW, LATE)
    land(tiny, zone, raw)
    landed = {table: lake.landed(raw, "tiny", table) for table in tiny.shop.delivered}
    counts, _ = row_checks.judge(tiny.shop, landed, Validate(), utc(2024, 4, 1), tmp_path / "good", tmp_path / "held")
    assert counts["events"]["duplicates"] == 1
    good = pl.read_parquet(tmp_path / "good" / "events.parquet")
    assert sorted(good["event_id"]) == ["e1", "e2", "e3", "e4", "e5", "s1", "s2"]
