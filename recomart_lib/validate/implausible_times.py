"""Events before validate.first_day or after the ingestion: how far from the others, and what their times look like."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import polars as pl

from recomart_lib.core.text import plural, safe
from recomart_lib.core.time_formats import canonical
from recomart_lib.validate.settings import Validate

LATER = "after their ingestion (was the clock right then?)"
RULES = {"timestamp_plausible": "before validate.first_day", "timestamp_not_in_future": LATER}
YEAR = timedelta(days=365.25)
START = datetime(1970, 1, 1, tzinfo=UTC)
# What programs write for "no time", by the day in UTC.
ZEROS = {
    date(1, 1, 1): "Go and .NET write this for no time",
    date(1601, 1, 1): "Windows counts from this day: a missing time?",
    date(1899, 12, 30): "Excel counts from this day: a missing time?",
    date(1900, 1, 1): "SQL Server counts from this day: a missing time?",
}
# timestamp_format -> what was delivered instead -> by how much the moment is too near to 1970.
UNITS = {
    "epoch_s": {"days in a column of seconds?": 86_400},
    "epoch_ms": {"seconds in a column of milliseconds?": 1_000},
    "epoch_us": {
        "milliseconds in a column of microseconds?": 1_000,
        "seconds in a column of microseconds?": 1_000_000,
    },
    "epoch_ns": {
        "microseconds in a column of nanoseconds?": 1_000,
        "milliseconds in a column of nanoseconds?": 1_000_000,
        "seconds in a column of nanoseconds?": 1_000_000_000,
    },
}


class Period(NamedTuple):
    """The times of the first and the last valid event."""

    first: datetime
    last: datetime


def plausible_days(settings: Validate, now: datetime) -> tuple[date, date]:
    """The first and the last day on which an event may be; a day is local, at most 14 hours ahead of UTC."""
    return date.fromisoformat(settings.first_day), (now + timedelta(hours=14)).date()


def period(events: pl.LazyFrame) -> Period | None:
    """The period of the validated events, which are sorted by time; None if there are none."""
    first, last = events.select(first=pl.col("timestamp").min(), last=pl.col("timestamp").max()).collect().row(0)
    return None if first is None else Period(first, last)


def sentences(quarantined: pl.DataFrame, valid: Period | None, time_format: str | None) -> list[str]:
    """One sentence per rule about times that rows in quarantine fail.

    Parameters
    ----------
    quarantined
        The quarantine of events: reasons, timestamp, source_file, source_line.
    time_format
        The shop file's `timestamp_format` of events.
    """
    result = []
    for rule, meaning in RULES.items():
        rows = quarantined.filter(pl.col("reasons").str.contains(rule, literal=True)).drop_nulls("timestamp")
        if rows.height:
            result.append(_sentence(rows.sort("timestamp"), meaning, valid, time_format))
    return result


def _sentence(rows: pl.DataFrame, meaning: str, valid: Period | None, time_format: str | None) -> str:
    times = rows.get_column("timestamp")
    first, last = times[0], times[-1]
    when = f"on {_day(first)}" if first.date() == last.date() else f"from {_day(first)} to {_day(last)}"
    row = rows.row(0, named=True)
    line = f"; the first: {safe(row['source_file'])}, line {row['source_line']}"
    meant = f" ({sense})" if (sense := guess(times, valid, time_format)) else ""
    return (
        f"**{plural(rows.height, 'event')} {meaning}, {when}, {'is' if rows.height == 1 else 'are'} in quarantine**"
        f"{_distance(first, last, valid)}{meant}{line}."
    )


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _distance(first: datetime, last: datetime, valid: Period | None) -> str:
    if valid is None:
        return ""
    if last < valid.first:
        return f", {_span(valid.first - last)} before the first valid event"
    return f", {_span(first - valid.last)} after the last valid event" if first > valid.last else ""


def _span(time: timedelta) -> str:
    return f"{time / YEAR:.1f} years" if time > YEAR else plural(time.days, "day")


def guess(times: pl.Series, valid: Period | None, time_format: str | None) -> str | None:
    """What sorted times may be instead, if it is the same for the earliest, the middle and the latest."""
    guesses = {_looks_like(times[place], valid, time_format) for place in (0, times.len() // 2, -1)}
    return guesses.pop() if len(guesses) == 1 else None


def _looks_like(moment: datetime, valid: Period | None, time_format: str | None) -> str | None:
    if moment.date() in ZEROS:
        return ZEROS[moment.date()]
    if moment.year < 100:
        return "years of two digits? Then write %y instead of %Y in timestamp_format"
    if abs(moment - START) < timedelta(seconds=2):
        return "a zero for no time?"
    for unit, factor in UNITS.get(canonical(time_format or ""), {}).items() if valid else ():
        # in floating-point seconds: an impossible guess may be beyond the year 9999
        meant = (moment - START).total_seconds() * factor
        if (valid.first - YEAR - START).total_seconds() < meant < (valid.last + YEAR - START).total_seconds():
            return unit
    return None
