"""Figures of 02_validate: each function takes a table and returns an `Axes` with units on its axes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateFormatter, AutoDateLocator, date2num
from matplotlib.ticker import MaxNLocator

from recomart_lib.core.plots import ACCENT, ALARM, GREY, INK, SMALL, WIDTH, empty_figure, titled, values
from recomart_lib.core.text import percent, plural, quality

N_SIZES = 5  # of dots
# Where a delivered row ends, in words.
PLACES = {
    "good": "used",
    "excluded": "left out by the shop file",
    "duplicates": "repeats of other rows",
    "history": "older states of a user or product",
    "quarantined": "in quarantine",
    "rejected": "unreadable",
}


def accounting(row: Mapping[str, int], title: str) -> Axes:
    """Where the delivered rows of a table ended: one bar per place that has any (`quality_report.report`, tables)."""
    places = [(words, row[name]) for name, words in PLACES.items() if name == "good" or row[name]]
    delivered = row["delivered"]
    if not delivered:
        return empty_figure(f"{title}: nothing was delivered.")
    _, ax = plt.subplots(figsize=(WIDTH, 1.3 + 0.34 * len(places)))
    for place, (words, n) in enumerate(places):
        text = f"{plural(n, 'row')}, {percent(n / delivered)}"
        values(ax.barh(place, n, color=GREY if place else ACCENT)[0], [f"{words}: {text}"])
        ax.annotate(text, (n, place), (4, 0), textcoords="offset points", va="center", fontsize=SMALL)
    ax.set_yticks(range(len(places)), [words for words, _ in places])
    ax.invert_yaxis()
    ax.margins(x=0.25)
    ax.grid(axis="y", visible=False)
    ax.xaxis.set_major_formatter("{x:,g}")
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set(xlabel="rows")
    titled(ax, _used(row), title)
    return ax


def _used(row: Mapping[str, int]) -> str:
    """The share of the delivered rows that is used, and where most of the others are."""
    if row["good"] == row["delivered"]:
        return f"All {row['good']:,} delivered rows are used" if row["good"] > 1 else "The only delivered row is used"
    largest = max((name for name in PLACES if name != "good"), key=lambda name: row[name])
    others = row["delivered"] - row["good"]
    most = "all" if row[largest] == others else f"{percent(row[largest] / others)}"
    used = percent(row["good"] / row["delivered"])
    return f"{used} of the delivered rows are used; of the others, {most} are {PLACES[largest]}"


def delivery_scores(scores: pl.DataFrame, title: str, gate: float) -> Axes:
    """One dot per delivery, larger for more rows, and the gate. `scores` has day, score (0-100) and n (checked rows).

    The axis fits the usual scores, which are near 100: a delivery far below is a triangle on the lower edge.
    """
    if not scores.height:
        return empty_figure(f"{title}: no delivery was checked.")
    rows = scores.sort("day")
    day, score, n = (rows.get_column(name).to_numpy() for name in ("day", "score", "n"))
    lowest = max(min(2 * gate - 100, np.quantile(score, 0.1)), 0)
    span = max(100 - lowest, 1)
    ylim = (lowest - 0.12 * span, 100 + 0.06 * span)
    visible = score >= ylim[0]
    size = np.ceil(N_SIZES * np.sqrt(n / n.max())).astype(int)  # few sizes, so that the figure is small
    texts = np.array(
        [f"{d}: {quality(s)} of {plural(int(rows), 'row')}" for d, s, rows in zip(day, score, n, strict=True)]
    )
    _, ax = plt.subplots()
    ax.plot(day, np.maximum(score, lowest - 0.06 * span), color=GREY, lw=0.7, alpha=0.6, zorder=1)
    for step in np.unique(size[visible]):
        of_size = visible & (size == step)
        (dots,) = ax.plot(day[of_size], score[of_size], "o", ms=1.5 + 0.8 * step, color=ACCENT, mew=0, zorder=2)
        values(dots, texts[of_size].tolist())
    if not visible.all():
        label = f"below {ylim[0]:.1f}; the lowest is {quality(score.min())}"
        low = np.full((~visible).sum(), lowest - 0.06 * span)
        (marks,) = ax.plot(day[~visible], low, "v", color=ALARM, zorder=2, label=label)
        values(marks, texts[~visible].tolist())
    ax.axhline(gate, color=INK, ls="--", lw=1, label=f"gate {gate:g}")
    ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)
    ax.set(xlabel="day of the delivery; larger dots: more rows", ylabel="score, % of checked rows", ylim=ylim)
    _day_ticks(ax, rows.get_column("day"))
    titled(ax, _below_gate(rows, gate), title)
    return ax


def _below_gate(rows: pl.DataFrame, gate: float) -> str:
    """How many deliveries are below the gate, and the lowest."""
    worst = rows.sort("score", "day").row(0, named=True)
    lowest = f"{worst['day']} has {quality(worst['score'])}"
    if rows.height == 1:
        return f"Only one delivery: {lowest}"
    below = rows.filter(pl.col("score") < gate).height
    if rows.get_column("score").n_unique() == 1:
        return f"All {rows.height:,} deliveries have {quality(worst['score'])}"
    if below:
        return f"{below:,} of {plural(rows.height, 'delivery', 'deliveries')} below the gate; lowest: {lowest}"
    return f"All {rows.height:,} deliveries reach the gate; lowest: {lowest}"


def score_history(history: pl.DataFrame, title: str) -> Axes:
    """One dot per validated state, oldest first, and the gate at that time. `history`: see `score_history.HISTORY`."""
    if history.height < 2:
        return empty_figure(f"{title}: the figure needs at least two states.")
    _, ax = plt.subplots(figsize=(WIDTH, 2.9))
    index = np.arange(1, history.height + 1)
    score = history.get_column("score").to_list()
    (line,) = ax.plot(index, score, "o-", color=ACCENT, lw=1, ms=5, label="score")
    values(line, [f"state {number}: {quality(value)}" for number, value in zip(index, score, strict=True)])
    ax.step(index, history.get_column("min_score"), color=INK, ls="--", lw=1, where="mid", label="gate")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderpad=0)
    ax.set(xlabel="validated state of the lake and the rules, in order", ylabel="score, % of checked rows")
    before, last = quality(score[-2]), quality(score[-1])
    titled(ax, f"Unchanged: {last}" if score[-2] == score[-1] else f"Now {last}, before {before}", title)
    return ax


def drift(table: pl.DataFrame, title: str) -> Axes:
    """One strip per measure over the days: darker is more severe, flags are marked. `table`: see `drift.detect`."""
    if not table.height:
        return empty_figure(f"{title}: no delivery could be compared.")
    measures = table.get_column("measure").unique(maintain_order=True).to_list()
    first, last = table.get_column("day").min(), table.get_column("day").max()
    _, ax = plt.subplots(figsize=(WIDTH, 1.9 + 0.36 * len(measures)))
    days = np.arange(first, last + timedelta(days=2), dtype="datetime64[D]")
    shades = np.full((len(measures), len(days) - 1), np.nan)
    column = (table.get_column("day") - first).dt.total_days().to_numpy()
    row = np.array([measures.index(measure) for measure in table.get_column("measure")])
    shades[row, column] = table.get_column("severity")
    edges = date2num(days) - 0.5
    mesh = ax.pcolormesh(
        edges, np.arange(len(measures) + 1) - 0.5, shades, cmap="Blues", vmin=0, vmax=1, rasterized=True
    )
    flagged = table.get_column("flagged").to_numpy()
    marks = ax.scatter(date2num(days[column[flagged]]), row[flagged], marker="D", s=26, color=ALARM, ec="white", lw=0.6)
    flags = table.filter("flagged").select("day", "measure", "severity").iter_rows()
    values(marks, [f"{day}, {measure}: {severity:.3g} times the threshold" for day, measure, severity in flags])
    bar = ax.figure.colorbar(mesh, ax=ax, extend="max", label="severity (threshold = 1)", ticks=[0, 0.5, 1])
    bar.solids.set_rasterized(True)
    ax.hlines(np.arange(1, len(measures)) - 0.5, edges[0], edges[-1], color="white", lw=3)
    ax.set_yticks(range(len(measures)), measures)
    ax.grid(visible=False)
    ax.set(xlabel="day of the delivery; diamonds: flagged, blank: not compared", xlim=edges[[0, -1]])
    ax.invert_yaxis()
    ax.xaxis_date()
    _day_ticks(ax, table.get_column("day"))
    titled(ax, _most_flagged(table), title)
    return ax


def _most_flagged(table: pl.DataFrame) -> str:
    """How many days are flagged, and most often for what."""
    n_days, flagged = table.get_column("day").n_unique(), table.filter("flagged")
    if not flagged.height:
        return f"No delivery is flagged, of {n_days:,} compared"
    counts = flagged.group_by("measure").agg(n=pl.col("day").n_unique()).sort("n", "measure", descending=[True, False])
    measure, n = counts.row(0)
    days = flagged.get_column("day").n_unique()
    most = f": {measure}" if counts.height == 1 else f", most often for {measure} ({n:,})"
    return f"{days:,} of {plural(n_days, 'delivery', 'deliveries')} flagged{most}"


def _day_ticks(ax: Axes, days: pl.Series) -> None:
    """Few dates that do not overlap; every day if there is less than a week, where the ticks would be hours."""
    unique_days = days.unique().sort()
    if (unique_days[-1] - unique_days[0]).days < 7:
        ax.set_xticks(date2num(unique_days.to_numpy()), [str(day) for day in unique_days])
        return
    locator = AutoDateLocator(minticks=3, maxticks=7)
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(AutoDateFormatter(locator))
