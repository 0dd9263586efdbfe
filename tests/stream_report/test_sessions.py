"""Sessions from the log of a stream: gaps, minutes without events, and takeaways."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from conftest import utc

from recomart_lib.stream_report import sessions, takeaways


def table(*minutes: datetime, **columns: object) -> pl.DataFrame:
    """Minutes of ten events each, unless `columns` says otherwise."""
    counts = {"n_messages": 10, "n_events": 10, "n_dead": 0, "n_duplicates": 0, "p50": 5.0, "p95": 6.0, "p99": 7.0}
    rows = [{"minute": minute, **counts, "max": 8.0, **columns} for minute in minutes]
    return pl.DataFrame(rows, schema=sessions.MINUTES)


START = utc(2026, 1, 1, 12)
AT = [START + timedelta(minutes=minute) for minute in (0, 1, 31, 62, 64)]


@pytest.mark.parametrize(("gap_min", "left"), [(31, AT), (30, AT[3:]), (2, AT[3:]), (1, AT[4:])])
def test_a_session_ends_with_a_gap_longer_than_gap_min(gap_min, left):
    assert sessions.last_session(table(*AT), gap_min)["minute"].to_list() == left


def test_without_events_there_is_no_session():
    empty = sessions.last_session(table(), 30)
    assert empty.height == 0
    assert sessions.per_minute(empty).height == 0
    assert "no event has been streamed yet" in takeaways.last_session(empty, 0)
    assert "its latency to the disk is unknown" in takeaways.latency_to_disk(empty)


def test_minutes_without_events_are_zero():
    counted = sessions.per_minute(table(AT[3], AT[4]))
    assert counted.rows() == [(AT[3], 10), (AT[3] + timedelta(minutes=1), 0), (AT[4], 10)]
