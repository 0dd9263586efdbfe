"""Figures of 09_stream: tables in, an `Axes` out; axes say their units."""

from __future__ import annotations

from datetime import timedelta
from statistics import median

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter

from recomart_lib.core.plots import ACCENT, empty_figure, titled, values
from recomart_lib.core.text import number


def by_minute(minutes: pl.DataFrame, column: str, ylabel: str, title: str) -> Axes:
    """Draw a bar per minute of a session; the first column is the minute."""
    shown = minutes.drop_nulls(column)
    if not shown.height:
        return empty_figure(f"{title}: no data.")
    _, ax = plt.subplots()
    start, minute = shown.to_series(0), timedelta(minutes=1)
    counts = shown.get_column(column).to_list()
    bars = ax.bar(start.to_numpy(), counts, width=minute, align="edge", color=ACCENT, lw=0)
    for bar, moment, count in zip(bars, start, counts, strict=True):
        values(bar, [f"{moment:%Y-%m-%d %H:%M}: {number(count)} {ylabel}"])
    # margins, so that a session of one minute also has a time axis
    ax.set_xlim(start[0] - minute, start[-1] + 2 * minute)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(ylabel=ylabel, xlabel="minute, UTC")
    ax.grid(axis="x", visible=False)
    titled(ax, _highest(start, counts, ylabel), title)
    return ax


def _highest(minutes: pl.Series, counts: list[float], unit: str) -> str:
    """The highest minute, and the one in the middle."""
    top = max(range(len(counts)), key=lambda i: counts[i])
    if len(counts) == 1:
        return f"One minute, {minutes[0]:%H:%M}: {number(counts[0])} {unit}"
    if len(set(counts)) == 1:
        return f"The same in all {len(counts):,} minutes: {number(counts[0])} {unit}"
    return f"Highest at {minutes[top]:%H:%M}: {number(counts[top])} {unit}; the median is {number(median(counts))}"
