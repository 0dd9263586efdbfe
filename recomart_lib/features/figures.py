"""Figures of 05_features. Each function takes a table and returns an `Axes`; axis labels name their units."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from recomart_lib.core.numbers import varies
from recomart_lib.core.plots import ACCENT, empty_figure
from recomart_lib.features.profile import Correlations, varying

N_COLUMNS = 4
INCHES = 11, 1.75  # width of a figure of distributions, height of one of its rows
# of a histogram: where it stands, how high and wide it is, in units of one cell
BASE, HEIGHT, WIDTH = 0.75, 0.55, 0.88
NUMBERS = MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
FEW = 8  # features between which there is room for the numbers of their correlations


def correlations(correlated: Correlations, title: str) -> Axes:
    """Rank correlations of numeric columns that vary."""
    import seaborn as sns  # takes 0.7 s to import, and only this figure needs it

    names = correlated.names
    if len(names) < 2:
        return empty_figure(f"{title}: fewer than two features vary.")
    few = len(names) <= FEW
    side = 0.9 if few else 0.32
    _, ax = plt.subplots(figsize=(3.4 + side * len(names), 2 + (0.5 if few else side) * len(names)))
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
    )
    ax.set(title=f"{title} ({correlated.sample})")
    return ax


def distributions(table: pl.LazyFrame, names: Sequence[str], units: dict[str, str], title: str) -> Axes:
    """One small histogram per numeric column that varies, the upper 1 % in its last bar; `units` label the axes.

    All are drawn on one pair of axes, where each histogram is one unit wide and high: Matplotlib takes a tenth of the
    time that dozens of axes take.
    """
    shown = {name: _bars(values) for name, values in varying(table, names)}
    if not shown:
        return empty_figure(f"{title}: no number varies.")
    n_rows = -(-len(shown) // N_COLUMNS)
    _, ax = plt.subplots(figsize=(INCHES[0], 0.5 + INCHES[1] * n_rows))
    ax.set(xlim=(0, N_COLUMNS), ylim=(n_rows, 0), title=title)
    ax.set_axis_off()
    for place, (name, bars) in enumerate(shown.items()):
        y, x = divmod(place, N_COLUMNS)
        _small_histogram(ax, x, y + BASE, *bars)
        ax.text(x, y + 0.13, name, fontsize=8)
        ax.text(x, y + 0.95, units[name][:44], fontsize=7)
    return ax


def _small_histogram(ax: Axes, left: float, base: float, counts: np.ndarray, edges: np.ndarray) -> None:
    """Bars from (left, base) upwards, with the numbers below them, and the count of the highest one."""
    scale = WIDTH / (edges[-1] - edges[0])
    ax.stairs(
        base - HEIGHT * counts / counts.max(), left + (edges - edges[0]) * scale, baseline=base, fill=True, color=ACCENT
    )
    numbers = NUMBERS.tick_values(edges[0], edges[-1])
    for number in numbers[(numbers >= edges[0]) & (numbers <= edges[-1])]:
        ax.text(left + (number - edges[0]) * scale, base + 0.09, f"{number:,.6g}", fontsize=6, ha="center")
    ax.text(left + WIDTH, base - HEIGHT - 0.07, f"up to {counts.max():,} rows", fontsize=6, ha="right")


def _bars(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges of a histogram of 24 bars, the upper 1 % in the last one."""
    clipped = np.minimum(values, np.quantile(values, 0.99))
    return np.histogram(clipped if varies(clipped) else values, bins=24)
