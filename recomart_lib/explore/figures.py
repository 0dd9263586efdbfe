"""Figures of 03_explore: tables in, an `Axes` out; axes say their units, titles what the figure shows."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from recomart_lib.core.plots import ACCENT, GREY, SOFT, WIDTH, empty_figure, titled, values
from recomart_lib.core.text import percent

TOP = 0.1  # the share of users or products that a title names


def long_tail(counts: dict[str, pl.DataFrame], title: str, of: str = "events") -> Axes:
    """Cumulative share of events by share of users or items, most active first; the diagonal is an even spread. `of`:
    see `takeaways.kind`."""
    if not all(shares.height for shares in counts.values()):
        return empty_figure(f"{title}: no {of}.")
    _, ax = plt.subplots(figsize=(6.4, 4.4))
    heads = []
    for (name, shares), (style, marker) in zip(counts.items(), (("-", "o"), ("--", "s")), strict=False):
        share = shares.get_column("share").to_numpy()
        x = np.arange(1, shares.height + 1) / shares.height
        ax.plot(x, share, style, color=ACCENT)
        place = max(round(shares.height * TOP), 1) - 1
        (dot,) = ax.plot(x[place], share[place], marker, color=ACCENT)
        values(dot, [f"the top {percent(x[place])} of {name}: {percent(share[place])} of the {of}"])
        ax.plot([], [], style, marker=marker, color=ACCENT, label=name)
        heads.append(f"{percent(share[place])} of the {of} are of the top {percent(x[place])} of {name}")
    ax.plot([0, 1], [0, 1], ":", color=GREY, label="even spread")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set(xlabel="share of products or users, most active first", ylabel=f"share of {of}")
    ax.legend(frameon=False, loc="lower right")
    titled(ax, "; ".join(heads), title)
    return ax


def week_heatmap(grid: pl.DataFrame, title: str, of: str = "events") -> Axes:
    """Heatmap of weekday by hour; the shade is the share of events. Hours without events are blank. `of`: see
    `takeaways.kind`."""
    shares = grid.drop("day").to_numpy().astype(float)
    if not shares.sum():
        return empty_figure(f"{title}: no {of}.")
    days = grid.get_column("day").to_list()
    figure, ax = plt.subplots(figsize=(WIDTH, 3.3))
    mesh = ax.pcolormesh(np.where(shares > 0, shares, np.nan), cmap="Blues", vmin=0, rasterized=True)
    bar = figure.colorbar(mesh, ax=ax, label=f"share of {of}", format=PercentFormatter(1))
    bar.outline.set_linewidth(0)
    bar.solids.set_rasterized(True)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    ax.invert_yaxis()
    ax.set_xticks(np.arange(24) + 0.5, range(24))
    closed = [day for day, row in zip(days, shares, strict=True) if not row.sum()]
    ax.set_yticks(np.arange(len(days)) + 0.5, days)
    for day in closed:
        ax.text(12, days.index(day) + 0.5, f"no {of}", color=SOFT, ha="center", va="center")
    for day, hour in np.argwhere(shares > 0):
        label = f"{days[day]} {hour}:00 to {hour + 1}:00: {percent(shares[day, hour])} of the {of}"
        values(_outline(ax, hour, day), [label])
    ax.set(xlabel=f"hour of day, local time; blank: no {of}", ylabel="")
    titled(ax, _busiest(shares, days, closed, of), title)
    return ax


def _outline(ax: Axes, hour: int, day: int) -> plt.Rectangle:
    """An invisible square over a cell, which has its value."""
    return ax.add_patch(plt.Rectangle((hour, day), 1, 1, facecolor="white", edgecolor="none", alpha=0))


def _busiest(shares: np.ndarray, days: list[str], closed: list[str], of: str) -> str:
    """The busiest hour, and the days without any event."""
    day, hour = np.unravel_index(shares.argmax(), shares.shape)
    none = f"; no {of} on {' and '.join(closed)}" if closed else ""
    if (shares > 0).sum() == 1:
        return f"All {of} are on {days[day]}, {hour}:00 to {hour + 1}:00"
    return f"Busiest: {days[day]} {hour}:00 to {hour + 1}:00, {percent(shares[day, hour])} of the {of}{none}"
