"""The steps of the funnel add up, and count what the split and the evaluation count."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
from conftest import rows, utc

from recomart_lib.prepare import funnel, splits

TEST = splits.Window("test", utc(2024, 2, 1), utc(2024, 3, 2))
TICK = timedelta(microseconds=1)
EVENTS = [
    ("u1", "a", "purchase", utc(2024, 1, 1)),
    ("u1", "b", "view", TEST.start - TICK),
    ("u2", "a", "return", utc(2024, 1, 3)),  # no interaction: a return shows no interest
    ("u1", "a", "purchase", TEST.start),  # a repeat: counts in protocol all only
    ("u1", "a", "purchase", utc(2024, 2, 9)),  # the same pair again
    ("u1", "b", "purchase", utc(2024, 2, 9)),
    ("u1", "b", "view", utc(2024, 2, 9)),
    ("u3", "a", "purchase", TEST.end - TICK),  # cold
    ("u4", "a", "purchase", TEST.end),
]


def counts(events, users=("u1", "u2", "u3", "u4", "u5"), n_far=0):
    names = ("user_id", "item_id", "event_type", "timestamp")
    records = [{"event_id": f"e{n}", **dict(zip(names, event, strict=True))} for n, event in enumerate(events)]
    table = rows("events", *records).with_columns(weight=pl.lit(1.0))
    live = splits.after(table.get_column("timestamp").max())
    parts = splits.split_windows(table, [TEST, live], ["purchase"])
    users = rows("users", *({"user_id": user} for user in users))
    return funnel.counts(table, users, n_far, TEST, parts, ["purchase"])


def test_events_by_step():
    events = counts(EVENTS, n_far=2)["events"]
    assert events == {
        "validated": 11,
        "far": 2,
        "before_cut": 3,
        "in_window": 5,
        "after_window": 1,
        "relevant_in_window": 4,
        "evaluated_all": 3,
        "evaluated_novel": 1,
    }
    assert events["validated"] == sum(events[step] for step in ("far", "before_cut", "in_window", "after_window"))


def test_users_by_step():
    assert counts(EVENTS)["users"] == {
        "rows": 5,
        "with_event": 4,
        "with_interaction": 3,  # not u2, who only returned
        "event_before_cut": 2,
        "trained": 1,
        "in_window": 2,
        "warm": 1,
        "evaluated_all": 1,
        "evaluated_novel": 1,
    }


def test_nothing_in_the_window():
    after = counts(EVENTS[:3])
    assert (after["events"]["in_window"], after["events"]["evaluated_all"]) == (0, 0)
    assert (after["users"]["in_window"], after["users"]["warm"]) == (0, 0)
