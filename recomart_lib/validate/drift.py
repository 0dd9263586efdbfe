"""Has a daily drop of events drifted from the drops before it?

Rows are *observed* batch by batch, and only small tables per day are kept, so that any number of rows can be watched.
Then each drop is compared with the `drift_window` drops before it. A difference is flagged if it is above the limit of
params.yaml and above what chance alone explains at that size: in small drops everything differs a little. The chance
level takes rows for independent. Lines of one order are not, so it is a lower bound, and the limit does the rest. The
share of nulls may swing from day to day by its nature (sales to guests lack a user): there the usual swing counts, too.

A flagged drop stays among the drops that later ones are compared with. So a change that lasts is flagged at first and
then becomes the usual (the volume after half a window, for it is compared with a median), and nothing has to be
confirmed by hand. A drop that was bad for one day is one of many: it hides little, and does not make the good days
after it look odd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import stats

from recomart_lib.core.schemas import EVENTS
from recomart_lib.core.text import number, percent
from recomart_lib.validate.settings import Validate

DAY = "drop_day"
SAMPLE = 1_000  # prices kept of each day
MIN_PRECEDING = 7  # drops before the first that is judged: all weekdays have been seen
MIN_EXPECTED = 5  # rows that a value must be expected to have, to be counted on its own (Cochran's rule)
CHANCE = 0.001  # a difference this rare, or rarer, is not put down to chance
SIGMAS = float(stats.norm.isf(CHANCE / 2))

VOLUME = {DAY: pl.Date, "n": pl.Int64}
NULLS = {DAY: pl.Date, "column": pl.String, "n": pl.Int64}
MIX = {DAY: pl.Date, "measure": pl.String, "value": pl.String, "n": pl.Int64}
PRICES = {DAY: pl.Date, "order": pl.UInt64, "price": pl.Float64}
DRIFTS = {
    "day": pl.Date,
    "measure": pl.String,
    "value": pl.Float64,
    "threshold": pl.Float64,
    "usual": pl.Float64,
    "detail": pl.String,
}


@dataclass(frozen=True)
class Observed:
    """What is kept of the rows seen so far, sorted by all columns.

    `volume`: drop_day, n (rows). `nulls`: drop_day, column, n (rows in which this column of `EVENTS` is null). `mix`:
    drop_day, measure (event_type or category), value, n (rows; those without a value are left out). `prices`:
    drop_day, order, price, at most `SAMPLE` of a day: the rows whose hash `order` of file and line is smallest. They
    are a uniform sample, and the smallest of two batches are among the smallest of each: samples merge exactly.
    """

    volume: pl.DataFrame
    nulls: pl.DataFrame
    mix: pl.DataFrame
    prices: pl.DataFrame


class Finding(NamedTuple):
    """One drop judged by one measure; see `drifts`."""

    value: float
    threshold: float
    usual: float
    detail: str


class Wide(NamedTuple):
    """Counts (n_days, n_names) and the names of their columns."""

    counts: np.ndarray
    names: pl.Series


Judge = Callable[[int, slice, Validate], Finding | None]


def observe(rows: pl.DataFrame, items: pl.DataFrame | None = None) -> Observed:
    """Keep of some rows what `drifts` needs.

    Parameters
    ----------
    rows
        One row per landed event: the columns of `EVENTS`, source_file, source_line and drop_day (Date; rows without
        one are left out). Where `items` does not tell the categories, `items.category` does, if there is such a
        column.
    items
        item_id, category; of an item that comes twice the first category counts. None: the shop delivers no items.

    Returns
    -------
    Observed
        The same for all rows at once as for any batches of them, merged.
    """
    rows = rows.drop_nulls(DAY)
    counts = rows.group_by(DAY).agg(pl.len().alias("n"), pl.col(list(EVENTS)).null_count())
    mixes = {"event_type": rows.select(DAY, value="event_type"), "category": _categories(rows, items)}
    tallies = [_tally(values, measure) for measure, values in mixes.items()]
    order = pl.struct("source_file", "source_line").hash().alias("order")
    return merge(
        [
            Observed(
                volume=counts.select(DAY, "n").cast(VOLUME),
                nulls=counts.drop("n").unpivot(index=DAY, variable_name="column", value_name="n").cast(NULLS),
                mix=pl.concat(tallies),
                prices=rows.filter(pl.col("price").is_finite()).select(DAY, order, "price").cast(PRICES),
            )
        ]
    )


def _categories(rows: pl.DataFrame, items: pl.DataFrame | None) -> pl.DataFrame:
    """drop_day, value and perhaps n: counted by item first, for that is fewer rows to join."""
    if items is not None and "category" in items.columns:
        known = items.select("item_id", value="category").drop_nulls().unique("item_id", keep="first")
        return rows.group_by(DAY, "item_id").agg(n=pl.len()).join(known, on="item_id")
    category = pl.col("items.category") if "items.category" in rows.columns else pl.lit(None, pl.String)
    return rows.select(DAY, value=category)


def _tally(values: pl.DataFrame, measure: str) -> pl.DataFrame:
    n = pl.col("n").sum() if "n" in values.columns else pl.len()
    counted = values.drop_nulls().group_by(DAY, "value").agg(n=n)
    return counted.select(DAY, pl.lit(measure).alias("measure"), "value", "n").cast(MIX)


def merge(parts: Iterable[Observed]) -> Observed:
    """What all parts saw; without parts, nothing."""
    parts = list(parts)
    nothing = Observed(*(pl.DataFrame(schema=columns) for columns in (VOLUME, NULLS, MIX, PRICES)))
    tables = {}
    for field in fields(Observed):
        together = pl.concat([getattr(part, field.name) for part in [nothing, *parts]])
        tables[field.name] = _smallest(together) if field.name == "prices" else _summed(together)
    return Observed(**tables)


def _summed(counts: pl.DataFrame) -> pl.DataFrame:
    by = [name for name in counts.columns if name != "n"]
    return counts.group_by(by).agg(pl.col("n").sum()).sort(by)


def _smallest(prices: pl.DataFrame) -> pl.DataFrame:
    largest = pl.col("order").bottom_k(SAMPLE).max().over(DAY)
    few = prices.filter(pl.col("order") <= largest).sort(list(PRICES))  # many times faster than to sort them all
    return few.filter(pl.int_range(pl.len()).over(DAY) < SAMPLE)


def drifts(observed: Observed, params: Validate) -> pl.DataFrame:
    """Compare each drop with the up to `drift_window` drops before it. A drop is a day that has rows.

    ========== ============================================================ ==========================================
    measure    value                                                        usual
    ========== ============================================================ ==========================================
    volume     rows / median rows of a drop before                          median rows of a drop before
    nulls      change of a column's share of nulls (of the worst column)    that share before
    event_type population stability index of event types, see `psi`         share before of the type that changed most
    category   the same of categories                                       share before of the category ...
    price      Kolmogorov-Smirnov distance of prices, in [0, 1]             median price before
    ========== ============================================================ ==========================================

    The drops before are taken together. The volume is judged whatever the size; the others only where the drop, and
    the drops before, have `drift_min_rows` rows (with a value). Each price sample stands for its drop.

    Returns
    -------
    DataFrame
        One row per drop and measure that could be judged, by day and in the order above: day, measure, value,
        threshold (the limit of params, or the chance level where that is higher; for a small volume its inverse),
        usual, detail (what changed, with words from the data), severity (value / threshold, for the volume that of
        their logarithms) and flagged (severity > 1). No row for the first `MIN_PRECEDING` drops.
    """
    days = observed.volume.get_column(DAY)
    judges = _judges(observed, days)
    found = [
        (days[place], measure, *finding)
        for place in range(MIN_PRECEDING, len(days))
        for measure, judge in judges.items()
        if (finding := judge(place, slice(max(place - params.drift_window, 0), place), params))
    ]
    table = pl.DataFrame(found, schema=DRIFTS, orient="row")
    of_logs = pl.col("value").log() / pl.col("threshold").log()  # twice and half the rows are as far from the usual
    severity = pl.when(pl.col("measure") == "volume").then(of_logs).otherwise(pl.col("value") / pl.col("threshold"))
    return table.with_columns(severity=severity).with_columns(flagged=pl.col("severity") > 1)


def _judges(observed: Observed, days: pl.Series) -> dict[str, Judge]:
    """Measure -> its judge, who is given a drop's place among the days, and the places of those before it."""
    sizes = observed.volume.get_column("n").to_numpy()
    mixes = {
        measure: _wide(observed.mix.filter(pl.col("measure") == measure), "value", days)
        for measure in ("event_type", "category")
    }
    samples = observed.prices.partition_by(DAY, as_dict=True)
    prices = [samples[(day,)]["price"].to_numpy() if (day,) in samples else np.empty(0) for day in days]
    return {
        "volume": partial(_volume, sizes),
        "nulls": partial(_nulls, _wide(observed.nulls, "column", days), sizes),
        **{measure: partial(_mix, wide) for measure, wide in mixes.items()},
        "price": partial(_price, prices),
    }


def _wide(counts: pl.DataFrame, by: str, days: pl.Series) -> Wide:
    names = counts.get_column(by).unique().sort()
    wide = np.zeros((len(days), len(names)), dtype=np.int64)
    wide[days.search_sorted(counts[DAY]), names.search_sorted(counts[by])] = counts["n"]
    return Wide(wide, names)


def _volume(sizes: np.ndarray, place: int, before: slice, params: Validate) -> Finding:
    n, usual = sizes[place], np.median(sizes[before])
    # the logarithm of a Poisson count has a standard deviation of about 1 / sqrt(mean)
    limit = max(params.drift_volume, float(np.exp(SIGMAS / np.sqrt(usual))))
    detail = f"{number(n)} rows, usually {number(usual)}"
    return Finding(n / usual, limit if n >= usual else 1 / limit, usual, detail)


def _nulls(nulls: Wide, sizes: np.ndarray, place: int, before: slice, params: Validate) -> Finding | None:
    n, m = sizes[place], sizes[before].sum()
    if min(n, m) < params.drift_min_rows:
        return None
    now, usual = nulls.counts[place] / n, nulls.counts[before].sum(axis=0) / m
    pooled = (n * now + m * usual) / (n + m)
    by_chance = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    between_drops = stats.median_abs_deviation(nulls.counts[before] / sizes[before, None], axis=0, scale="normal")
    limit = np.maximum(params.drift_nulls, SIGMAS * np.maximum(by_chance, between_drops))
    change = np.abs(now - usual)
    worst = int(np.argmax(change / limit))
    detail = f"{nulls.names[worst]} missing {percent(usual[worst])} -> {percent(now[worst])}"
    return Finding(change[worst], limit[worst], usual[worst], detail)


def _mix(mix: Wide, place: int, before: slice, params: Validate) -> Finding | None:
    now, usual = mix.counts[place], mix.counts[before].sum(axis=0)
    n, m = now.sum(), usual.sum()
    if min(n, m) < params.drift_min_rows:
        return None
    rare = usual * min(n / m, 1) < MIN_EXPECTED
    bins = np.array([[*counts[~rare], counts[rare].sum()] for counts in (now, usual)])
    bins = bins[:, bins.any(axis=0)]
    limit = max(params.drift_psi, psi_by_chance(n, m, bins.shape[1]))
    most = int(np.argmax(np.abs(now / n - usual / m)))
    detail = f"{mix.names[most]} {percent(usual[most] / m)} -> {percent(now[most] / n)}"
    return Finding(psi(*bins), limit, usual[most] / m, detail)


def _price(prices: list[np.ndarray], place: int, before: slice, params: Validate) -> Finding | None:
    now, usual = prices[place], np.concatenate(prices[before])
    if min(len(now), len(usual)) < min(params.drift_min_rows, SAMPLE):
        return None
    distance = stats.ks_2samp(now, usual, method="asymp").statistic
    limit = max(params.drift_ks, ks_by_chance(len(now), len(usual)))
    middle = float(np.median(usual))
    return Finding(distance, limit, middle, f"median price {number(middle)} -> {number(np.median(now))}")


def psi(now: np.ndarray, before: np.ndarray) -> float:
    """Population stability index of two rows of counts (n_bins,): sum (p - q) ln(p / q) over their shares p and q.

    Half a row is added to each bin, so that an empty one gives a finite number. 0: equal shares; one bin: 0. By a rule
    of thumb 0.1 is a small and 0.25 a large change.

    Source
    ------
    Siddiqi, Credit risk scorecards, 2006 (index and rule of thumb).

    >>> round(psi(np.array([60, 40]), np.array([500, 500])), 4)  # 0.1 ln 1.2 - 0.1 ln 0.8 = 0.0405, less by smoothing
    0.0397
    >>> round(psi(np.array([100, 0]), np.array([100, 100])), 2)
    2.63
    """
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (now, before))
    return float(((p - q) * np.log(p / q)).sum())


def psi_by_chance(n: int, m: int, n_bins: int) -> float:
    """The index that n and m rows of the same shares exceed with probability `CHANCE`, about.

    Without a drift, psi / (1 / n + 1 / m) is chi-square distributed with n_bins - 1 degrees of freedom, for large n, m.

    Source
    ------
    Yurdakul and Naranjo, Statistical properties of the population stability index, 2020.

    >>> round(psi_by_chance(300, 8400, 5), 3)
    0.064
    """
    return float(stats.chi2.isf(CHANCE, max(n_bins - 1, 1)) * (1 / n + 1 / m))


def ks_by_chance(n: int, m: int) -> float:
    """The Kolmogorov-Smirnov distance that samples of n and m of one distribution exceed with probability `CHANCE`.

    sqrt(-ln(CHANCE / 2) / 2 x (1 / n + 1 / m)): Smirnov's limit for large samples. Ties make it smaller, never larger.

    Source
    ------
    Smirnov, Table for estimating the goodness of fit of empirical distributions, 1948.

    >>> round(ks_by_chance(100, 2800), 3)
    0.198
    """
    return float(np.sqrt(-np.log(CHANCE / 2) / 2 * (1 / n + 1 / m)))
