"""Events that an earlier version accepted become dead letters, in the zone and on their topic."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from stream_data import consume, events, sent_dead_letters, stream_of

from recomart.project.params import Stream
from recomart.streaming import quarantine
from recomart.streaming.producer import produce
from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, compaction
from recomart_lib.validate.settings import Validate

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path, "s", "UTC")


def put(zone: commit_log.Zone, rows: pl.DataFrame, topic: str = "t") -> None:
    """Commit events as an earlier version did, without today's checks."""
    n = rows.height
    placed = rows.with_columns(
        topic=pl.lit(topic), partition=pl.lit(0, pl.Int32), offset=pl.int_range(n, dtype=pl.Int64)
    )
    stats = {"n_messages": n, "n_duplicates": 0, "latency": {}, "sent": 0}
    dead = pl.DataFrame(schema=commit_log.DEAD)
    commit_log.commit(zone, f"{topic}-0", 0, n, placed.select(list(commit_log.ROWS)), dead, lambda: stats)


@pytest.mark.parametrize("compacted", [False, True])
def test_what_the_stream_rejects_today_is_found_and_moved(zone, compacted):
    bad = [
        events(1, 10, timestamp=datetime(1970, 1, 21, tzinfo=UTC)),
        events(1, 11, timestamp=datetime(2027, 1, 1, tzinfo=UTC)),
        events(1, 12, item_id=" "),
        events(1, 13, event_id="x" * 600),
        events(1, 14, quantity=float("inf")),
    ]
    put(zone, pl.concat([events(10), *bad, events(10, 20, quantity=0.53)]))
    if compacted:
        compaction.compact(zone)
    rejected = quarantine.rejected(zone, Stream(), Validate(), NOW)
    assert rejected.sort("offset").get_column("reason").to_list() == [
        "timestamp: before 1990-01-01 (params.yaml: validate.first_day)",
        "timestamp: more than 300 s in the future",
        "item_id: missing or blank",
        "event_id: longer than 512 characters",
        "quantity: not a finite number",
    ]
    assert quarantine.move(zone, rejected).height == 5
    assert quarantine.rejected(zone, Stream(), Validate(), NOW).height == 0
    assert sorted(commit_log.read(zone).get_column("offset")) == [*range(10), *range(15, 25)]


def test_events_are_named_by_their_ids(zone):
    put(zone, events(5))
    quarantine.move(zone, quarantine.named(zone, ["e1", "e3"], "a test"))
    assert set(commit_log.dead_letters(zone).get_column("reason")) == {"a test"}
    assert sorted(commit_log.read(zone).get_column("event_id")) == ["e0", "e2", "e4"]
    with pytest.raises(UserError, match="no event with 2 of these ids, the first: 'e1'"):
        quarantine.named(zone, ["e0", "e1", "e9"], "a test")


def test_moved_events_go_to_the_topic_once_and_may_come_again_corrected(embedded_broker, zone):
    stream = stream_of(embedded_broker)
    produce(events(20), stream)
    consume(zone, stream)
    quarantine.move(zone, quarantine.named(zone, ["e7"], "a test"))
    assert quarantine.send(zone, stream) == 1
    assert quarantine.send(zone, stream) == 0
    [(_, headers)] = sent_dead_letters(stream)
    assert headers["reason"] == "a test"
    produce(events(3, 6, quantity=2.0), stream)
    assert consume(zone, stream) == 1
    again = commit_log.read(zone).filter(pl.col("event_id") == "e7")
    assert again.get_column("quantity").to_list() == [2.0]
    assert len(sent_dead_letters(stream)) == 1


def test_a_running_consumer_accepts_a_corrected_event(embedded_broker, zone):
    """It remembers the id of the event; the zone says that it became a dead letter."""
    stream, seen = stream_of(embedded_broker), []

    def follow(rows: pl.DataFrame) -> None:
        if not seen:
            quarantine.move(zone, quarantine.named(zone, ["e7"], "a test"))
            produce(events(2, 7), stream)
        seen.extend(rows.get_column("event_id"))

    produce(events(1, 7), stream)
    consume(zone, stream, follow=follow)
    assert sorted(seen) == ["e7", "e7", "e8"]
    assert sorted(commit_log.read(zone).get_column("event_id")) == ["e7", "e8"]


def test_without_a_broker_they_stay_unsent(zone):
    put(zone, events(2))
    quarantine.move(zone, quarantine.named(zone, ["e1"], "a test"))
    with pytest.raises(UserError, match="make kafka"):
        quarantine.send(zone, Stream())
    assert commit_log.latest_compaction(zone)["unsent"] == [["t", 0, 1]]
