"""Figures of 06_train: tables in, an `Axes` out; axes say their units, titles what the figure shows."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from recomart_lib.core import protocol_names
from recomart_lib.core.colours import colour
from recomart_lib.core.model_names import plain
from recomart_lib.core.plots import ACCENT, INK, SMALL, SOFT, WIDTH, empty_figure, shade, titled, values
from recomart_lib.core.text import interval, plural, score


def feature_importance(table: pl.DataFrame, title: str) -> Axes:
    """One dot per feature with its 95 % interval, the most informative on top; dashed: 0.5, no information.

    `table`: see `training_examples.feature_importance`.
    """
    if not table.height:
        return empty_figure(f"{title}: no training examples yet.")
    _, ax = plt.subplots(figsize=(WIDTH, 1.4 + 0.28 * table.height))
    for place, row in enumerate(table.iter_rows(named=True)):
        ax.plot([row["low"], row["high"]], [place, place], color=ACCENT, lw=1.8, solid_capstyle="butt")
        (dot,) = ax.plot(row["auc"], place, "o", color=ACCENT, clip_on=False)
        values(dot, [f"{row['feature']}: {interval(row['auc'], row['low'], row['high'])}"])
    ax.axvline(0.5, color=INK, ls="--", lw=1)
    ax.set_yticks(range(table.height), table.get_column("feature").to_list(), fontsize=SMALL)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="area under the ROC curve of the feature alone (0.5: no information)")
    titled(ax, _most_informative(table), title)
    return ax


def _most_informative(table: pl.DataFrame) -> str:
    informative = table.filter((pl.col("low") > 0.5) | (pl.col("high") < 0.5))
    if not informative.height:
        return "No feature is clearly informative"
    first = informative.row(0, named=True)
    rest = f"; {informative.height} of {table.height} are informative" if table.height > 1 else ""
    return f"Most informative: {first['feature']}, {score(first['auc'])}{rest}"


def trials(log: pl.DataFrame, title: str) -> Axes:
    """One panel per model of two trials or more: a dot per trial, a line for the best so far (`selection.tune`)."""
    known = log.filter(pl.col("value").is_not_null()).unique(["model", "trial"], keep="first").sort("model", "trial")
    names = [str(name) for (name,), rows in known.group_by("model", maintain_order=True) if rows.height > 1]
    if not names:
        return empty_figure(f"{title}: no model had two trials that could be evaluated.")
    n_rows, gains = -(-len(names) // 2), {}
    _, axes = plt.subplots(n_rows, 2, figsize=(WIDTH, 1 + 2.1 * n_rows), squeeze=False)
    for ax, name in zip(axes.flat, names, strict=False):
        rows = known.filter(pl.col("model") == name)
        trial, value = rows.get_column("trial").to_numpy(), rows.get_column("value").to_numpy()
        ax.step(trial, np.maximum.accumulate(value), where="post", color=colour(name), lw=1.5, label="best so far")
        (dots,) = ax.plot(trial, value, "o", color=colour(name), ms=5, label="trial", clip_on=False)
        values(dots, [f"{plain(name)}, trial {number}: {score(v)}" for number, v in zip(trial, value, strict=True)])
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_title(plain(name), color=SOFT, fontsize=SMALL + 1)
        ax.tick_params(labelsize=SMALL)
        gains[name] = float(value.max() - value[0])
    for ax in axes.flat[len(names) :]:
        ax.set_axis_off()
    axes[0, 0].legend(frameon=False)
    figure = axes[0, 0].figure
    figure.suptitle(f"{_gain(gains)}", x=0.01, ha="left", fontsize=12, weight="bold")
    figure.supxlabel("trial (0: the defaults)", fontsize=10)
    figure.supylabel("ndcg@10, validation window", fontsize=10)
    return axes[0, 0]


def _gain(gains: dict[str, float]) -> str:
    """How many models the search improved over their defaults, and which one most."""
    better = {model: gain for model, gain in gains.items() if gain > 0}
    if not better:
        return f"No trial is better than the defaults, in {plural(len(gains), 'model')}"
    best = max(better, key=lambda model: (better[model], model))
    what = f"The search improves {len(better)} of {plural(len(gains), 'model')}"
    return f"{what}, {plain(best)} most: by {score(better[best])}"


def choice(evidence: pl.DataFrame, protocol: str) -> Axes:
    """One dot per model: how far behind the best, with one standard error to each side; in colour: the chosen one.

    `evidence`: see `choice.table`.
    """
    rows = evidence.filter(pl.col("protocol") == protocol).sort("difference", "simplicity")
    title = protocol_names.title(protocol)
    if not rows.height:
        return empty_figure(f"{title}: no user can be evaluated.")
    chosen = rows.filter("chosen").get_column("model").first()
    _, ax = plt.subplots(figsize=(WIDTH, 1.4 + 0.28 * rows.height))
    for place, row in enumerate(rows.iter_rows(named=True)):
        error = row["difference_error"] if np.isfinite(row["difference_error"]) else 0.0
        is_chosen, dot = row["model"] == chosen, shade(row["model"], chosen)
        ax.hlines(place, -row["difference"] - error, -row["difference"] + error, color=dot, lw=1.8)
        mark = {"marker": "D", "ms": 8} if is_chosen else {"marker": "o", "ms": 5}
        (point,) = ax.plot(-row["difference"], place, color=dot, ls="", clip_on=False, zorder=3, **mark)
        values(point, [f"{plain(row['model'])}: {score(row['difference'])} behind, standard error {score(error)}"])
    ax.axvline(0, color=INK, ls="--", lw=1)
    models = rows.get_column("model").to_list()
    ax.set_yticks(range(rows.height), list(map(plain, models)))
    for text, model in zip(ax.get_yticklabels(), models, strict=True):
        text.set_fontweight("bold" if model == chosen else "normal")
    ax.set_ylim(rows.height - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="difference in ndcg@10 to the best model, and one standard error; diamond: chosen")
    titled(ax, _chosen(rows), f"{title}: behind the best, mean of the windows")
    return ax


def _chosen(rows: pl.DataFrame) -> str:
    """Which model is chosen, and how far it or the next is behind. `rows`: sorted by difference."""
    best = rows.row(0, named=True)
    chosen = rows.filter("chosen")
    if not chosen.height:
        return f"{plain(best['model'])} leads; none is chosen"
    own = chosen.row(0, named=True)
    if own["model"] != best["model"]:
        behind = f"{score(own['difference'])} behind {plain(best['model'])}"
        return f"{plain(own['model'])} is chosen: simpler, and {behind}"
    if rows.height == 1:
        return f"{plain(own['model'])} is chosen: the only one"
    following = rows.row(1, named=True)
    behind = f"{plain(following['model'])} is {score(following['difference'])} behind"
    return f"{plain(own['model'])} leads and is chosen; {behind}"


def hyperparameter_importance(table: pl.DataFrame, title: str) -> Axes:
    """One bar per hyper-parameter in its model's colour. `table`: see `selection.hyperparameter_importance`."""
    if not table.height:
        return empty_figure(f"{title}: too few trials.")
    _, ax = plt.subplots(figsize=(WIDTH, 1.3 + 0.28 * table.height))
    models, shares = table.get_column("model").to_list(), table.get_column("share").to_list()
    names = [f"{plain(model)}: {name}" for model, name in zip(models, table.get_column("parameter"), strict=True)]
    for place, (model, name, share) in enumerate(zip(models, names, shares, strict=True)):
        values(ax.barh(place, share, color=colour(model))[0], [f"{name}, {share:.0%}"])
    ax.set_yticks(range(table.height), names)
    ax.set_ylim(table.height - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="importance (sums to 100 % per model)", xlim=(0, 1))
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    top = max(range(table.height), key=lambda i: shares[i])
    titled(ax, f"Largest: {names[top]}, {shares[top]:.0%}".replace("%", " %"), title)
    return ax
