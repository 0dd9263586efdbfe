"""The pictures: one function per kind of picture, tables in, an `Axes` out. Axes say their units."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateFormatter, AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from recomart_lib.colours import MODEL_COLOURS, colour

INK, ACCENT, GREY, ALARM = "#1f2933", "#2a6f97", "#9aa5b1", "#c1121f"
DEEP = ["#4c72b0", "#dd8452", "#55a868", "#c44e52", "#8172b3", "#937860", "#da8bc3", "#8c8c8c", "#ccb974", "#64b5cd"]
# What `seaborn.set_theme("notebook", "whitegrid", "deep")` sets. It is written out, and seaborn imported only where it
# draws, because it imports scipy.stats and pandas: half the time that a notebook's imports take.
SEABORN = {
    "axes.axisbelow": True, "axes.edgecolor": ".8", "axes.grid": True, "axes.labelsize": 12, "axes.linewidth": 1.25,
    "axes.prop_cycle": cycler("color", DEEP), "font.size": 12, "grid.color": ".8", "grid.linewidth": 1,
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "legend.fontsize": 11, "legend.title_fontsize": 12, "lines.solid_capstyle": "round",
    "patch.edgecolor": "w", "patch.force_edgecolor": True,
    **{f"{axis}tick.{name}": value for axis in "xy" for name, value in {
        "color": ".15", "labelsize": 11, "major.size": 6, "major.width": 1.25, "minor.size": 4, "minor.width": 1,
    }.items()},
    "xtick.bottom": False, "ytick.left": False,
}  # fmt: skip


def use_style() -> None:
    """One look for all figures: white, light grid, readable on paper; the same bytes for the same numbers."""
    plt.rcParams.update(
        {**SEABORN, "axes.spines.right": False, "axes.spines.top": False, "figure.figsize": (8, 3.6),
         "figure.dpi": 110, "savefig.bbox": "tight", "axes.titlelocation": "left",
         "axes.titleweight": "bold", "text.color": INK, "axes.labelcolor": INK, "svg.hashsalt": "recomart",
         "axes.titlesize": 11, "figure.constrained_layout.use": True, "text.parse_math": False}
    )  # fmt: skip


def nothing(text: str) -> Axes:
    """An empty picture that says why it is empty."""
    _, ax = plt.subplots(figsize=(8, 0.8))
    ax.text(0, 0.5, text, color=GREY, va="center")
    ax.set_axis_off()
    return ax


def bars(labels: Sequence[str], values: Sequence[float], xlabel: str, title: str, shares: bool = False) -> Axes:
    """Horizontal bars, the first on top; models have their colours."""
    if not any(values):
        return nothing(f"{title}: no data in this shop.")
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
        return nothing(f"{title}: no data.")
    _, ax = plt.subplots()
    ax.plot(days.to_series(0).to_numpy(), days.get_column("n").to_numpy(), color=ACCENT, lw=1.2)
    ax.set(ylabel=ylabel, title=title, ylim=(0, None), xlabel="date")
    return ax


def by_minute(minutes: pl.DataFrame, column: str, ylabel: str, title: str) -> Axes:
    """A bar per minute of a session; the first column is the minute."""
    shown = minutes.drop_nulls(column)
    if not shown.height:
        return nothing(f"{title}: no data.")
    _, ax = plt.subplots()
    start, minute = shown.to_series(0), timedelta(minutes=1)
    ax.bar(start.to_numpy(), shown.get_column(column).to_numpy(), width=minute, align="edge", color=ACCENT, lw=0)
    # some room, so that a session of one minute has a time axis, too
    ax.set_xlim(start[0] - minute, start[-1] + 2 * minute)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.set(ylabel=ylabel, title=title, xlabel="minute, UTC")
    ax.grid(axis="x", visible=False)
    return ax


def scores(history: pl.DataFrame, title: str, gate: float) -> Axes:
    """One dot per drop, larger for more rows, and the gate. `history` has day, score (0 to 100) and n (rows judged).

    The picture is for the usual scores, which are near 100: a drop far below is a triangle on its lower edge.
    """
    if not history.height:
        return nothing(f"{title}: no drop was judged.")
    rows = history.sort("day")
    day, score, n = (rows.get_column(name).to_numpy() for name in ("day", "score", "n"))
    lowest = max(min(2 * gate - 100, np.quantile(score, 0.1)), 0)
    span = max(100 - lowest, 1)
    ylim = (lowest - 0.12 * span, 100 + 0.06 * span)
    shown = score >= ylim[0]
    _, ax = plt.subplots()
    ax.plot(day, np.maximum(score, lowest - 0.06 * span), color=GREY, lw=0.7, alpha=0.6, zorder=1)
    ax.scatter(day[shown], score[shown], s=4 + 26 * np.sqrt(n / n.max())[shown], color=ACCENT, lw=0, zorder=2)
    if not shown.all():
        ax.scatter(day[~shown], np.full((~shown).sum(), lowest - 0.06 * span), marker="v", color=ALARM, zorder=2,
                   label=f"below {ylim[0]:.1f}; the lowest is {score.min():.1f}")  # fmt: skip
    ax.axhline(gate, color=INK, ls="--", lw=1, label=f"gate {gate:g}")
    ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, borderpad=0)
    ax.set(xlabel="day of the drop; larger dots: more rows", ylabel="score, % of judged rows", title=title, ylim=ylim)
    _day_ticks(ax, rows.get_column("day"))
    return ax


def runs(history: pl.DataFrame, title: str) -> Axes:
    """One dot per judged state, the first on the left, and the gate of its time. `history`: see `history.HISTORY`."""
    if history.height < 2:
        return nothing(f"{title}: a picture needs two.")
    _, ax = plt.subplots(figsize=(8, 2.4))
    number = np.arange(1, history.height + 1)
    ax.plot(number, history.get_column("score"), "o-", color=ACCENT, lw=1, ms=5, label="score")
    ax.step(number, history.get_column("min_score"), color=INK, ls="--", lw=1, where="mid", label="gate")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, borderpad=0)
    ax.set(xlabel="judged state of lake and rules, in order", ylabel="score, % of rows", title=title)
    return ax


def drift(table: pl.DataFrame, title: str) -> Axes:
    """One strip per measure over the days, the severity by shade, flagged drops marked. `table`: see `drift.drifts`."""
    if not table.height:
        return nothing(f"{title}: no drop could be judged.")
    measures = table.get_column("measure").unique(maintain_order=True).to_list()
    first, last = table.get_column("day").min(), table.get_column("day").max()
    _, ax = plt.subplots(figsize=(8, 1.5 + 0.36 * len(measures)))
    days = np.arange(first, last + timedelta(days=2), dtype="datetime64[D]")
    shades = np.full((len(measures), len(days) - 1), np.nan)
    place = (table.get_column("day") - first).dt.total_days().to_numpy()
    line = np.array([measures.index(measure) for measure in table.get_column("measure")])
    shades[line, place] = table.get_column("severity")
    edges = date2num(days) - 0.5
    mesh = ax.pcolormesh(edges, np.arange(len(measures) + 1) - 0.5, shades, cmap="Blues", vmin=0, vmax=1)
    flagged = table.get_column("flagged").to_numpy()
    ax.scatter(date2num(days[place[flagged]]), line[flagged], marker="D", s=26, color=ALARM, ec="white", lw=0.6)
    ax.figure.colorbar(mesh, ax=ax, extend="max", label="severity (threshold = 1)", ticks=[0, 0.5, 1])
    ax.hlines(np.arange(1, len(measures)) - 0.5, edges[0], edges[-1], color="white", lw=3)
    ax.set_yticks(range(len(measures)), measures)
    ax.grid(visible=False)
    ax.set(xlabel="day of the drop; diamonds: flagged, white: not judged", title=title, xlim=edges[[0, -1]])
    ax.invert_yaxis()
    ax.xaxis_date()
    _day_ticks(ax, table.get_column("day"))
    return ax


def _day_ticks(ax: Axes, days: pl.Series) -> None:
    """Few dates, so that they do not touch, and every day of less than a week: there the ticks would be hours."""
    known = days.unique().sort()
    if (known[-1] - known[0]).days < 7:
        ax.set_xticks(date2num(known.to_numpy()), [str(day) for day in known])
        return
    locator = AutoDateLocator(minticks=3, maxticks=7)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(AutoDateFormatter(locator))


def long_tail(counts: dict[str, pl.DataFrame], title: str) -> Axes:
    """Cumulative share of events over the share of users or items, most active first; diagonal: an even spread."""
    _, ax = plt.subplots(figsize=(5.2, 4))
    for name, line, style in zip(counts, counts.values(), ("-", "--"), strict=False):
        x = np.arange(1, line.height + 1) / max(line.height, 1)
        ax.plot(x, line.get_column("share"), style, color=ACCENT, label=name)
    ax.plot([0, 1], [0, 1], ":", color=GREY, label="even spread")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set(xlabel="share of users / items, most active first", ylabel="share of events", title=title)
    ax.legend(frameon=False)
    return ax


def histogram(values: pl.Series, xlabel: str, ylabel: str, title: str, log: bool = False) -> Axes:
    """Distribution of one number; with `log`, bins of equal ratio (values above zero)."""
    known = values.drop_nulls().cast(pl.Float64).to_numpy()
    known = known[known > 0] if log else known
    if not len(known):
        return nothing(f"{title}: no data in this shop.")
    _, ax = plt.subplots()
    ax.hist(known, bins=_bins(known, log), color=ACCENT, edgecolor="white", lw=0.4)
    if log:
        ax.set_xscale("log")
        near = known.max() < 1_000 * known.min()
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if near else (1,)))
        ax.xaxis.set_major_formatter("{x:,g}")
        ax.xaxis.set_minor_formatter(NullFormatter())  # the default one writes TeX
    ax.set(xlabel=xlabel, ylabel=ylabel, title=title)
    return ax


def _bins(known: np.ndarray, log: bool) -> np.ndarray | int:
    if not log or known.min() == known.max():
        return min(40, len(np.unique(known)) + 1)
    return np.geomspace(known.min(), known.max(), 40)


def week_heatmap(grid: pl.DataFrame, title: str) -> Axes:
    """Weekday x hour, the share of events by shade."""
    import seaborn as sns

    _, ax = plt.subplots(figsize=(8, 2.8))
    values = grid.drop("day").to_numpy()
    sns.heatmap(values, ax=ax, cmap="Blues", cbar_kws={"label": "share of events", "format": PercentFormatter(1)},
                yticklabels=grid.get_column("day").to_list(), xticklabels=range(24))  # fmt: skip
    ax.set(xlabel="hour of day, local time", ylabel="", title=title)
    ax.tick_params(axis="both", rotation=0)
    return ax


def intervals(table: pl.DataFrame, metric: str, title: str, target: float | None = None, word: str = "target") -> Axes:
    """One dot per model with its 95 % interval, best on top; a dashed line at the target (or what `word` calls it)."""
    if not table.height:
        return nothing(f"{title}: nobody can be judged.")
    rows = table.sort(metric, "model", descending=[True, False])
    _, ax = plt.subplots(figsize=(8, 0.9 + 0.3 * rows.height))
    for place, row in enumerate(rows.iter_rows(named=True)):
        low, high = row[f"{metric}_ci"]
        ax.plot([low, high], [place, place], color=colour(row["model"]), lw=3, solid_capstyle="butt", alpha=0.5)
        ax.plot(row[metric], place, "o", color=colour(row["model"]))
    if target is not None:
        ax.axvline(target, color=INK, ls="--", lw=1, label=f"{word} {target:.3g}")
        ax.legend(frameon=False, loc="lower right")
    ax.set_yticks(range(rows.height), rows.get_column("model").to_list())
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel=f"{metric}, mean over users with 95 % bootstrap interval", title=title, xlim=(0, None))
    return ax


def by_k(table: pl.DataFrame, metric: str, title: str) -> Axes:
    """A metric over list length, one line per model. `table` has model, k and the metric."""
    if not table.height:
        return nothing(f"{title}: nobody can be judged.")
    _, ax = plt.subplots()
    best_first = table.group_by("model").agg(pl.col(metric).last()).sort(metric, descending=True)
    for model in best_first.get_column("model"):
        line = table.filter(pl.col("model") == model).sort("k")
        ax.plot(line.get_column("k"), line.get_column(metric), color=colour(model), label=model, marker="o", ms=3)
    ax.set(xlabel="k, length of the list", ylabel=f"{metric}@k, mean over users", title=title, ylim=(0, None))
    ax.set_xticks(table.get_column("k").unique().sort())
    ax.legend(frameon=False, bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=8)
    return ax


def slices(table: pl.DataFrame, by: str, metric: str, title: str) -> Axes:
    """One dot per slice and model with its interval. `table` has the slice column, model, mean, low, high, n."""
    if not table.height:
        return nothing(f"{title}: nobody can be judged.")
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
    ax.legend(frameon=False, bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=8)
    return ax


def curve(table: pl.DataFrame, x: str, metric: str, xlabel: str, title: str) -> Axes:
    """One line per model over ordered groups, each point with its interval. `table`: see `beyond.summary`.

    Below each group stands the number of users; a model that lacks a group has a gap there.
    """
    rows = table.filter(pl.col("metric") == metric)
    if not rows.height:
        return nothing(f"{title}: nobody can be judged.")
    groups = rows.get_column(x).unique().sort().to_list()
    sizes = dict(rows.group_by(x).agg(pl.col("n").max()).iter_rows())
    models = rows.get_column("model").unique().sort().to_list()
    _, ax = plt.subplots()
    for shift, model in zip(np.linspace(-0.12, 0.12, len(models)), models, strict=True):
        line = pl.DataFrame({x: groups}, {x: rows.schema[x]}).join(
            rows.filter(pl.col("model") == model), on=x, how="left", maintain_order="left"
        )
        mean, low, high = (line.get_column(name).to_numpy() for name in ("mean", "low", "high"))
        ax.errorbar(np.arange(len(groups)) + shift, mean, [mean - low, high - mean], color=colour(model), label=model,
                    marker="o", ms=4, lw=1.2, capsize=2)  # fmt: skip
    names = [f"{group:%Y-%m-%d}" if hasattr(group, "strftime") else str(group) for group in groups]
    ax.set_xticks(range(len(groups)), [f"{name}\nn = {sizes[g]:,}" for name, g in zip(names, groups, strict=True)])
    ax.set(xlabel=xlabel, title=title, ylim=(0, None))
    ax.set_ylabel(f"{metric}, mean over users", fontsize=10)
    ax.legend(frameon=False, bbox_to_anchor=(1.01, 1), loc="upper left", fontsize=8, title="with 95 % interval",
              title_fontsize=8)  # fmt: skip
    return ax


def reliability(table: pl.DataFrame, title: str) -> Axes:
    """What was foretold against what happened, each point with its interval; diagonal: as foretold.

    `table`: see `evaluation.calibrated`.
    """
    if not table.height:
        return nothing(f"{title}: no model tells a probability here.")
    _, ax = plt.subplots(figsize=(5.6, 4.2))
    for (model,), line in table.group_by("model", maintain_order=True):
        x, y, low, high = (line.get_column(name).to_numpy() for name in ("estimate", "observed", "low", "high"))
        error = np.maximum([y - low, high - y], 0)
        ax.errorbar(x, y, error, color=colour(model), label=model, marker="o", ms=4, lw=1, capsize=2)
    top = 1.05 * max(table.get_column("estimate").max(), table.get_column("high").max())
    ax.plot([0, top], [0, top], ":", color=GREY, label="as foretold")
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.set(xlabel="estimated chance, mean of the bin", ylabel="share that happened, with 95 % interval", title=title,
           xlim=(0, top), ylim=(0, top))  # fmt: skip
    ax.legend(frameon=False, loc="upper left")
    return ax


def signal(table: pl.DataFrame, title: str) -> Axes:
    """One dot per feature with its 95 % interval, strongest on top; dashed: no signal. `table`: `lessons.signal`."""
    if not table.height:
        return nothing(f"{title}: nothing to learn from yet.")
    _, ax = plt.subplots(figsize=(8, 0.9 + 0.28 * table.height))
    for place, row in enumerate(table.iter_rows(named=True)):
        ax.plot([row["low"], row["high"]], [place, place], color=ACCENT, lw=3, alpha=0.5, solid_capstyle="butt")
        ax.plot(row["auc"], place, "o", color=ACCENT)
    ax.axvline(0.5, color=INK, ls="--", lw=1)
    ax.set_yticks(range(table.height), table.get_column("feature").to_list(), fontsize=8)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="area under the ROC curve of the feature alone (0.5: tells nothing)", title=title)
    return ax


def trials(log: pl.DataFrame, title: str) -> Axes:
    """One panel per model of two trials or more: a dot per trial, a line for the best so far (`training.tune`)."""
    values = log.filter(pl.col("value").is_not_null()).unique(["model", "trial"], keep="first").sort("model", "trial")
    names = [name for (name,), rows in values.group_by("model", maintain_order=True) if rows.height > 1]
    if not names:
        return nothing(f"{title}: no model had two trials that could be judged.")
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
    axes[0, 0].figure.supylabel("ndcg@10 on valid", fontsize=9)
    return axes[0, 0]


def importances(table: pl.DataFrame, title: str) -> Axes:
    """One bar per hyper-parameter in its model's colour. `table`: see `training.importances`."""
    if not table.height:
        return nothing(f"{title}: not enough trials to tell.")
    _, ax = plt.subplots(figsize=(8, 0.8 + 0.28 * table.height))
    models = table.get_column("model").to_list()
    ax.barh(range(table.height), table.get_column("share").to_numpy(), color=[colour(model) for model in models])
    names = [f"{model}: {name}" for model, name in zip(models, table.get_column("parameter"), strict=True)]
    ax.set_yticks(range(table.height), names)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="share in what makes trials good (sums to 100 % per model)", title=title, xlim=(0, 1))
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    return ax


def trade_off(table: pl.DataFrame, x: str, y: str, title: str) -> Axes:
    """One dot per model: two metrics against each other."""
    if not table.height:
        return nothing(f"{title}: nobody can be judged.")
    _, ax = plt.subplots(figsize=(6.4, 3.8))
    for row in table.iter_rows(named=True):
        ax.plot(row[x], row[y], "o", color=colour(row["model"]), ms=8)
    places = table.group_by(pl.col(x, y).round(3), maintain_order=True).agg("model")
    for left, height, names in places.iter_rows():  # models in one place share a label: texts would cover each other
        ax.annotate(", ".join(names), (left, height), xytext=(6, 3), textcoords="offset points", fontsize=8)
    ax.set(xlabel=x, ylabel=y, title=title)
    return ax


def correlations(table: pl.DataFrame, names: Sequence[str], title: str) -> Axes:
    """Rank correlations of numeric columns that vary."""
    numeric = varying(table, names)
    if len(numeric) < 2:
        return nothing(f"{title}: fewer than two features vary.")
    import seaborn as sns

    matrix = table.select(numeric).to_pandas().corr("spearman")
    few = len(numeric) <= 8  # then there is room for the numbers themselves
    side = 0.9 if few else 0.32
    _, ax = plt.subplots(figsize=(3.4 + side * len(numeric), 2 + (0.5 if few else side) * len(numeric)))
    sns.heatmap(matrix, ax=ax, cmap="RdBu_r", vmin=-1, vmax=1, annot=few, fmt=".2f",
                cbar_kws={"label": "Spearman correlation"})  # fmt: skip
    ax.set(title=title)
    ax.tick_params(axis="x", rotation=90)
    ax.tick_params(axis="y", rotation=0)
    return ax


def varying(table: pl.DataFrame, names: Sequence[str]) -> list[str]:
    """The numeric columns among these that have two values or more."""
    return [n for n in names if table.schema[n].is_numeric() and table.get_column(n).drop_nulls().n_unique() > 1]


def distributions(table: pl.DataFrame, names: Sequence[str], units: dict[str, str], title: str) -> Axes:
    """One small histogram per numeric column that varies, the upper 1 % in its last bar; `units` label the axes."""
    shown = varying(table, names)
    if not shown:
        return nothing(f"{title}: no number varies.")
    n_rows = -(-len(shown) // 4)
    figure, axes = plt.subplots(n_rows, 4, figsize=(11, 0.5 + 1.75 * n_rows), squeeze=False)
    for ax, name in zip(axes.flat, shown, strict=False):
        known = table.get_column(name).drop_nulls().cast(pl.Float64).to_numpy()
        top = np.quantile(known, 0.99)
        ax.hist(np.minimum(known, top) if top > known.min() else known, bins=24, color=ACCENT, lw=0)
        ax.set_title(name, fontsize=8)
        ax.set_xlabel(units[name][:34], fontsize=7)
        ax.tick_params(labelsize=6)
    for ax in axes.flat[len(shown) :]:
        ax.set_axis_off()
    axes[0, 0].set_ylabel("rows", fontsize=7)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    return axes[0, 0]
