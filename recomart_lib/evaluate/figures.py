"""Figures of 07_evaluate: tables in, an `Axes` out; axes say their units, titles what the figure shows (`findings`).

The chosen model has its colour; the others are grey, each with its name beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from recomart_lib.core import protocol_names
from recomart_lib.core.colours import colour
from recomart_lib.core.model_names import SIMPLE, plain
from recomart_lib.core.plots import (
    ACCENT,
    ALARM,
    GREY,
    INK,
    SMALL,
    SOFT,
    WIDTH,
    empty_figure,
    label_ends,
    shade,
    titled,
    values,
)
from recomart_lib.core.text import interval, score
from recomart_lib.evaluate import fell_back, findings
from recomart_lib.evaluate.diagnostics import MIN_USERS

PROTOCOL_LOOKS = {"all": {"color": ACCENT, "marker": "o"}, "novel": {"color": ALARM, "marker": "s"}}
BASELINE = "popularity"
MIN_TREND = 3  # points that a line may connect


def intervals(
    table: pl.DataFrame,
    metric: str,
    title: str,
    target: float | None = None,
    label: str = "target",
    chosen: str | None = None,
    finding: str | None = None,
) -> Axes:
    """One dot per model with its 95 % interval, best on top; a dashed line at `target`, named `label` in the legend.

    `finding`: the title, if it is not who leads.
    """
    if not table.height:
        return empty_figure(f"{title}: no users to evaluate.")
    rows = table.sort(metric, "model", descending=[True, False])
    _, ax = plt.subplots(figsize=(WIDTH, 1.4 + 0.29 * rows.height))
    for place, row in enumerate(rows.iter_rows(named=True)):
        model, (low, high) = row["model"], row[f"{metric}_ci"]
        _dot_with_interval(ax, place, row[metric], low, high, shade(model, chosen), _mark(model, chosen), plain(model))
    if target is not None:
        ax.axvline(target, color=INK, ls="--", lw=1, label=f"{label} {target:.3g}", zorder=1)
        ax.legend(loc="lower right", framealpha=0.9, edgecolor="none")
    _model_ticks(ax, rows.get_column("model").to_list(), chosen)
    ax.set(xlabel=f"{metric}, mean over users with 95 % interval", xlim=(0, None))
    titled(ax, finding or findings.leader(dict(rows.select("model", metric).iter_rows()), chosen), title)
    return ax


def popularity(table: pl.DataFrame, metric: str, title: str, holdout: float | None, chosen: str) -> Axes:
    """How popular the listed products are: `intervals`, with a line at what users took (the holdout)."""
    known = table.drop_nulls(metric)
    finding = findings.popular(dict(known.select("model", metric).iter_rows()), holdout, chosen)
    return intervals(known, metric, title, holdout, "what users took:", chosen, finding)


def _dot_with_interval(
    ax: Axes, place: float, mean: float, low: float, high: float, color: str, marker: str, name: str
) -> None:
    ax.plot([low, high], [place, place], color=color, lw=1.8, solid_capstyle="butt", clip_on=False)
    (dot,) = ax.plot(mean, place, marker, color=color, ms=7, clip_on=False, zorder=3)
    values(dot, [f"{name}: {interval(mean, low, high)}"])


def _mark(model: str, chosen: str | None) -> str:
    """The chosen model is a diamond, simple ones are squares: not by colour alone."""
    return "D" if model == chosen else "s" if model in SIMPLE else "o"


def _model_ticks(ax: Axes, models: Sequence[str], chosen: str | None) -> None:
    ax.set_yticks(range(len(models)), list(map(plain, models)))
    for text, model in zip(ax.get_yticklabels(), models, strict=True):
        text.set_fontweight("bold" if model == chosen else "normal")
    ax.set_ylim(len(models) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)


def by_k(table: pl.DataFrame, metric: str, title: str, chosen: str) -> Axes:
    """A metric over list length, one line per model. `table` has model, k and the metric."""
    if not table.height:
        return empty_figure(f"{title}: no users to evaluate.")
    lines = _alike(table.sort("model", "k"), "k", metric, chosen)
    _, ax = plt.subplots(figsize=(WIDTH, max(3.6, 1.4 + 0.18 * len(lines))))
    ends = []
    for models, line in lines:
        name, model = _joined(models), models[0]
        k, y = line.get_column("k").to_list(), line.get_column(metric).to_list()
        _line(
            ax,
            k,
            y,
            shade(model, chosen),
            _mark(model, chosen),
            [f"{name}, {n}: {score(v)}" for n, v in zip(k, y, strict=True)],
        )
        ends.append((k[-1], y[-1], name, shade(model, chosen), model == chosen))
    ax.set(xlabel="list length (products)", ylabel=f"{metric}, mean over users", ylim=(0, None))
    ax.set_xticks(table.get_column("k").unique().sort())
    label_ends(ax, ends)
    titled(ax, findings.course(table, "k", metric, chosen, ("list length", "list lengths")), title)
    return ax


def _alike(rows: pl.DataFrame, by: str, metric: str, chosen: str | None) -> list[tuple[list[str], pl.DataFrame]]:
    """The lines to draw: models with the same values everywhere share one, the chosen model comes last (on top)."""
    lines: dict[tuple[Any, ...], tuple[list[str], pl.DataFrame]] = {}
    for (model,), line in rows.group_by("model", maintain_order=True):
        key = tuple(line.select(by, metric).drop_nulls().iter_rows())
        models, _ = lines.setdefault(key, ([], line))
        models.insert(0 if model == chosen else len(models), str(model))
    return sorted(lines.values(), key=lambda entry: entry[0][0] == chosen)


def _joined(models: Sequence[str]) -> str:
    return " = ".join(map(plain, models))


def _line(
    ax: Axes, x: Sequence[float], y: Sequence[float], color: str, marker: str, texts: Sequence[str], **style: object
) -> None:
    bold = color != GREY
    look: dict[str, Any] = {"lw": 2.2 if bold else 1.2, "ms": 5 if bold else 4, "zorder": 3 if bold else 2}
    (line,) = ax.plot(x, y, color=color, marker=marker, clip_on=False, **{**look, **style})
    values(line, texts)


def slices(table: pl.DataFrame, by: str, metric: str, title: str, chosen: str) -> Axes:
    """One dot per slice and model with its interval. `table` has the slice column, model, mean, low, high, n."""
    if not table.height:
        return empty_figure(f"{title}: no users to evaluate.")
    table, about = _without_small_groups(table, by, title)
    groups = table.get_column(by).unique(maintain_order=True).to_list()
    if len(groups) == 1:
        others = "all users" if about == title else "all others"
        return empty_figure(f"{about}: {others} are in one group ({groups[0]}), so nothing can be compared.")
    models = sorted(table.get_column("model").unique(), key=lambda model: (model != chosen, model))
    _, ax = plt.subplots(figsize=(WIDTH, 1.5 + 0.45 * len(groups)))
    for shift, model in zip(np.linspace(-0.17, 0.17, len(models)) if len(models) > 1 else [0.0], models, strict=True):
        color, marker = shade(model, chosen), _mark(model, chosen)
        for row in table.filter(pl.col("model") == model).iter_rows(named=True):
            name = f"{row[by]}, {plain(model)}"
            _dot_with_interval(
                ax, groups.index(row[by]) + shift, *(row[c] for c in ("mean", "low", "high")), color, marker, name
            )
        ax.plot([], [], marker, color=color, label=plain(model))
    sizes = dict(table.select(by, "n").iter_rows())
    ax.set_yticks(range(len(groups)), [f"{str(group)[:28]} (n = {sizes[group]:,})" for group in groups])
    ax.set_ylim(len(groups) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=f"{metric}, mean over users with 95 % interval", xlim=(0, None))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1))
    titled(ax, findings.groups(table, by, chosen), about)
    return ax


def _without_small_groups(table: pl.DataFrame, by: str, title: str) -> tuple[pl.DataFrame, str]:
    """The groups of at least `MIN_USERS` users, and the title with those left out; all groups if none is as large."""
    sizes = table.group_by(by, maintain_order=True).agg(pl.col("n").max())
    small = sizes.filter(pl.col("n") < MIN_USERS)
    if small.height in (0, sizes.height):
        return table, title
    names = ", ".join(f"{_group_name(group)} ({n:,})" for group, n in small.sort(by).iter_rows())
    return table.join(small, on=by, how="anti", maintain_order="left"), (
        f"{title}; left out, with fewer than {MIN_USERS} users: {names}"
    )


def curve(
    table: pl.DataFrame,
    x: str,
    metric: str,
    xlabel: str,
    title: str,
    chosen: str,
    places: tuple[str, str],
    notes: Mapping[Any, str] | None = None,
) -> Axes:
    """One line per model over ordered groups, each point with its interval. `table`: see `diagnostics.summary`.

    Each tick label has the number of users; groups of few are left out. A model without a
    group has a gap there; fewer than three points are not connected, as they are no trend.

    Parameters
    ----------
    places
        What the groups are, such as ("cut", "cuts").
    notes
        Group -> what to know about it, which stands below its name.
    """
    rows = table.filter(pl.col("metric") == metric)
    if not rows.height:
        return empty_figure(f"{title}: no users to evaluate.")
    rows, about = _without_small_groups(rows, x, title)
    groups = rows.get_column(x).unique().sort().to_list()
    lines = _alike(rows.sort("model", x), x, "mean", chosen)
    _, ax = plt.subplots(figsize=(WIDTH, 3.9))
    named, ends, early = [_group_name(group) for group in groups], [], []
    for shift, (models, line) in zip(np.linspace(-0.12, 0.12, len(lines)), lines, strict=True):
        model, color = models[0], shade(models[0], chosen)
        full = pl.DataFrame({x: groups}, {x: rows.schema[x]}).join(line, on=x, how="left", maintain_order="left")
        mean, low, high = (full.get_column(name).to_numpy() for name in ("mean", "low", "high"))
        place = np.arange(len(groups)) + shift
        ax.vlines(place, low, high, color=color, lw=1.8, clip_on=False)
        texts = [
            f"{_joined(models)}, {name}: {interval(*row)}"
            for name, *row in zip(named, mean, low, high, strict=True)
            if not np.isnan(row[0])
        ]
        connected = "-" if len(texts) >= MIN_TREND else ""
        _line(ax, place, mean, color, _mark(model, chosen), texts, ls=connected, label=_joined(models))
        last = int(np.flatnonzero(~np.isnan(mean))[-1])
        if last == len(groups) - 1:
            ends.append((place[last], mean[last], _joined(models), color, model == chosen))
        else:
            early.append((place[last], low[last], high[last], _joined(models)))
    sizes = dict(rows.group_by(x).agg(pl.col("n").max()).iter_rows())
    below = [f"\n{(notes or {}).get(group, '')}".rstrip() for group in groups]
    ax.set_xticks(
        range(len(groups)), [f"{n}{b}\nn = {sizes[g]:,}" for n, b, g in zip(named, below, groups, strict=True)]
    )
    ax.set(xlabel=xlabel, ylabel=f"{metric}, mean with 95 % interval", ylim=(0, None), xlim=(-0.4, len(groups) - 0.6))
    ax.grid(axis="x", visible=False)
    label_ends(ax, ends)
    spans = [(groups.index(group), low, high) for group, low, high in rows.select(x, "low", "high").iter_rows()]
    for end in early:
        _label_beside(ax, *end, spans)
    titled(ax, findings.course(rows, x, "mean", chosen, places), about)
    return ax


def _label_beside(
    ax: Axes, x: float, low: float, high: float, text: str, spans: Sequence[tuple[int, float, float]]
) -> None:
    """Label a line that ends within the figure above its last interval, or below it where others are in the way.

    `spans`: place and interval of every point.
    """
    left, right = ax.get_xlim()
    width = len(text) * 0.6 * SMALL / (0.65 * 72 * WIDTH) * (right - left)  # of the text, about
    bottom, top = ax.get_ylim()
    needed = 0.08 * (top - bottom)
    near = [span for place, *span in spans if x - 0.3 <= place <= x + width + 0.2]
    is_free = all(b < high or a > high + needed for a, b in near if (a, b) != (low, high))
    y, offset, side = (high, 4, "bottom") if is_free else (low, -4, "top")
    ax.annotate(text, (x, y), (-8, offset), textcoords="offset points", fontsize=SMALL, va=side)


def _group_name(group: Any) -> str:
    return f"{group:%Y-%m-%d}" if hasattr(group, "strftime") else str(group)


def by_cut(
    table: pl.DataFrame, fallen: pl.DataFrame, split_metadata: Mapping[str, Any], protocol: str, chosen: str
) -> Axes:
    """The scores of one protocol at every cut (`curve`): which of them chose parameters or models, and which is unseen.

    A model that only showed the list of another is left out at that cut (`fallen`: see `fell_back.models`), and the
    figure says so.
    """
    fallen = fallen.filter(pl.col("protocol") == protocol)
    rows = table.filter(pl.col("protocol") == protocol).join(fallen, on=["cut", "model"], how="anti")
    tuning, test = (datetime.fromisoformat(split_metadata[name]) for name in ("validation_start", "cut"))
    left_out = fell_back.sentence(fallen, BASELINE)
    about = f"{protocol_names.title(protocol)}, by cut" + (f"; {left_out}" if left_out else "")
    earlier = dict.fromkeys(rows.filter(pl.col("cut") < tuning).get_column("cut").unique().sort(), "choice of models")
    notes = {**earlier, tuning: "tuning and choice", test: "test: unseen"}
    return curve(rows, "cut", "ndcg@10", "cut (UTC); n = users evaluated", about, chosen, ("cut", "cuts"), notes)


def curves(
    table: pl.DataFrame, x: str, metrics: Sequence[str], xlabel: str, title: str, chosen: str, places: tuple[str, str]
) -> None:
    """Draw `curve` once per metric, each with its name in the title."""
    for metric in metrics:
        curve(table, x, metric, xlabel, f"{title}: {metric}", chosen, places)


def reliability(table: pl.DataFrame, title: str) -> Axes:
    """Observed share against predicted probability, each point with its interval; diagonal: perfectly calibrated.

    `table`: see `calibration.calibration_by_model`.
    """
    if not table.height:
        return empty_figure(f"{title}: no model of this run predicts probabilities.")
    _, ax = plt.subplots(figsize=(6.6, 4.6))
    for marker, ((model,), line) in zip(
        "osDv^" * table.height, table.group_by("model", maintain_order=True), strict=False
    ):
        x, y, low, high = (line.get_column(name).to_numpy() for name in ("predicted", "observed", "low", "high"))
        ax.vlines(x, low, high, color=colour(model), lw=1.8)
        texts = [
            f"predicted {100 * a:.2g} %, observed {100 * b:.2g} % ({100 * c:.2g} to {100 * d:.2g}), {n:,} pairs"
            for a, b, c, d, n in line.select("predicted", "observed", "low", "high", "n").iter_rows()
        ]
        _line(ax, x, y, colour(model), marker, texts, label=plain(model), lw=1.2)
    top = 1.05 * max(table.get_column("predicted").max(), table.get_column("high").max())
    ax.plot([0, top], [0, top], ":", color=GREY, label="perfectly calibrated")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set(
        xlabel="predicted probability, mean of the bin",
        ylabel="observed share, with 95 % interval",
        xlim=(0, top),
        ylim=(0, top),
    )
    ax.legend(frameon=False, loc="upper left")
    titled(ax, findings.calibrated(table), title)
    return ax


def trade_off(table: pl.DataFrame, x: str, y: str, title: str, chosen: str) -> Axes:
    """One dot per model: two metrics against each other."""
    known = table.drop_nulls([x, y])
    if not known.height:
        return empty_figure(f"{title}: no users to evaluate.")
    _, ax = plt.subplots(figsize=(WIDTH, max(3.8, 1.4 + 0.18 * known.height)))
    for row in known.iter_rows(named=True):
        model, is_chosen = row["model"], row["model"] == chosen
        look = {"color": shade(model, chosen), "ms": 10 if is_chosen else 7, "zorder": 3 if is_chosen else 2}
        (dot,) = ax.plot(row[x], row[y], _mark(model, chosen), clip_on=False, **look)
        values(dot, [f"{plain(model)}: {x} {score(row[x])}, {y} {score(row[y])}"])
    # models at one point share a label
    points = known.group_by(pl.col(x, y).round(3), maintain_order=True).agg("model")
    ax.margins(0.06)
    ends = [
        (
            left,
            height,
            _several(names),
            shade(chosen if chosen in names else names[0], chosen),
            chosen in names,
        )
        for left, height, names in points.iter_rows()
    ]
    label_ends(ax, ends)
    ax.set(xlabel=x, ylabel=y)
    titled(ax, findings.traded(known, x, y), title)
    return ax


def _several(models: Sequence[str]) -> str:
    """Models that share a point: at most two names."""
    names = sorted(map(plain, models))
    return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"


def differences(table: pl.DataFrame, metric: str, title: str) -> Axes:
    """One dot per rule and protocol, each with its interval, and a line at zero. `table`: see `rule_costs.costs`."""
    rows = table.filter(pl.col("metric") == metric)
    if not rows.height:
        return empty_figure(f"{title}: no users to evaluate.")
    rules = rows.get_column("rule").unique(maintain_order=True).to_list()
    _, ax = plt.subplots(figsize=(WIDTH, 1.5 + 0.45 * len(rules)))
    for shift, (protocol, look) in zip((-0.12, 0.12), PROTOCOL_LOOKS.items(), strict=True):
        of_protocol = rows.filter(pl.col("protocol") == protocol)
        places = [rules.index(rule) + shift for rule in of_protocol.get_column("rule")]
        ax.hlines(places, of_protocol.get_column("low"), of_protocol.get_column("high"), look["color"], lw=1.8)
        (dots,) = ax.plot(
            of_protocol.get_column("difference"), places, ls="", label=protocol_names.title(str(protocol)), **look
        )
        values(
            dots,
            [
                f"{rule}, {protocol}: {interval(*numbers)}"
                for rule, *numbers in of_protocol.select("rule", "difference", "low", "high").iter_rows()
            ],
        )
    ax.axvline(0, color=INK, lw=1)
    ax.set_yticks(range(len(rules)), rules)
    ax.set_ylim(len(rules) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=f"{metric} with the rule minus without it, 95 % interval")
    _legend_beside(ax)
    titled(ax, findings.costliest(rows, metric), title)
    return ax


def diversity(table: pl.DataFrame, k: int, title: str) -> Axes:
    """ndcg against diversity and coverage, one line per protocol, a dot per value of the knob (`rule_costs.curve`)."""
    if not table.height:
        return empty_figure(f"{title}: no users to evaluate.")
    _, panels = plt.subplots(1, 2, figsize=(WIDTH, 3.6), sharey=True)
    for ax, name in zip(panels, ("diversity", "coverage"), strict=True):
        for (protocol,), line in table.group_by("protocol", maintain_order=True):
            # lists of one product have no diversity
            knobs, x, y = line.drop_nulls(f"{name}@{k}").select("knob", f"{name}@{k}", f"ndcg@{k}")
            (drawn,) = ax.plot(
                x, y, label=protocol_names.title(str(protocol)), lw=1.2, clip_on=False, **PROTOCOL_LOOKS[protocol]
            )
            points = zip(knobs, x, y, strict=True)
            values(drawn, [f"knob {knob:g}: {name} {score(a)}, ndcg {score(b)}" for knob, a, b in points])
            for knob, *place in zip(knobs, x, y, strict=True):
                ax.annotate(f"{knob:g}", place, xytext=(4, 4), textcoords="offset points", fontsize=SMALL)
        ax.set(xlabel=f"{name}@{k}", ylim=(0, None))
        ax.margins(x=0.08)
    panels[0].set(ylabel=f"ndcg@{k}, mean over users")
    _legend_beside(panels[1], title="dots: lists.diversity", title_fontsize=SMALL)
    titled(panels[0], findings.exchanged(table, k), title)
    return panels[0]


def _legend_beside(ax: Axes, **options: object) -> None:
    ax.legend(frameon=False, bbox_to_anchor=(1.01, 1), loc="upper left", labelcolor=SOFT, **options)
