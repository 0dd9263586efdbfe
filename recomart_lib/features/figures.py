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
STEPS = [1, 2, 2.5, 5, 10]  # between the numbers of an axis
FEW = 8  # features between which there is room for the numbers of their correlations


def correlations(correlated: Correlations, title: str) -> Axes:
    """Rank correlations of numeric columns that vary."""
    names = correlated.names
    if len(names) < 2:
        return empty_figure(f"{title}: fewer than two features vary.")
    few = len(names) <= FEW
    side = 0.9 if few else 0.32
    _, ax = plt.subplots(figsize=(3.4 + side * len(names), 2 + (0.5 if few else side) * len(names)))
    mesh = ax.pcolormesh(correlated.matrix, cmap="RdBu_r", vmin=-1, vmax=1)
    ax.figure.colorbar(mesh, ax=ax, label="Spearman correlation")
    if few:
        for (y, x), value in np.ndenumerate(correlated.matrix):
            colour = "white" if abs(value) > 0.6 else "black"
            ax.text(x + 0.5, y + 0.5, f"{value:.2f}", ha="center", va="center", color=colour)
    middles = np.arange(len(names)) + 0.5
    ax.set_xticks(middles, names, rotation=90)
    ax.set_yticks(middles, names)
    ax.invert_yaxis()
    ax.grid(visible=False)
    ax.set(title=f"{title} ({correlated.sample})")
    return ax


def distributions(table: pl.DataFrame, names: Sequence[str], units: dict[str, str], title: str) -> Axes:
    """One small histogram per numeric column that varies, the upper 1 % in its last bar; `units` label the axes."""
    shown = varying(table, names)
    if not shown:
        return empty_figure(f"{title}: no number varies.")
    n_rows = -(-len(shown) // N_COLUMNS)
    width, height = INCHES[0], 0.5 + INCHES[1] * n_rows
    # Fixed margins: a layout that is fitted to the labels draws dozens of axes several times.
    figure, axes = plt.subplots(n_rows, N_COLUMNS, figsize=(width, height), squeeze=False, layout="none")
    figure.subplots_adjust(0.05, 0.45 / height, 0.99, 1 - 0.6 / height, wspace=0.25, hspace=0.7)
    for ax, name in zip(axes.flat, shown, strict=False):
        ax.stairs(*_bars(table.get_column(name)), fill=True, color=ACCENT)
        ax.set_title(name, fontsize=8)
        ax.set_xlabel(units[name][:34], fontsize=7)
        ax.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
        ax.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
        ax.tick_params(labelsize=6)
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    axes[0, 0].set_ylabel("rows", fontsize=7)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    return axes[0, 0]


def _bars(column: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Counts and edges of a histogram of 24 bars, the upper 1 % in the last one."""
    values = column.drop_nulls().cast(pl.Float64).to_numpy()
    clipped = np.minimum(values, np.quantile(values, 0.99))
    return np.histogram(clipped if varies(clipped) else values, bins=24)
