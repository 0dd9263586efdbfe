"""Streamed events in the lake: a file per day, a day that grows, and events that come twice count once."""

from __future__ import annotations

from datetime import date

import polars as pl
from conftest import rows, utc

from recomart_lib.ingest import ingestion, lake
from recomart_lib.ingest.settings import Ingest
from recomart_lib.stream import commit_log, compaction, moves
from recomart_lib.validate import row_checks
from recomart_lib.validate.settings import Validate

# e2 of the tiny shop, as its file has it, and two new events; the second is of an earlier day
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


def put(zone: commit_log.Zone, first: int, *events: dict) -> None:
    """Commit events as offsets from `first` on."""
    origin = [
        pl.lit("t").alias("topic"),
        pl.lit(0, pl.Int32).alias("partition"),
        (pl.int_range(pl.len()) + first).alias("offset"),
    ]
    events_with_origin = rows("events", *events).with_columns(origin).select(list(commit_log.ROWS))
    dead, stats = (
        pl.DataFrame(schema=commit_log.DEAD),
        {"n_messages": len(events), "n_duplicates": 0, "latency": {}, "sent": 0},
    )
    commit_log.commit(zone, "t-0", first, first + len(events), events_with_origin, dead, lambda: stats)


def ingest(tiny, zone, raw) -> pl.DataFrame:
    compaction.compact(zone)
    files = ingestion.ingest(tiny.shop, tiny.source, raw, Ingest(), streamed=commit_log.day_files(zone))
    return files.filter(pl.col("file").str.starts_with("stream/"))


def test_each_event_day_is_one_file_and_late_events_are_in_theirs(tiny, zone, tmp_path):
    put(zone, 0, NEW, LATE)
    files = ingest(tiny, zone, tmp_path / "raw")
    assert files.select("file", "day", "rows_ingested", "state").rows() == [
        ("stream/events-2024-02-02.parquet", date(2024, 2, 2), 1, "new"),
        ("stream/events-2024-03-01.parquet", date(2024, 3, 1), 1, "new"),
    ]
    assert set(ingest(tiny, zone, tmp_path / "raw")["state"]) == {"unchanged"}
    assert ingestion.no_longer_delivered(tiny.shop, tiny.source, tmp_path / "raw") == []


def test_a_day_that_grows_is_a_new_version_and_readers_see_each_event_once(tiny, zone, tmp_path):
    raw = tmp_path / "raw"
    put(zone, 0, NEW)
    ingest(tiny, zone, raw)
    put(zone, 1, {**NEW, "event_id": "s0"})
    assert ingest(tiny, zone, raw)["state"].to_list() == ["new version"]
    events = lake.read(raw, "tiny", "events").filter(pl.col("source_file").str.starts_with("stream/"))
    # a line stays the same event: s0 sorts before s1, and comes after it
    assert events.select("event_id", "source_line").rows() == [("s1", 1), ("s0", 2)]


def test_events_that_became_dead_letters_leave_the_lake_and_its_calendar(tiny, zone, tmp_path):
    raw = tmp_path / "raw"
    put(zone, 0, NEW, LATE)
    ingest(tiny, zone, raw)
    moved = pl.DataFrame([("t", 0, 0, "a test")], schema=moves.MOVES, orient="row")
    compaction.move(zone, moved)
    assert ingest(tiny, zone, raw)["state"].to_list() == ["unchanged", "new version"]
    files = ingestion.ingest(tiny.shop, tiny.source, raw, Ingest(), streamed=commit_log.day_files(zone))
    streamed = lake.read(raw, "tiny", "events").filter(pl.col("source_file").str.starts_with("stream/"))
    assert streamed.get_column("event_id").to_list() == ["s2"]
    assert ingestion.per_day(files).get_column("day").max() == date(2024, 2, 2)


def test_events_from_file_and_stream_count_once(tiny, zone, tmp_path):
    raw = tmp_path / "raw"
    put(zone, 0, AGAIN, NEW, LATE)
    ingest(tiny, zone, raw)
    lake_tables = {table: lake.table(raw, "tiny", table) for table in tiny.shop.delivered}
    counts, _ = row_checks.check_tables(
        tiny.shop, lake_tables, Validate(), utc(2024, 4, 1), tmp_path / "good", tmp_path / "quarantine"
    )
    assert counts["events"]["duplicates"] == 1
    good = pl.read_parquet(tmp_path / "good" / "events.parquet")
    assert sorted(good["event_id"]) == ["e1", "e2", "e3", "e4", "e5", "s1", "s2"]
