"""How long the test window should be: long enough to evaluate several hundred users, short enough to leave history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

ENOUGH = 300  # users that a window should be able to evaluate
HORIZONS = (30, 14, 60, 90, 7, 120, 180)  # days; the first that is long enough wins
DEFAULT = 30
MIN_HISTORY = 1.0  # horizons before the validation window, at least
THIN, TAIL_DAYS = 0.2, 14  # a tail of so many days with a fifth of the usual events is no shop's trade


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
    days = times.dt.date().value_counts(name="n").sort("time")
    n_days = (days["time"].max() - days["time"].min()).days + 1
    if n_days < 10 * TAIL_DAYS:
        return None
    weeks = times.dt.truncate("1w").value_counts(name="n").sort("time")
    weeks = weeks.upsample("time", every="1w").with_columns(pl.col("n").fill_null(0))
    counts = weeks["n"].to_list()
    usual = sorted(counts[-30:-2])[len(counts[-30:-2]) // 2]
    n_thin = 0
    while n_thin < len(counts) and counts[-1 - n_thin] < THIN * usual:
        n_thin += 1
    if usual < 20 or n_thin * 7 < TAIL_DAYS or n_thin > 15:
        return None
    return weeks["time"][len(counts) - n_thin]
