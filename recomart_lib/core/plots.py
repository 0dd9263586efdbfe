"""Plots shared by several stages: one function per kind of plot, which takes a table and returns an `Axes`."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, PercentFormatter

from recomart_lib.core.colours import MODEL_COLOURS
from recomart_lib.core.numbers import varies

MAX_YEARS = 200  # on an axis of days; Matplotlib knows the years 1 to 9999, margins included
INK, ACCENT, GREY, ALARM = "#1f2933", "#2a6f97", "#9aa5b1", "#c1121f"
DEEP = ["#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c", "#ccb974", "#64b5cd"]
# The settings of `seaborn.set_theme("notebook", "whitegrid", "deep")`. They are copied, and seaborn is imported only
# where it draws, because it imports scipy.stats and pandas: half of a notebook's import time.
SEABORN = {
    "axes.axisbelow": True,
    "axes.edgecolor": ".8",
    "axes.grid": True,
    "axes.labelsize": 12,
    "axes.linewidth": 1.25,
    "axes.prop_cycle": cycler("color", DEEP),
    "font.size": 12,
    "grid.color": ".8",
    "grid.linewidth": 1,
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "legend.fontsize": 11,
    "legend.title_fontsize": 12,
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    **{
        f"{axis}tick.{name}": value
        for axis in "xy"
        for name, value in {
            "color": ".15",
            "labelsize": 11,
            "major.size": 6,
            "major.width": 1.25,
            "minor.size": 4,
            "minor.width": 1,
        }.items()
    },
    "xtick.bottom": False,
    "ytick.left": False,
}


def use_style() -> None:
    """Set one style for all figures: white, light grid, printable; equal numbers give equal bytes."""
    plt.rcParams.update(
        {
            **SEABORN,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.figsize": (8, 3.6),
            "figure.dpi": 110,
            "savefig.bbox": "tight",
            "axes.titlelocation": "left",
            "axes.titleweight": "bold",
            "text.color": INK,
            "axes.labelcolor": INK,
            "svg.hashsalt": "recomart",
            "axes.titlesize": 11,
            "figure.constrained_layout.use": True,
            "text.parse_math": False,
        }
    )


def empty_figure(text: str) -> Axes:
    """An empty figure with a text that says why."""
    _, ax = plt.subplots(figsize=(8, 0.8))
    ax.text(0, 0.5, text, color=GREY, va="center")
    ax.set_axis_off()
    return ax


def bars(labels: Sequence[str], values: Sequence[float], xlabel: str, title: str, shares: bool = False) -> Axes:
    """Horizontal bars, the first on top; models have their fixed colours."""
    if not any(values):
        return empty_figure(f"{title}: no data in this shop.")
    _, ax = plt.subplots(figsize=(8, 0.6 + 0.28 * len(labels)))
    names = [str(label)[:40] for label in labels]
    ax.barh(range(len(names)), list(values), color=[MODEL_COLOURS.get(name, ACCENT) for name in names])
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=xlabel, title=title)
    if shares:
        ax.xaxis.set_major_formatter(PercentFormatter(1))
    return ax


def daily(days: pl.DataFrame, ylabel: str, title: str) -> Axes:
    """A line over days or weeks: the first column is the date, `n` the count."""
    if not days.height:
        return empty_figure(f"{title}: no data.")
    first, last = days.to_series(0).dt.year().min(), days.to_series(0).dt.year().max()
    if last - first > MAX_YEARS:
        return empty_figure(f"{title}: the years {first} to {last} do not fit on one axis.")
    _, ax = plt.subplots()
    ax.plot(days.to_series(0).to_numpy(), days.get_column("n").to_numpy(), color=ACCENT, lw=1.2)
    ax.set(ylabel=ylabel, title=title, ylim=(0, None), xlabel="date")
    return ax


def histogram(values: pl.Series, xlabel: str, ylabel: str, title: str, log: bool = False) -> Axes:
    """Distribution of a numeric column; with `log`, positive values only, in bins of equal ratio."""
    numbers = values.drop_nulls().cast(pl.Float64).to_numpy()
    numbers = numbers[numbers > 0] if log else numbers
    if not len(numbers):
        return empty_figure(f"{title}: no data in this shop.")
    _, ax = plt.subplots()
    ax.hist(numbers, bins=_bins(numbers, log), color=ACCENT, edgecolor="white", lw=0.4)
    if log:
        ax.set_xscale("log")
        few_decades = numbers.max() < 1_000 * numbers.min()
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few_decades else (1,)))
        ax.xaxis.set_major_formatter("{x:,g}")
        ax.xaxis.set_minor_formatter(NullFormatter())  # the default formatter writes TeX
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    return ax


def _bins(numbers: np.ndarray, log: bool) -> np.ndarray | int:
    if not varies(numbers):
        return 1
    if not log:
        return min(40, len(np.unique(numbers)) + 1)
    return np.geomspace(numbers.min(), numbers.max(), 40)
