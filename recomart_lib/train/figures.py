"""Figures of 06_train: tables in, an `Axes` out; axes say their units."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recomart_lib.core.colours import colour
from recomart_lib.core.plots import ACCENT, INK, empty_figure


def feature_importance(table: pl.DataFrame, title: str) -> Axes:
    """One dot per feature with its 95 % interval, the most informative on top; dashed: 0.5, no information.

    `table`: see `training_examples.feature_importance`.
    """
    if not table.height:
        return empty_figure(f"{title}: no training examples yet.")
    _, ax = plt.subplots(figsize=(8, 0.9 + 0.28 * table.height))
    for place, row in enumerate(table.iter_rows(named=True)):
        ax.plot([row["low"], row["high"]], [place, place], color=ACCENT, lw=3, alpha=0.5, solid_capstyle="butt")
        ax.plot(row["auc"], place, "o", color=ACCENT)
    ax.axvline(0.5, color=INK, ls="--", lw=1)
    ax.set_yticks(range(table.height), table.get_column("feature").to_list(), fontsize=8)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="area under the ROC curve of the feature alone (0.5: no information)", title=title)
    return ax


def trials(log: pl.DataFrame, title: str) -> Axes:
    """One panel per model of two trials or more: a dot per trial, a line for the best so far (`selection.tune`)."""
    values = log.filter(pl.col("value").is_not_null()).unique(["model", "trial"], keep="first").sort("model", "trial")
    names = [name for (name,), rows in values.group_by("model", maintain_order=True) if rows.height > 1]
    if not names:
        return empty_figure(f"{title}: no model had two trials that could be evaluated.")
    height = 2.3 * -(-len(names) // 2)
    _, axes = plt.subplots(-(-len(names) // 2), 2, figsize=(8, height + 0.3), squeeze=False)
    for ax, name in zip(axes.flat, names, strict=False):
        rows = values.filter(pl.col("model") == name)
        number, value = rows.get_column("trial").to_numpy(), rows.get_column("value").to_numpy()
        ax.step(number, np.maximum.accumulate(value), where="post", color=colour(name), lw=1.5, label="best so far")
        ax.plot(number, value, "o", color=colour(name), ms=5, label="trial")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_title(name, fontsize=9)
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    axes[0, 0].legend(frameon=False, fontsize=8)
    axes[0, 0].figure.suptitle(title, x=0.01, ha="left", fontsize=11, weight="bold")
    axes[0, 0].figure.supxlabel("trial (0: the defaults)", fontsize=9)
    axes[0, 0].figure.supylabel("ndcg@10, validation window", fontsize=9)
    return axes[0, 0]


def choice(evidence: pl.DataFrame, protocol: str) -> Axes:
    """One dot per model: how far behind the best, with one standard error to each side; large: the chosen one.

    `evidence`: see `choice.table`.
    """
    rows = evidence.filter(pl.col("protocol") == protocol).sort("difference", "simplicity")
    if not rows.height:
        return empty_figure(f"Protocol {protocol}: no user can be evaluated.")
    _, ax = plt.subplots(figsize=(8, 0.9 + 0.28 * rows.height))
    for place, row in enumerate(rows.iter_rows(named=True)):
        error = row["difference_error"] if np.isfinite(row["difference_error"]) else 0.0
        dot, size = colour(row["model"]), 10 if row["chosen"] else 5
        ax.errorbar(-row["difference"], place, xerr=error, fmt="o", color=dot, ms=size, lw=2)
    ax.axvline(0, color=INK, ls="--", lw=1)
    ax.set_yticks(range(rows.height), rows.get_column("model").to_list(), fontsize=8)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    title = f"Protocol {protocol}: behind the best, mean of the windows"
    ax.set(xlabel="difference in ndcg@10 to the best model, and one standard error; large: chosen", title=title)
    return ax


def hyperparameter_importance(table: pl.DataFrame, title: str) -> Axes:
    """One bar per hyper-parameter in its model's colour. `table`: see `selection.hyperparameter_importance`."""
    if not table.height:
        return empty_figure(f"{title}: too few trials.")
    _, ax = plt.subplots(figsize=(8, 0.8 + 0.28 * table.height))
    models = table.get_column("model").to_list()
    ax.barh(range(table.height), table.get_column("share").to_numpy(), color=[colour(model) for model in models])
    names = [f"{model}: {name}" for model, name in zip(models, table.get_column("parameter"), strict=True)]
    ax.set_yticks(range(table.height), names)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="importance (sums to 100 % per model)", title=title, xlim=(0, 1))
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    return ax
