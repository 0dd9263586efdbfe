"""Takeaways of stage `stream_report`: their content, and that it follows the numbers."""

from __future__ import annotations

import polars as pl
import pytest
from conftest import utc

from recomart_lib.stream_report import sessions, takeaways


def test_takeaway_accounts_for_all_messages():
    counts = {"n_messages": 10, "n_events": 7, "n_dead": 1, "n_duplicates": 2}
    row = {"minute": utc(2026, 1, 1, 13, 2), **counts, "p50": 5.0, "p95": 6.0, "p99": 7.0, "max": 8.0}
    session = pl.DataFrame([row], schema=sessions.MINUTES)
    takeaway = takeaways.last_session(session, 30)
    assert "10 messages: 7 new events, 1 dead letter, 2 duplicates" in takeaway
    assert "All sessions together: 30 events" in takeaway


def test_dead_letter_reasons_are_escaped():
    reasons = pl.DataFrame({"reason": ["<b>bad</b>", "other"], "n": [3, 1]})
    takeaway = takeaways.dead_letters(reasons)
    assert "4 dead letters" in takeaway
    assert "75 %" in takeaway
    assert "<b>" not in takeaway
    assert "no dead letters" in takeaways.dead_letters(reasons.clear())


@pytest.mark.parametrize(
    ("p99", "verdict"), [(211.0, "is met"), (1_000.0, "is missed"), (None, "nothing was measured")]
)
def test_latency_to_features_is_compared_with_the_target(p99, verdict):
    assert verdict in takeaways.latency_to_features({"p50": 70.0, "p99": p99}, 1_000)
