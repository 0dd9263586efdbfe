"""Figures of 03_explore. Each function takes a table and returns an `Axes`; axis labels name their units."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from recomart_lib.core.plots import ACCENT, GREY


def long_tail(counts: dict[str, pl.DataFrame], title: str) -> Axes:
    """Cumulative share of events by share of users or items, most active first; the diagonal is an even spread."""
    _, ax = plt.subplots(figsize=(5.2, 4))
    for (name, shares), style in zip(counts.items(), ("-", "--"), strict=False):
        x = np.arange(1, shares.height + 1) / max(shares.height, 1)
        ax.plot(x, shares.get_column("share"), style, color=ACCENT, label=name)
    ax.plot([0, 1], [0, 1], ":", color=GREY, label="even spread")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set(xlabel="share of users / items, most active first", ylabel="share of events", title=title)
    ax.legend(frameon=False)
    return ax


def week_heatmap(grid: pl.DataFrame, title: str) -> Axes:
    """Heatmap of weekday by hour; the shade is the share of events."""
    figure, ax = plt.subplots(figsize=(8, 2.8))
    mesh = ax.pcolormesh(grid.drop("day").to_numpy(), cmap="Blues")
    bar = figure.colorbar(mesh, ax=ax, label="share of events", format=PercentFormatter(1))
    bar.outline.set_linewidth(0)
    ax.spines[:].set_visible(False)
    ax.invert_yaxis()
    ax.set_xticks(np.arange(24) + 0.5, range(24))
    ax.set_yticks(np.arange(grid.height) + 0.5, grid.get_column("day").to_list())
    ax.set(xlabel="hour of day, local time", ylabel="", title=title)
    return ax
