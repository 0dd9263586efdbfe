"""Figures of 02_validate: each function takes a table and returns an `Axes` with units on its axes."""

from __future__ import annotations

from datetime import timedelta

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateFormatter, AutoDateLocator, date2num
from matplotlib.ticker import MaxNLocator

from recomart_lib.core.plots import ACCENT, ALARM, GREY, INK, empty_figure


def delivery_scores(scores: pl.DataFrame, title: str, gate: float) -> Axes:
    """One dot per delivery, larger for more rows, and the gate. `scores` has day, score (0-100) and n (checked rows).

    The axis fits the usual scores, which are near 100: a delivery far below is a triangle on the lower edge.
    """
    if not scores.height:
        return empty_figure(f"{title}: no delivery was checked.")
    rows = scores.sort("day")
    day, score, n = (rows.get_column(name).to_numpy() for name in ("day", "score", "n"))
    lowest = max(min(2 * gate - 100, np.quantile(score, 0.1)), 0)
    span = max(100 - lowest, 1)
    ylim = (lowest - 0.12 * span, 100 + 0.06 * span)
    visible = score >= ylim[0]
    _, ax = plt.subplots()
    ax.plot(day, np.maximum(score, lowest - 0.06 * span), color=GREY, lw=0.7, alpha=0.6, zorder=1)
    ax.scatter(day[visible], score[visible], s=4 + 26 * np.sqrt(n / n.max())[visible], color=ACCENT, lw=0, zorder=2)
    if not visible.all():
        ax.scatter(
            day[~visible],
            np.full((~visible).sum(), lowest - 0.06 * span),
            marker="v",
            color=ALARM,
            zorder=2,
            label=f"below {ylim[0]:.1f}; the lowest is {score.min():.1f}",
        )
    ax.axhline(gate, color=INK, ls="--", lw=1, label=f"gate {gate:g}")
    ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, borderpad=0)
    ax.set(
        xlabel="day of the delivery; larger dots: more rows", ylabel="score, % of checked rows", title=title, ylim=ylim
    )
    _day_ticks(ax, rows.get_column("day"))
    return ax


def score_history(history: pl.DataFrame, title: str) -> Axes:
    """One dot per validated state, oldest first, and the gate at that time. `history`: see `score_history.HISTORY`."""
    if history.height < 2:
        return empty_figure(f"{title}: the figure needs at least two states.")
    _, ax = plt.subplots(figsize=(8, 2.4))
    index = np.arange(1, history.height + 1)
    ax.plot(index, history.get_column("score"), "o-", color=ACCENT, lw=1, ms=5, label="score")
    ax.step(index, history.get_column("min_score"), color=INK, ls="--", lw=1, where="mid", label="gate")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, borderpad=0)
    ax.set(xlabel="validated state of the lake and the rules, in order", ylabel="score, % of checked rows", title=title)
    return ax


def drift(table: pl.DataFrame, title: str) -> Axes:
    """One strip per measure over the days: darker is more severe, flags are marked. `table`: see `drift.detect`."""
    if not table.height:
        return empty_figure(f"{title}: no delivery could be compared.")
    measures = table.get_column("measure").unique(maintain_order=True).to_list()
    first, last = table.get_column("day").min(), table.get_column("day").max()
    _, ax = plt.subplots(figsize=(8, 1.5 + 0.36 * len(measures)))
    days = np.arange(first, last + timedelta(days=2), dtype="datetime64[D]")
    shades = np.full((len(measures), len(days) - 1), np.nan)
    column = (table.get_column("day") - first).dt.total_days().to_numpy()
    row = np.array([measures.index(measure) for measure in table.get_column("measure")])
    shades[row, column] = table.get_column("severity")
    edges = date2num(days) - 0.5
    mesh = ax.pcolormesh(edges, np.arange(len(measures) + 1) - 0.5, shades, cmap="Blues", vmin=0, vmax=1)
    flagged = table.get_column("flagged").to_numpy()
    ax.scatter(date2num(days[column[flagged]]), row[flagged], marker="D", s=26, color=ALARM, ec="white", lw=0.6)
    ax.figure.colorbar(mesh, ax=ax, extend="max", label="severity (threshold = 1)", ticks=[0, 0.5, 1])
    ax.hlines(np.arange(1, len(measures)) - 0.5, edges[0], edges[-1], color="white", lw=3)
    ax.set_yticks(range(len(measures)), measures)
    ax.grid(visible=False)
    ax.set(xlabel="day of the delivery; diamonds: flagged, white: not compared", title=title, xlim=edges[[0, -1]])
    ax.invert_yaxis()
    ax.xaxis_date()
    _day_ticks(ax, table.get_column("day"))
    return ax


def _day_ticks(ax: Axes, days: pl.Series) -> None:
    """Few dates that do not overlap; every day if there is less than a week, where the ticks would be hours."""
    unique_days = days.unique().sort()
    if (unique_days[-1] - unique_days[0]).days < 7:
        ax.set_xticks(date2num(unique_days.to_numpy()), [str(day) for day in unique_days])
        return
    locator = AutoDateLocator(minticks=3, maxticks=7)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(AutoDateFormatter(locator))
