"""Figures of stage 09: true titles for one minute, equal minutes and none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from recomart_lib.stream_report import figures

pytestmark = pytest.mark.usefixtures("close_figures")


@pytest.mark.parametrize(
    ("counts", "title"),
    [
        ([3, 9, 4], "Highest at 12:01: 9 events; the median is 4"),
        ([5, 5], "The same in all 2 minutes: 5 events"),
        ([7, None], "One minute, 12:00: 7 events"),
    ],
)
def test_minutes(counts, title):
    start = datetime(2026, 1, 1, 12, tzinfo=UTC)
    table = pl.DataFrame({"minute": [start + timedelta(minutes=n) for n in range(len(counts))], "n": counts})
    ax = figures.by_minute(table, "n", "events", "T")
    assert ax.figure.get_suptitle() == title
    ax.figure.canvas.draw()
    assert figures.by_minute(table.clear(), "n", "events", "T").texts[0].get_text() == "T: no data."
