"""Days without events: closing days of the shop, and gaps in the feed."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from recomart_lib.ingest import covered_days

MONDAY = date(2024, 1, 1)


def days(*counts: int) -> pl.DataFrame:
    """Days from a Monday on."""
    rows = {"day": [MONDAY + timedelta(days=n) for n in range(len(counts))], "n": list(counts)}
    return pl.DataFrame(rows, {"day": pl.Date, "n": pl.Int64})


def files(daily: int, others: int = 0) -> pl.DataFrame:
    """Files with so many events, of one day each or of several."""
    return pl.DataFrame({"daily": [True, False], "n_rows": [daily, others]})


WEEK_WITHOUT_SATURDAY = (9, 9, 9, 9, 9, 0, 9)


@pytest.mark.parametrize(
    ("counts", "said", "warns"),
    [
        ((), "*Not applicable: there are no events.*", ""),
        ((7,), "**All 7 events are of one day**, 2024-01-01.", ""),
        ((5, 5, 5), "**The median day has 5 events.** Each of 3 days has some.", ""),
        (
            (5, 0, 5),
            "**The median day has 5 events.** 1 of 3 days (33 %) has none; the first is 2024-01-02.",
            "1 day has no event: closing days, or a gap in the feed?",
        ),
        (
            (5, 0, 5, 0, 0, 0, 5),
            "**The median day has 0 events.** 4 of 7 days (57 %) have none; the longest time is 3 days, "
            "from 2024-01-04 to 2024-01-06.",
            "4 days have no event: closing days, or a gap in the feed?",
        ),
        (
            WEEK_WITHOUT_SATURDAY * 4,
            "**The median day has 9 events.** 4 of 28 days (14 %) have none: all Saturdays.",
            "",
        ),
        (
            (*WEEK_WITHOUT_SATURDAY * 4, 0, 0, 9),
            "**The median day has 9 events.** 6 of 31 days (19 %) have none: all Saturdays and 2 other "
            "days; the longest time is 2 days, from 2024-01-29 to 2024-01-30.",
            "2 days have no event, besides all Saturdays: closing days, or a gap in the feed?",
        ),
    ],
)
def test_closing_days_are_no_gaps(counts, said, warns):
    assert covered_days.covered(days(*counts), files(daily=9)) == said
    assert covered_days.warning(days(*counts), files(daily=9)) == warns


def test_days_of_files_with_several_days_say_nothing():
    gaps = days(9, 0, 9)
    assert covered_days.covered(gaps, files(daily=1, others=2)).startswith(
        "*Not applicable: most events come in files of"
    )
    assert covered_days.warning(gaps, files(daily=1, others=2)) == ""
    assert covered_days.warning(gaps, files(daily=2, others=2)) != ""
