"""Figures of 09_stream: tables in, an `Axes` out; axes say their units."""

from __future__ import annotations

from datetime import timedelta

import matplotlib.pyplot as plt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter

from recomart_lib.core.plots import ACCENT, empty_figure


def by_minute(minutes: pl.DataFrame, column: str, ylabel: str, title: str) -> Axes:
    """Draw a bar per minute of a session; the first column is the minute."""
    shown = minutes.drop_nulls(column)
    if not shown.height:
        return empty_figure(f"{title}: no data.")
    _, ax = plt.subplots()
    start, minute = shown.to_series(0), timedelta(minutes=1)
    ax.bar(start.to_numpy(), shown.get_column(column).to_numpy(), width=minute, align="edge", color=ACCENT, lw=0)
    # margins, so that a session of one minute also has a time axis
    ax.set_xlim(start[0] - minute, start[-1] + 2 * minute)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(ylabel=ylabel, title=title, xlabel="minute, UTC")
    ax.grid(axis="x", visible=False)
    return ax
