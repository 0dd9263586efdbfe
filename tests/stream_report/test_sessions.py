"""What a stream brought, from its log: sessions, silent minutes, and sentences that fit what happened."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest
from conftest import utc

from recomart_lib.stream_report import sessions, takeaways


def table(*minutes: datetime, **columns: object) -> pl.DataFrame:
    """Minutes of ten events each, unless told otherwise."""
    counts = {"n_messages": 10, "n_events": 10, "n_dead": 0, "n_duplicates": 0, "p50": 5.0, "p95": 6.0, "p99": 7.0}
    rows = [{"minute": minute, **counts, "max": 8.0, **columns} for minute in minutes]
    return pl.DataFrame(rows, schema=sessions.MINUTES)


START = utc(2026, 1, 1, 12)
AT = [START + timedelta(minutes=minute) for minute in (0, 1, 31, 62, 64)]


@pytest.mark.parametrize(("gap_min", "left"), [(31, AT), (30, AT[3:]), (2, AT[3:]), (1, AT[4:])])
def test_a_session_ends_with_a_silence_longer_than_the_gap(gap_min, left):
    assert sessions.session(table(*AT), gap_min)["minute"].to_list() == left


def test_nothing_streamed_is_no_session():
    none = sessions.session(table(), 30)
    assert none.height == 0
    assert sessions.per_minute(none).height == 0
    assert "No event was streamed yet" in takeaways.streamed(none, 0)
    assert "Nothing tells how late" in takeaways.streamed_late(none)


def test_silent_minutes_are_zero():
    counted = sessions.per_minute(table(AT[3], AT[4]))
    assert counted.rows() == [(AT[3], 10), (AT[3] + timedelta(minutes=1), 0), (AT[4], 10)]


def test_the_sentences_count_where_messages_went():
    session = table(AT[3], n_messages=10, n_events=7, n_dead=1, n_duplicates=2)
    said = takeaways.streamed(session, 30)
    assert "10 messages: 7 events went into the lake, 1 to the dead letters, 2 had come before" in said
    assert "All sessions together: 30 events" in said


def test_dead_letters_are_told_with_their_first_reason_made_safe():
    reasons = pl.DataFrame({"reason": ["<b>bad</b>", "other"], "n": [3, 1]})
    said = takeaways.dead_letters(reasons)
    assert "4 dead letters" in said
    assert "75.0 %" in said
    assert "<b>" not in said
    assert "no dead letters" in takeaways.dead_letters(reasons.clear())


@pytest.mark.parametrize(("p99", "said"), [(211.0, "is met"), (1_000.0, "is missed"), (None, "nothing was measured")])
def test_the_time_to_the_features_stands_beside_its_target(p99, said):
    assert said in takeaways.followed({"p50": 70.0, "p99": p99}, 1_000)
