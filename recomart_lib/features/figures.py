"""Figures of 05_features. Each function takes a table and returns an `Axes`; axis labels name their units."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes

from recomart_lib.core.numbers import varies
from recomart_lib.core.plots import ACCENT, empty_figure
from recomart_lib.features.profile import varying


def correlations(table: pl.DataFrame, names: Sequence[str], title: str) -> Axes:
    """Rank correlations of numeric columns that vary."""
    numeric = varying(table, names)
    if len(numeric) < 2:
        return empty_figure(f"{title}: fewer than two features vary.")
    import seaborn as sns

    matrix = table.select(numeric).to_pandas().corr("spearman")
    few = len(numeric) <= 8  # then there is room for the numbers
    side = 0.9 if few else 0.32
    _, ax = plt.subplots(figsize=(3.4 + side * len(numeric), 2 + (0.5 if few else side) * len(numeric)))
    sns.heatmap(
        matrix, ax=ax, cmap="RdBu_r", vmin=-1, vmax=1, annot=few, fmt=".2f", cbar_kws={"label": "Spearman correlation"}
    )
    ax.set(title=title)
    ax.tick_params(axis="x", rotation=90)
    ax.tick_params(axis="y", rotation=0)
    return ax


def distributions(table: pl.DataFrame, names: Sequence[str], units: dict[str, str], title: str) -> Axes:
    """One small histogram per numeric column that varies, the upper 1 % in its last bar; `units` label the axes."""
    shown = varying(table, names)
    if not shown:
        return empty_figure(f"{title}: no number varies.")
    n_rows = -(-len(shown) // 4)
    figure, axes = plt.subplots(n_rows, 4, figsize=(11, 0.5 + 1.75 * n_rows), squeeze=False)
    for ax, name in zip(axes.flat, shown, strict=False):
        values = table.get_column(name).drop_nulls().cast(pl.Float64).to_numpy()
        top = np.quantile(values, 0.99)
        clipped = np.minimum(values, top)
        ax.hist(clipped if varies(clipped) else values, bins=24, color=ACCENT, lw=0)
        ax.set_title(name, fontsize=8)
        ax.set_xlabel(units[name][:34], fontsize=7)
        ax.tick_params(labelsize=6)
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    axes[0, 0].set_ylabel("rows", fontsize=7)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    return axes[0, 0]
