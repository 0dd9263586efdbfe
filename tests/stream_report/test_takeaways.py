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
    takeaway = takeaways.dead_letters(reasons, 40)
    assert "**4 dead letters among 40 messages**" in takeaway
    assert "75 %" in takeaway
    assert "<b>" not in takeaway
    assert takeaways.dead_letters(reasons.clear(), 40) == (
        "**There are no dead letters**: none of 40 messages was unusable."
    )


@pytest.mark.parametrize(
    ("p99", "verdict"),
    [(211.0, "is met"), (1_000.0, "is missed"), (None, "*Not applicable: no event of the session was newer")],
)
def test_latency_to_features_is_compared_with_the_target(p99, verdict):
    assert verdict in takeaways.latency_to_features({"p50": 70.0, "p99": p99}, 1_000)


NO_REASONS = pl.DataFrame(schema={"reason": pl.String, "n": pl.Int64})
NO_SESSION = pl.DataFrame(schema=sessions.MINUTES)
UNKNOWN = {"p50": None, "p99": None}


@pytest.mark.parametrize(
    "sentence",
    [
        takeaways.last_session(NO_SESSION, 0),
        takeaways.latency_to_disk(NO_SESSION),
        takeaways.latency_to_features(UNKNOWN, 1_000),
        takeaways.dead_letters(NO_REASONS, 0),
    ],
)
def test_nothing_is_said_of_what_was_not_streamed(sentence):
    assert sentence.startswith("*Not applicable: ")


def test_a_stream_without_messages_is_no_data():
    assert takeaways.no_data(0).startswith("No event has been streamed yet; ")
    assert takeaways.no_data(1) == ""


def test_dead_letters_and_slow_features_warn():
    assert takeaways.warning(NO_REASONS, UNKNOWN, 1_000) == ""
    assert takeaways.warning(NO_REASONS, UNKNOWN | {"p99": 999.0}, 1_000) == ""
    reasons = pl.DataFrame({"reason": ["x", "y"], "n": [3, 1]})
    assert takeaways.warning(reasons, UNKNOWN | {"p99": 1_000.0}, 1_000) == (
        "4 messages could not be used (dead letters). One in a hundred events took more than 1,000 ms to the online "
        "features; the target is 1,000 ms."
    )
