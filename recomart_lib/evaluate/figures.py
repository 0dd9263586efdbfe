"""Figures of 07_evaluate: tables in, an `Axes` out; axes say their units."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from recomart_lib.core.colours import colour
from recomart_lib.core.plots import ACCENT, ALARM, GREY, INK, empty_figure

PROTOCOL_LOOKS = {"all": {"color": ACCENT, "marker": "o"}, "novel": {"color": ALARM, "marker": "s"}}


def intervals(table: pl.DataFrame, metric: str, title: str, target: float | None = None, label: str = "target") -> Axes:
    """One dot per model with its 95 % interval, best on top; a dashed line at `target`, named `label` in the legend."""
    if not table.height:
        return empty_figure(f"{title}: no users to evaluate.")
    rows = table.sort(metric, "model", descending=[True, False])
    _, ax = plt.subplots(figsize=(8, 0.9 + 0.3 * rows.height))
    for place, row in enumerate(rows.iter_rows(named=True)):
        low, high = row[f"{metric}_ci"]
        ax.plot([low, high], [place, place], color=colour(row["model"]), lw=3, solid_capstyle="butt", alpha=0.5)
        ax.plot(row[metric], place, "o", color=colour(row["model"]))
    if target is not None:
        ax.axvline(target, color=INK, ls="--", lw=1, label=f"{label} {target:.3g}")
        ax.legend(frameon=False, loc="lower right")
    ax.set_yticks(range(rows.height), rows.get_column("model").to_list())
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=f"{metric}, mean over users with 95 % bootstrap interval", title=title, xlim=(0, None))
    return ax


def by_k(table: pl.DataFrame, metric: str, title: str) -> Axes:
    """A metric over list length, one line per model. `table` has model, k and the metric."""
    if not table.height:
        return empty_figure(f"{title}: no users to evaluate.")
    _, ax = plt.subplots()
    best_first = table.group_by("model").agg(pl.col(metric).last()).sort(metric, descending=True)
    for model in best_first.get_column("model"):
        line = table.filter(pl.col("model") == model).sort("k")
        ax.plot(line.get_column("k"), line.get_column(metric), color=colour(model), label=model, marker="o", ms=3)
    ax.set(xlabel="k, list length", ylabel=f"{metric}@k, mean over users", title=title, ylim=(0, None))
    ax.set_xticks(table.get_column("k").unique().sort())
    _legend_beside(ax)
    return ax


def slices(table: pl.DataFrame, by: str, metric: str, title: str) -> Axes:
    """One dot per slice and model with its interval. `table` has the slice column, model, mean, low, high, n."""
    if not table.height:
        return empty_figure(f"{title}: no users to evaluate.")
    groups = table.get_column(by).unique(maintain_order=True).to_list()
    models = table.get_column("model").unique(maintain_order=True).to_list()
    _, ax = plt.subplots(figsize=(8, 0.9 + 0.45 * len(groups)))
    for shift, model in zip(np.linspace(-0.2, 0.2, len(models)), models, strict=True):
        for row in table.filter(pl.col("model") == model).iter_rows(named=True):
            y = groups.index(row[by]) + shift
            ax.plot([row["low"], row["high"]], [y, y], color=colour(model), lw=3, alpha=0.5)
            ax.plot(row["mean"], y, "o", color=colour(model), label=model if row[by] == groups[0] else None)
    sizes = dict(table.select(by, "n").iter_rows())
    ax.set_yticks(range(len(groups)), [f"{str(group)[:28]} (n = {sizes[group]:,})" for group in groups])
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=f"{metric}, mean over users with 95 % bootstrap interval", title=title, xlim=(0, None))
    _legend_beside(ax)
    return ax


def curve(table: pl.DataFrame, x: str, metric: str, xlabel: str, title: str) -> Axes:
    """One line per model over ordered groups, each point with its interval. `table`: see `diagnostics.summary`.

    Each tick label has the number of users. A model without a group has a gap there.
    """
    rows = table.filter(pl.col("metric") == metric)
    if not rows.height:
        return empty_figure(f"{title}: no users to evaluate.")
    groups = rows.get_column(x).unique().sort().to_list()
    sizes = dict(rows.group_by(x).agg(pl.col("n").max()).iter_rows())
    models = rows.get_column("model").unique().sort().to_list()
    _, ax = plt.subplots()
    for shift, model in zip(np.linspace(-0.12, 0.12, len(models)), models, strict=True):
        line = pl.DataFrame({x: groups}, {x: rows.schema[x]}).join(
            rows.filter(pl.col("model") == model), on=x, how="left", maintain_order="left"
        )
        mean, low, high = (line.get_column(name).to_numpy() for name in ("mean", "low", "high"))
        style = {"color": colour(model), "label": model, "marker": "o", "ms": 4, "lw": 1.2, "capsize": 2}
        ax.errorbar(np.arange(len(groups)) + shift, mean, [mean - low, high - mean], **style)
    names = [f"{group:%Y-%m-%d}" if hasattr(group, "strftime") else str(group) for group in groups]
    ax.set_xticks(range(len(groups)), [f"{name}\nn = {sizes[g]:,}" for name, g in zip(names, groups, strict=True)])
    ax.set(xlabel=xlabel, title=title, ylim=(0, None))
    ax.set_ylabel(f"{metric}, mean over users", fontsize=10)
    _legend_beside(ax, title="with 95 % interval", title_fontsize=8)
    return ax


def curves(table: pl.DataFrame, x: str, metrics: Sequence[str], xlabel: str, title: str) -> None:
    """Draw `curve` once per metric, each with its name in the title."""
    for metric in metrics:
        curve(table, x, metric, xlabel, f"{title}: {metric}")


def reliability(table: pl.DataFrame, title: str) -> Axes:
    """Observed share against predicted probability, each point with its interval; diagonal: perfectly calibrated.

    `table`: see `calibration.calibration_by_model`.
    """
    if not table.height:
        return empty_figure(f"{title}: no model of this run predicts probabilities.")
    _, ax = plt.subplots(figsize=(5.6, 4.2))
    for (model,), line in table.group_by("model", maintain_order=True):
        x, y, low, high = (line.get_column(name).to_numpy() for name in ("predicted", "observed", "low", "high"))
        error = np.maximum([y - low, high - y], 0)
        ax.errorbar(x, y, error, color=colour(model), label=model, marker="o", ms=4, lw=1, capsize=2)
    top = 1.05 * max(table.get_column("predicted").max(), table.get_column("high").max())
    ax.plot([0, top], [0, top], ":", color=GREY, label="perfectly calibrated")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set(
        xlabel="predicted probability, mean of the bin",
        ylabel="observed share, with 95 % interval",
        title=title,
        xlim=(0, top),
        ylim=(0, top),
    )
    ax.legend(frameon=False, loc="upper left")
    return ax


def trade_off(table: pl.DataFrame, x: str, y: str, title: str) -> Axes:
    """One dot per model: two metrics against each other."""
    if not table.height:
        return empty_figure(f"{title}: no users to evaluate.")
    _, ax = plt.subplots(figsize=(6.4, 3.8))
    for row in table.iter_rows(named=True):
        ax.plot(row[x], row[y], "o", color=colour(row["model"]), ms=8)
    places = table.group_by(pl.col(x, y).round(3), maintain_order=True).agg("model")
    for left, height, names in places.iter_rows():  # models at one point share a label, as labels would overlap
        ax.annotate(", ".join(names), (left, height), xytext=(6, 3), textcoords="offset points", fontsize=8)
    ax.set(xlabel=x, ylabel=y, title=title)
    return ax


def differences(table: pl.DataFrame, metric: str, title: str) -> Axes:
    """One dot per rule and protocol, each with its interval, and a line at zero. `table`: see `rule_costs.costs`."""
    rows = table.filter(pl.col("metric") == metric)
    if not rows.height:
        return empty_figure(f"{title}: no users to evaluate.")
    rules = rows.get_column("rule").unique(maintain_order=True).to_list()
    _, ax = plt.subplots(figsize=(8, 1.1 + 0.45 * len(rules)))
    for shift, (protocol, look) in zip((-0.12, 0.12), PROTOCOL_LOOKS.items(), strict=True):
        of_protocol = rows.filter(pl.col("protocol") == protocol)
        places = [rules.index(rule) + shift for rule in of_protocol.get_column("rule")]
        ax.hlines(places, of_protocol.get_column("low"), of_protocol.get_column("high"), look["color"], lw=3, alpha=0.5)
        ax.plot(of_protocol.get_column("difference"), places, ls="", label=f"protocol {protocol}", **look)
    ax.axvline(0, color=INK, lw=1)
    ax.set_yticks(range(len(rules)), rules)
    ax.set_ylim(len(rules) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=f"{metric} with the rule minus without it, 95 % bootstrap interval", title=title)
    _legend_beside(ax)
    return ax


def diversity(table: pl.DataFrame, k: int, title: str) -> Axes:
    """ndcg against diversity and coverage, one line per protocol, a dot per value of the knob (`rule_costs.curve`)."""
    if not table.height:
        return empty_figure(f"{title}: no users to evaluate.")
    _, panels = plt.subplots(1, 2, figsize=(8.6, 3.4), sharey=True)
    for ax, name in zip(panels, ("diversity", "coverage"), strict=True):
        for (protocol,), line in table.group_by("protocol", maintain_order=True):
            # lists of one product have no diversity
            knobs, x, y = line.drop_nulls(f"{name}@{k}").select("knob", f"{name}@{k}", f"ndcg@{k}")
            ax.plot(x, y, label=f"protocol {protocol}", lw=1.2, **PROTOCOL_LOOKS[protocol])
            for knob, *place in zip(knobs, x, y, strict=True):
                ax.annotate(f"{knob:g}", place, xytext=(4, 4), textcoords="offset points", fontsize=8)
        ax.set(xlabel=f"{name}@{k}", ylim=(0, None))
    panels[0].set(ylabel=f"ndcg@{k}, mean over users", title=title)
    _legend_beside(panels[1], title="dots: lists.diversity", title_fontsize=8)
    return panels[0]


def _legend_beside(ax: Axes, **options: object) -> None:
    ax.legend(frameon=False, bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=8, **options)
