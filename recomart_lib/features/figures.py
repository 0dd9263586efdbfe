"""Figures of 05_features. Each function takes a table and returns an `Axes`; axis labels name their units."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from recomart_lib.core.numbers import varies
from recomart_lib.core.plots import ACCENT, empty_figure, titled, values
from recomart_lib.core.text import number as number_of
from recomart_lib.core.text import plural
from recomart_lib.features.profile import Correlations, varying

N_COLUMNS = 3
INCHES = 8, 1.75  # width of a figure of distributions, height of one of its rows
# of a histogram: where it stands, how high and wide it is, in units of one cell
BASE, HEIGHT, WIDTH = 0.75, 0.55, 0.88
NUMBERS = MaxNLocator(3, steps=[1, 2, 2.5, 5, 10])
NAMES, TICKS = 8.5, 7.2  # points, of the texts of a small histogram: 11 and 10 pixels on a page
FEW = 8  # features between which there is room for the numbers of their correlations
SMALL_MAP = 15  # features whose correlations have exact values, cell by cell; a larger map is one picture


def correlations(correlated: Correlations, title: str) -> Axes:
    """Rank correlations of numeric columns that vary, with exact values where they are few."""
    import seaborn as sns  # takes 0.7 s to import, and only this figure needs it

    names = correlated.names
    if len(names) < 2:
        return empty_figure(f"{title}: fewer than two features vary.")
    few, is_small = len(names) <= FEW, len(names) <= SMALL_MAP
    side = 0.9 if few else 0.32
    _, ax = plt.subplots(figsize=(3.6 + side * len(names), 2.4 + (0.5 if few else side) * len(names)))
    sns.heatmap(
        correlated.matrix,
        vmin=-1,
        vmax=1,
        cmap="RdBu_r",
        annot=few,
        fmt=".2f",
        xticklabels=names,
        yticklabels=names,
        cbar_kws={"label": "Spearman correlation"},
        ax=ax,
        rasterized=not is_small,
    )
    if is_small:
        values(ax.collections[0], [_cell(correlated, i, j) for i, j in product(range(len(names)), repeat=2)])
    ax.collections[0].colorbar.solids.set_rasterized(True)
    for text in ax.texts:  # on the colour of a cell, not of the page: not a colour that follows the page's theme
        text.set_color("#fefefe" if text.get_color() == "w" else "#111111")
    titled(ax, _strongest(correlated), f"{title} ({correlated.sample})")
    return ax


def _cell(correlated: Correlations, i: int, j: int) -> str:
    """A cell of the map in words; where two features have values in no common row, nothing is known."""
    known = np.isfinite(correlated.matrix[i, j])
    return f"{correlated.names[i]} and {correlated.names[j]}: " + (
        f"{correlated.matrix[i, j]:.2f}" if known else "unknown"
    )


def _strongest(correlated: Correlations) -> str:
    """The two features with the strongest correlation."""
    upper = np.abs(np.triu(correlated.matrix, 1))
    if not np.isfinite(upper).any() or not np.nanmax(upper):
        return "No two features are correlated"
    one, other = np.unravel_index(np.nanargmax(upper), upper.shape)
    strength = correlated.matrix[one, other]
    return f"Strongest: {correlated.names[one]} and {correlated.names[other]}, {strength:.2f}"


def distributions(table: pl.LazyFrame, names: Sequence[str], units: dict[str, str], title: str) -> Axes:
    """One small histogram per numeric column that varies, the upper 1 % in its last bar; `units` label the axes.

    All are drawn on one pair of axes, where each histogram is one unit wide and high: Matplotlib takes a tenth of the
    time that dozens of axes take.
    """
    shown = {name: _bars(column) for name, column in varying(table, names)}
    if not shown:
        return empty_figure(f"{title}: no number varies.")
    n_rows = -(-len(shown) // N_COLUMNS)
    _, ax = plt.subplots(figsize=(INCHES[0], 0.8 + INCHES[1] * n_rows))
    ax.set(xlim=(0, N_COLUMNS), ylim=(n_rows, 0))
    constant = len(names) - len(shown)
    titled(ax, f"{len(shown)} of {plural(len(names), 'feature')} vary" if constant else "All features vary", title)
    ax.set_axis_off()
    for place, (name, bars) in enumerate(shown.items()):
        y, x = divmod(place, N_COLUMNS)
        _small_histogram(ax, x, y + BASE, *bars, name)
        ax.text(x, y + 0.13, name, fontsize=NAMES)
        ax.text(x, y + 0.96, units[name][:44], fontsize=TICKS)
    return ax


def _small_histogram(ax: Axes, left: float, base: float, counts: np.ndarray, edges: np.ndarray, name: str) -> None:
    """Bars from (left, base) upwards, with the numbers below them, and the count of the highest one."""
    scale = WIDTH / (edges[-1] - edges[0])
    stairs = ax.stairs(
        base - HEIGHT * counts / counts.max(), left + (edges - edges[0]) * scale, baseline=base, fill=True, color=ACCENT
    )
    top = counts.argmax()
    largest = f"{plural(int(counts[top]), 'row')} from {number_of(edges[top])} to {number_of(edges[top + 1])}"
    values(stairs, [f"{name}: {number_of(edges[0])} to {number_of(edges[-1])}, most: {largest}"])
    numbers = NUMBERS.tick_values(edges[0], edges[-1])
    for number in numbers[(numbers >= edges[0]) & (numbers <= edges[-1])]:
        ax.text(left + (number - edges[0]) * scale, base + 0.1, f"{number:,.6g}", fontsize=TICKS, ha="center")
    ax.text(left + 0.97, base - HEIGHT - 0.07, f"up to {counts.max():,} rows", fontsize=TICKS, ha="right")


def _bars(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges of a histogram of 24 bars, the upper 1 % in the last one."""
    clipped = np.minimum(column, np.quantile(column, 0.99))
    return np.histogram(clipped if varies(clipped) else column, bins=24)
