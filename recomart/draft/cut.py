"""How long the test window should be: long enough to evaluate several hundred users, short enough to leave history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

ENOUGH = 300  # users that a window should be able to evaluate
HORIZONS = (30, 14, 60, 90, 7, 120, 180)  # days; the first that is long enough wins
DEFAULT = 30
MIN_HISTORY = 1.5  # horizons before the validation window, at least
# A tail of weeks with a fifth of the usual events is no shop's trade; it begins where they fall below a half.
THIN, THINNING = 0.2, 0.5
MIN_TAIL, MAX_TAIL = 3, 26  # weeks
YEAR, MIN_WEEKS, MIN_EVENTS = 52, 20, 20


class Window(NamedTuple):
    """A horizon in days, and how many users the validation and the test window can evaluate."""

    days: int
    validation: int
    test: int


class Cut(NamedTuple):
    """The proposed horizon, its alternatives, and the day since when the feed thins out (None: it does not)."""

    best: Window
    others: list[Window]
    thin_since: datetime | None
    first: datetime
    last: datetime


def propose(rows: pl.DataFrame, relevant: list[str]) -> Cut | None:
    """The windows of the events with a user: one row each, with user, time and, if there is one, type."""
    rows = rows.drop_nulls(["user", "time"])
    if not rows.height:
        return None
    first, last = rows["time"].min(), rows["time"].max()
    thin_since = _thin_since(rows["time"])
    if thin_since is not None:
        rows = rows.filter(pl.col("time") < thin_since)
        last = rows["time"].max()
    is_relevant = pl.col("type").is_in(relevant) if "type" in rows.columns else pl.lit(True)
    relevant_rows = rows.filter(is_relevant).select("user", "time")
    windows = [_window(rows, relevant_rows, last, days) for days in HORIZONS if _fits(first, last, days)]
    if not windows:
        days = max(1, (last - first).days // 4)
        windows = [_window(rows, relevant_rows, last, days)]
    best = next((window for window in windows if min(window.validation, window.test) >= ENOUGH), None)
    best = best or max(windows, key=lambda window: (min(window.validation, window.test), -window.days))
    return Cut(best, [window for window in windows if window is not best], thin_since, first, last)


def _fits(first: datetime, last: datetime, days: int) -> bool:
    return (last - first).days + 1 >= (2 + MIN_HISTORY) * days


def _window(rows: pl.DataFrame, relevant: pl.DataFrame, last: datetime, days: int) -> Window:
    end = datetime(last.year, last.month, last.day) + timedelta(days=1)
    cut = end - timedelta(days=days)
    return Window(
        days, _evaluable(rows, relevant, cut - timedelta(days=days), cut), _evaluable(rows, relevant, cut, end)
    )


def _evaluable(rows: pl.DataFrame, relevant: pl.DataFrame, start: datetime, end: datetime) -> int:
    """The users with a relevant event in the window and an event before it."""
    inside = relevant.filter(pl.col("time").is_between(start, end, closed="left")).get_column("user").unique()
    before = rows.filter(pl.col("time") < start).get_column("user").unique()
    return int(inside.is_in(before.implode()).sum()) if before.len() and inside.len() else 0


def _thin_since(times: pl.Series) -> datetime | None:
    """The day since when only a trickle of events comes, until the end; None if trade goes on."""
    weeks = times.dt.truncate("1w").alias("week").value_counts(name="n").sort("week")
    weeks = weeks.upsample("week", every="1w").with_columns(pl.col("n").fill_null(0))
    counts = weeks.get_column("n").to_list()
    recent = sorted(n for n in counts[-YEAR:] if n)
    usual = recent[len(recent) // 2]
    if len(counts) < MIN_WEEKS or usual < MIN_EVENTS:
        return None
    n_thin = _n_last_below(counts, THIN * usual)
    if not MIN_TAIL <= n_thin <= MAX_TAIL:
        return None
    return weeks.get_column("week")[len(counts) - _n_last_below(counts, THINNING * usual)]


def _n_last_below(counts: list[int], limit: float) -> int:
    """How many of the last weeks in a row have fewer events."""
    return next((n for n, count in enumerate(reversed(counts)) if count >= limit), len(counts))
