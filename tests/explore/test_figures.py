"""Figures of stage 03: true titles for few and for no events."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.explore import figures, summaries

pytestmark = pytest.mark.usefixtures("close_figures")


def title_of(ax) -> str:
    return " ".join(ax.figure.get_suptitle().split())


def grid(**events: dict[str, int]) -> pl.DataFrame:
    """A table like `summaries.week_hours`: events by day and hour."""
    total = sum(n for hours in events.values() for n in hours.values()) or 1
    rows = [(day, *(events.get(day, {}).get(str(hour), 0) / total for hour in range(24))) for day in summaries.WEEKDAYS]
    return pl.DataFrame(rows, schema=["day", *map(str, range(24))], orient="row")


def test_days_without_events_are_named():
    open_days = {day: {"9": 1, "12": 2} for day in summaries.WEEKDAYS if day not in ("Sat", "Sun")}
    ax = figures.week_heatmap(grid(**open_days), "T")
    assert title_of(ax) == "Busiest: Mon 12:00 to 13:00, 13 % of the events; no events on Sat and Sun"
    assert [text.get_text() for text in ax.texts] == ["no events", "no events"]
    assert len(ax.patches) == 10  # one per hour with events


def test_one_busy_hour_is_not_a_busiest_one():
    assert title_of(figures.week_heatmap(grid(Tue={"0": 5}), "T")) == "All events are on Tue, 0:00 to 1:00"


def test_no_events_are_no_figure():
    assert figures.week_heatmap(grid(), "T").texts[0].get_text() == "T: no events."
    nothing = pl.DataFrame({"n": [], "share": []}, schema={"n": pl.Int64, "share": pl.Float64})
    assert figures.long_tail({"products": nothing}, "T").texts[0].get_text() == "T: no events."


@pytest.mark.parametrize(
    ("share", "title"),
    [
        ([1.0], "100 % of the events are of the top 100 % of products"),
        ([0.5, 0.6, 0.7, 0.8, 0.9, *[1.0] * 5], "50 % of the events are of the top 10 % of products"),
    ],
)
def test_the_head_of_the_tail(share, title):
    assert title_of(figures.long_tail({"products": pl.DataFrame({"share": share})}, "T")) == title
