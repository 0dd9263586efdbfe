"""Plots shared by several stages: one function per kind of plot, which takes a table and returns an `Axes`.

A figure's title says what it shows, computed from the table that is drawn; the line below it says of what.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from recomart_lib.core import figure_values, inline_figures
from recomart_lib.core.colours import ACCENT, ALARM, GREY, INK, LINE, PAPER, SOFT, colour
from recomart_lib.core.model_names import MODEL_NAMES, plain
from recomart_lib.core.numbers import varies
from recomart_lib.core.text import number, percent, printable

__all__ = ("ACCENT", "ALARM", "GREY", "INK", "PAPER", "SOFT")  # for the figures of the stages, beside the functions
MAX_YEARS = 200  # on an axis of days; Matplotlib knows the years 1 to 9999, margins included
SMALL = 9  # points, of the smallest text: 12 pixels on a page
WIDTH = 8  # inches
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
            "figure.figsize": (WIDTH, 3.6),
            "figure.dpi": 96,
            "savefig.bbox": "tight",
            "axes.titlelocation": "left",
            "axes.labelsize": 10.5,
            "text.color": INK,
            "axes.labelcolor": INK,
            "grid.color": LINE,
            "svg.hashsalt": "recomart",
            "svg.fonttype": "none",
            "axes.titlesize": 10.5,
            "xtick.labelsize": 10,
            "ytick.labelsize": 10,
            "legend.fontsize": SMALL,
            "figure.constrained_layout.use": True,
            "text.parse_math": False,
        }
    )
    inline_figures.use()


def titled(ax: Axes, finding: str, about: str) -> None:
    """Say what the figure shows, and below it of what; both as plain text."""
    figure = ax.get_figure()
    columns = int(figure.get_figwidth() * 10)
    figure.suptitle(_wrapped(finding, columns - 4), x=0.01, ha="left", fontsize=12, weight="bold")
    ax.set_title(_wrapped(about, columns), loc="left", color=SOFT)


def _wrapped(text: str, columns: int) -> str:
    """The text in as few lines as it needs, of about equal length."""
    lines = textwrap.wrap(printable(text), columns)
    for width in range(columns - 1, 20, -1):
        narrower = textwrap.wrap(printable(text), width)
        if len(narrower) > len(lines):
            break
        lines = narrower
    return "\n".join(lines)


def values(artist: Artist, texts: Sequence[str]) -> None:
    """Give the marks of a line, a bar or a collection their exact values, in order: a page shows them as tooltips.

    A point that is not a number has no mark, and no text.
    """
    artist.set_gid(figure_values.name_of(list(map(printable, texts))))


def empty_figure(text: str) -> Axes:
    """An empty figure with a text that says why; a page shows the text only."""
    _, ax = plt.subplots(figsize=(WIDTH, 0.8))
    ax.text(0, 0.5, printable(text), color=SOFT, va="center")
    ax.set_axis_off()
    return ax


def label_ends(ax: Axes, ends: Sequence[tuple[float, float, str, str, bool]], above: float = 0.0) -> None:
    """Label lines at their right ends, where labels do not overlap: (x, y, text, colour, bold) each.

    Call it when the limits of the axes are set. `above`: at least this far from the top, as a share of the height.
    """
    if not ends:
        return
    low, high = ax.get_ylim()
    right = ax.get_xlim()[1]
    height = ax.get_figure().get_figheight() * 0.68 * 72  # points of the axes, about
    gap = (high - low) * min(11.5 / height, 1 / len(ends))
    ordered = sorted(ends, key=lambda end: (end[1], end[2]))
    places = spread([end[1] for end in ordered], gap, low, high - above * (high - low))
    for (x, y, text, line, bold), place in zip(ordered, places, strict=True):
        style: dict[str, Any] = {"color": line, "lw": 0.8, "clip_on": False, "zorder": 1}
        x_label = right + 0.03 * (right - ax.get_xlim()[0])
        ax.plot([x, x_label], [y, place], ls=":", **style)
        weight = "bold" if bold else "normal"
        ax.annotate(
            text,
            (x_label, place),
            (3, 0),
            textcoords="offset points",
            va="center",
            fontsize=SMALL + bold,
            weight=weight,
        ).set_annotation_clip(False)
    ax.set_xlim(right=right)
    ax.set_ylim(low, high)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Ascending places, moved apart until each is at least `gap` above the one before, within low and high if they fit.

    >>> spread([1.0, 1.0, 5.0], 1.0, 0.0, 5.0)
    [1.0, 2.0, 5.0]
    """
    moved = [max(place, low) for place in places]
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    ceiling = high
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], ceiling)
        ceiling = moved[i] - gap
    return moved


def shade(model: str, chosen: str | None) -> str:
    """A model's colour in a figure about `chosen`: the others are grey; without a chosen model, each has its own."""
    return colour(model) if chosen in (None, model) else GREY


def bars(labels: Sequence[str], numbers: Sequence[float], unit: str, title: str, shares: bool = False) -> Axes:
    """Horizontal bars, the first on top; models have their fixed colours."""
    if not any(numbers):
        return empty_figure(f"{title}: no data in this shop.")
    names = [_short(plain(str(label))) for label in labels]
    shown = [percent(value) if shares else number(value) for value in numbers]
    _, ax = plt.subplots(figsize=(WIDTH, 1.2 + 0.28 * len(names)))
    fills = [colour(label) if label in MODEL_NAMES else ACCENT for label in map(str, labels)]
    for place, (value, fill, text) in enumerate(zip(numbers, fills, shown, strict=True)):
        values(ax.barh(place, value, color=fill)[0], [f"{names[place]}: {text}"])
        ax.annotate(text, (value, place), (4, 0), textcoords="offset points", va="center", fontsize=SMALL)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=unit)
    titled(ax, _largest(names, numbers, shown), title)
    ax.xaxis.set_major_formatter(PercentFormatter(1) if shares else "{x:,g}")
    ax.xaxis.set_major_locator(MaxNLocator(6))
    return ax


def _short(label: str) -> str:
    text = printable(label)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _largest(names: Sequence[str], numbers: Sequence[float], shown: Sequence[str]) -> str:
    """What bars show: the longest, and the next."""
    if len(names) == 1:
        return f"Only {names[0]}: {shown[0]}"
    if len(set(numbers)) == 1:
        return f"All {len(names)} are equal: {shown[0]}"
    order = sorted(range(len(names)), key=lambda i: -numbers[i])
    first, second = order[:2]
    if not numbers[second]:
        return f"Only {names[first]}: {shown[first]}"
    if numbers[first] == numbers[second]:
        return f"Most: {names[first]} and {names[second]}, {shown[first]} each"
    return f"Most: {names[first]}, {shown[first]}; then {names[second]}, {shown[second]}"


def daily(days: pl.DataFrame, ylabel: str, title: str) -> Axes:
    """A line over days or weeks: the first column is the date, `n` the count."""
    if not days.height:
        return empty_figure(f"{title}: no data.")
    first, last = days.to_series(0).dt.year().min(), days.to_series(0).dt.year().max()
    if last - first > MAX_YEARS:
        return empty_figure(f"{title}: the years {first} to {last} do not fit on one axis.")
    dates = days.to_series(0).dt.strftime("%Y-%m-%d").to_list()
    counts = days.get_column("n").to_list()
    if len(counts) == 1:
        return empty_figure(f"{title}: {counts[0]:,}, all of {dates[0]}, so that there is no course to draw.")
    _, ax = plt.subplots()
    few = days.height <= 400  # marks that are still distinct
    mark = {"marker": "o", "ms": 4 if days.height < 40 else 3 if days.height < 100 else 2} if few else {}
    (line,) = ax.plot(
        days.to_series(0).to_numpy(), counts, color=ACCENT, lw=1.4 if days.height < 100 else 1, clip_on=False, **mark
    )
    if few:
        values(line, [f"{date}: {count:,}" for date, count in zip(dates, counts, strict=True)])
    ax.set(ylabel=ylabel, ylim=(0, None), xlabel="date")
    ax.yaxis.set_major_formatter("{x:,g}")
    titled(ax, _course(dates, counts), title)
    return ax


def _course(dates: Sequence[str], counts: Sequence[int]) -> str:
    """What a line over days shows: its highest and its median value, and how many days have none."""
    if len(set(counts)) == 1:
        return f"The same each time: {counts[0]:,}"
    top = max(range(len(counts)), key=lambda i: counts[i])
    none = sum(not count for count in counts)
    without = f"; {none:,} without any" if none else ""
    return f"Most on {dates[top]}: {counts[top]:,}; the median is {np.median(counts):,.0f}{without}"


def histogram(column: pl.Series, xlabel: str, ylabel: str, title: str, log: bool = False) -> Axes:
    """Distribution of a numeric column; with `log`, positive values only, in bins of equal ratio."""
    everything = column.drop_nulls().cast(pl.Float64).to_numpy()
    numbers = everything[everything > 0] if log else everything
    if not len(numbers):
        return empty_figure(f"{title}: no data in this shop.")
    _, ax = plt.subplots()
    heights, edges, patches = ax.hist(numbers, bins=_bins(numbers, log), color=ACCENT, edgecolor="white", lw=0.4)
    for height, low, high, patch in zip(heights, edges, edges[1:], patches, strict=False):
        values(patch, [f"{number(low)} to {number(high)}: {height:,.0f} {ylabel}"])
    if log:
        ax.set_xscale("log")
        few_decades = numbers.max() < 1_000 * numbers.min()
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few_decades else (1,)))
        ax.xaxis.set_major_formatter("{x:,g}")
        ax.xaxis.set_minor_formatter(NullFormatter())  # the default formatter writes TeX
    ax.yaxis.set_major_formatter("{x:,g}")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    left_out = len(everything) - len(numbers)
    about = f"{title} ({left_out:,} that are not above 0 are left out)" if left_out else title
    titled(ax, _middle(numbers, ylabel), about)
    return ax


def _middle(numbers: np.ndarray, what: str) -> str:
    """What a distribution shows: its middle and its upper tenth."""
    if len(numbers) == 1:
        return f"Only one of the {what}: {number(numbers[0])}"
    if not varies(numbers):
        return f"All {len(numbers):,} {what}: {number(numbers[0])}"
    middle, upper = np.quantile(numbers, [0.5, 0.9])
    return f"Half of the {what}: at most {number(middle)}; one in ten: above {number(upper)}"


def _bins(numbers: np.ndarray, log: bool) -> np.ndarray | int:
    if not varies(numbers):
        return 1
    if not log:
        return min(40, len(np.unique(numbers)) + 1)
    return np.geomspace(numbers.min(), numbers.max(), 40)
