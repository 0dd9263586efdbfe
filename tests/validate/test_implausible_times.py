"""Events in the far past or in the future: the report says how far away they are and what they look like."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from conftest import utc

from recomart_lib.validate import implausible_times
from recomart_lib.validate.implausible_times import START, Period
from recomart_lib.validate.settings import Validate

VALID = Period(utc(2025, 1, 1, 12), utc(2025, 5, 30))


def quarantined(*times: datetime, rule: str = "timestamp_plausible") -> pl.DataFrame:
    rows = [{"reasons": f"price_possible; {rule}", "timestamp": time} for time in times]
    places = {"source_file": "e.csv", "source_line": pl.int_range(2, len(rows) + 2, dtype=pl.Int64)}
    frame = pl.DataFrame(rows, schema={"reasons": pl.String, "timestamp": pl.Datetime("us", "UTC")})
    return frame.with_columns(pl.lit(places["source_file"]).alias("source_file"), source_line=places["source_line"])


def sentence(*times: datetime, time_format: str | None = None, valid: Period | None = VALID) -> str:
    return implausible_times.sentences(quarantined(*times), valid, time_format)[0]


def test_seconds_in_a_column_of_milliseconds():
    times = [START + (VALID.first + timedelta(days=n) - START) / 1_000 for n in range(22)]
    assert sentence(*times, time_format="epoch_ms") == (
        "**22 events before validate.first_day, on 1970-01-21, are in quarantine**, 54.9 years before the first valid "
        "event (seconds in a column of milliseconds?); the first: e.csv, line 2."
    )


@pytest.mark.parametrize(
    ("time", "time_format", "guess"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), None, "(Go and .NET write this for no time)"),
        (datetime(1900, 1, 1, tzinfo=UTC), None, "SQL Server"),
        (START, None, "(a zero for no time?)"),
        (datetime(25, 3, 1, tzinfo=UTC), "%d.%m.%Y", "%y instead of %Y"),
        (START + (VALID.first - START) / 1_000, "epoch_us", "(milliseconds in a column of microseconds?)"),
        (START + (VALID.first - START) / 1_000_000, "epoch_us", "(seconds in a column of microseconds?)"),
        (START + (VALID.first - START) / 86_400, "%s", "(days in a column of seconds?)"),
    ],
)
def test_what_a_time_looks_like(time, time_format, guess):
    assert guess in sentence(time, time_format=time_format)


@pytest.mark.parametrize("time_format", [None, "epoch_s", "epoch_ms", "epoch_ns", "%Y-%m-%d"])
def test_nothing_is_guessed_without_reason(time_format):
    assert "(" not in sentence(utc(1985, 6, 1), time_format=time_format)


def test_events_after_their_ingestion():
    rows = quarantined(utc(2027, 1, 1), utc(2027, 2, 1), rule="timestamp_not_in_future")
    assert implausible_times.sentences(rows, VALID, None) == [
        "**2 events after their ingestion (was the clock right then?), from 2027-01-01 to 2027-02-01, are in "
        "quarantine**, 1.6 years after the last valid event; the first: e.csv, line 2."
    ]


def test_without_such_events_there_is_no_sentence():
    assert implausible_times.sentences(quarantined(utc(2025, 1, 1), rule="price_possible"), VALID, None) == []


def test_without_valid_events_there_is_no_distance():
    assert "valid event" not in sentence(utc(1985, 6, 1), valid=None)
    assert implausible_times.period(quarantined().lazy()) is None
    assert implausible_times.period(quarantined(utc(2025, 1, 2), utc(2025, 1, 1)).lazy()).first == utc(2025, 1, 1)


def test_the_last_plausible_day_is_that_of_the_earliest_zone():
    days = implausible_times.plausible_days(Validate(first_day="1995-02-03"), utc(2025, 1, 1, 11))
    assert days == (date(1995, 2, 3), date(2025, 1, 2))
