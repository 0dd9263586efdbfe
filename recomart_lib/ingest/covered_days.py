"""Sentences of 01_ingest about days without events: closing days of the shop, and gaps in the feed.

`days` is that of `ingestion.per_day`: one row per calendar day, with `n` events. `files` is that of the `LakeTable` of
events. Both count the day of a file, which is that of its events only if the shop delivers a file per day.
"""

from __future__ import annotations

import polars as pl

from recomart_lib.core.text import WEEKDAYS, not_applicable, number, percent, plural

WEEKS = 4  # a day of the week on which nothing ever happens, in at least as many weeks, is a closing day


def covered(days: pl.DataFrame, files: pl.DataFrame) -> str:
    """How many events a day has, and which days have none."""
    if not days.height:
        return not_applicable("there are no events.")
    if not _come_by_day(files):
        return not_applicable("most events come in files of several days; 03 and 04 show the weeks of the events.")
    if days.height == 1:
        return f"**All {plural(days['n'][0], 'event')} are of one day**, {days['day'][0]}."
    n_empty = days.filter(pl.col("n") == 0).height
    gaps = f"Each of {plural(days.height, 'day')} has some."
    if n_empty:
        share = percent(n_empty / days.height)
        gaps = f"{n_empty:,} of {days.height:,} days ({share}) {'has' if n_empty == 1 else 'have'} none{_which(days)}."
    return f"**The median day has {number(days.get_column('n').median())} events.** {gaps}"


def warning(days: pl.DataFrame, files: pl.DataFrame) -> str:
    """That days have no event although the shop is not closed on this day of the week; empty if there are none."""
    gaps, closing = _gaps(days), closing_days(days)
    if not gaps.height or not _come_by_day(files):
        return ""
    besides = f", besides all {' and '.join(f'{name}s' for name in closing)}" if closing else ""
    verb = "has" if gaps.height == 1 else "have"
    return f"{plural(gaps.height, 'day')} {verb} no event{besides}: closing days, or a gap in the feed?"


def _come_by_day(files: pl.DataFrame) -> bool:
    """Whether at least half of the events are in files of one day each."""
    rows = files.get_column("n_rows")
    return 2 * rows.filter(files.get_column("daily")).sum() >= rows.sum()


def closing_days(days: pl.DataFrame) -> list[str]:
    """The days of the week that never have an event."""
    weekdays = days.group_by(number=pl.col("day").dt.weekday()).agg(days=pl.len(), n=pl.col("n").sum())
    closed = weekdays.filter(pl.col("n") == 0, pl.col("days") >= WEEKS).get_column("number")
    return [WEEKDAYS[number - 1] for number in closed.sort()]


def _gaps(days: pl.DataFrame) -> pl.DataFrame:
    """The days without events, without closing days."""
    closed = [WEEKDAYS.index(name) + 1 for name in closing_days(days)]
    return days.filter(pl.col("n") == 0, ~pl.col("day").dt.weekday().is_in(closed))


def _which(days: pl.DataFrame) -> str:
    """Which days have no event: `: all Saturdays and 16 other days; the longest time is ...`."""
    gaps, closing = _gaps(days), closing_days(days)
    parts = [f"all {name}s" for name in closing]
    if closing and gaps.height:
        parts.append(plural(gaps.height, "other day"))
    named = f": {' and '.join(parts)}" if parts else ""
    return f"{named}; {_longest(days)}" if gaps.height else named


def _longest(days: pl.DataFrame) -> str:
    """The longest time without events."""
    empty = days.with_columns(run=(pl.col("n") == 0).rle_id()).filter(pl.col("n") == 0)
    runs = empty.group_by("run").agg(first=pl.col("day").min(), last=pl.col("day").max(), n=pl.len())
    first, last, n = runs.sort("n", "run", descending=[True, False]).select("first", "last", "n").row(0)
    return f"the longest time is {n:,} days, from {first} to {last}" if n > 1 else f"the first is {first}"
