"""Takeaways of stage 04: what they say, also of windows without users, and what warns of a split."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from conftest import utc

from recomart_lib.prepare import takeaways
from recomart_lib.prepare.outliers import Outliers
from recomart_lib.prepare.splits import Window

MANY = {"users_in_window": 500, "evaluated_all": 400, "evaluated_novel": 300, "cold_users": 1}
MANY |= {"train_users": 900, "train_items": 1}
TEST = Window("test", utc(2024, 5, 31, 22), utc(2024, 6, 30, 22))


def outliers(n: int = 0, gap: int = 1) -> Outliers:
    events = pl.DataFrame(
        {
            "event_id": [f"e{k}" for k in range(n)],
            "day": [date(1999, 1, 1)] * n,
            "side": ["before"] * n,
            "days_apart": [400] * n,
        },
        {"event_id": pl.String, "day": pl.Date, "side": pl.String, "days_apart": pl.Int64},
    )
    return Outliers(events, date(2024, 1, 1), date(2024, 6, 1), gap, date(2024, 3, 1))


def test_the_split_is_said_in_local_days():
    assert takeaways.split(TEST, MANY, "Europe/Berlin", 30) == (
        "**Models learn from what happened before 2024-06-01** (900 users, 1 product) **and are evaluated on the 30 "
        "days from then on**. Models and parameters are chosen on the 30 days before."
    )
    assert takeaways.split(TEST, MANY | {"train_users": 0}, "UTC", 30).startswith("*Not applicable: ")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "**Test window: 400 of 500 users (80 %) can be evaluated**: they, and a product"),
        ({}, "300 of them chose a known product that was new to them. 1 is a cold user."),
        ({"evaluated_novel": 0}, "None of them chose a known product that was new to them."),
        ({"cold_users": 0}, "None is a cold user."),
        ({"cold_users": 2}, "2 are cold users."),
        ({"evaluated_all": 0}, "**Test window: none of 500 users can be evaluated**"),
        ({"users_in_window": 1, "evaluated_all": 0}, "**Test window: none of 1 user can be evaluated**"),
        ({"users_in_window": 0}, "*Not applicable: the test window has no relevant events"),
    ],
)
def test_users_that_can_be_evaluated_are_counted(changed, expected):
    assert expected in takeaways.evaluable_users(MANY | changed, "test")


def test_far_events_need_more_than_one_day():
    assert takeaways.outliers(outliers(gap=0), 30).startswith("*Not applicable: all events are of one day")
    assert takeaways.outliers(outliers(gap=1), 30) == "All events lie in one period without long gaps."


@pytest.mark.parametrize(
    ("changed", "found", "expected"),
    [
        ({}, outliers(), ""),
        ({"evaluated_all": 300, "evaluated_novel": 300}, outliers(), ""),
        (
            {"evaluated_novel": 299},
            outliers(),
            "Only 299 users can be evaluated in *Discovery (novel)*: its scores will be unsure.",
        ),
        (
            {"evaluated_all": 1, "evaluated_novel": 0},
            outliers(),
            "Only 1 user can be evaluated in *Lists as delivered (all)*: its scores will be unsure. "
            "Nobody can be evaluated in *Discovery (novel)*.",
        ),
        ({}, outliers(n=1), "1 event far from all others is left out."),
        ({}, outliers(n=2), "2 events far from all others are left out."),
        ({}, outliers(gap=30), ""),
        ({}, outliers(gap=31), "For 31 days before 2024-03-01, there are no events."),
    ],
)
def test_what_warns_of_a_split(changed, found, expected):
    assert takeaways.warning(MANY | changed, found, 30) == expected
