"""Has a daily delivery of events drifted from the deliveries before it?

Statistics are collected batch by batch, and only small tables per day are kept, so any number of rows can be monitored.
Then each delivery is compared with the `drift_window` deliveries before it. A difference is flagged if it exceeds both
the limit in params.yaml and the critical value at that sample size: small deliveries always differ a little. The
critical values assume independent rows. Lines of one order are not independent, so the critical value is a lower bound,
and the limit does the rest. The share of nulls may vary from day to day by nature (guest purchases have no user), so
its usual variation counts as well.

A flagged delivery stays among the deliveries that later ones are compared with. A lasting change is therefore flagged
at first and then becomes the new normal (for the volume after half a window, because it is compared with a median), and
no one has to confirm it manually. A single bad day is one of many: it hides little, and the good days after it do not
look unusual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import date
from functools import partial
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import special

from recomart_lib.core.schemas import EVENTS
from recomart_lib.core.text import number, percent
from recomart_lib.validate.settings import Validate

DAY = "delivery_day"
SAMPLE = 1_000  # prices kept of each day
MIN_PRECEDING = 7  # deliveries before the first that is compared: one of each weekday
MIN_EXPECTED = 5  # expected rows that a value needs to be counted on its own (Cochran's rule)
SIGNIFICANCE = 0.001  # probability of exceeding a critical value without drift
SIGMAS = float(-special.ndtri(SIGNIFICANCE / 2))  # scipy.stats does the same, and imports in a second
MAD_TO_SIGMA = float(special.ndtri(0.75))  # median absolute deviation / standard deviation of a normal distribution

VOLUME = {DAY: pl.Date, "n": pl.Int64}
NULLS = {DAY: pl.Date, "column": pl.String, "n": pl.Int64}
MIX = {DAY: pl.Date, "measure": pl.String, "value": pl.String, "n": pl.Int64}
PRICES = {DAY: pl.Date, "order": pl.UInt64, "price": pl.Float64}
DRIFT = {
    "day": pl.Date,
    "measure": pl.String,
    "value": pl.Float64,
    "threshold": pl.Float64,
    "usual": pl.Float64,
    "detail": pl.String,
}


@dataclass(frozen=True)
class DailyStatistics:
    """Small tables per day about any number of rows, sorted by all columns.

    `volume`: delivery_day, n (rows). `nulls`: delivery_day, column, n (rows in which this column of `EVENTS` is null).
    `mix`: delivery_day, measure (event_type or category), value, n (rows; rows without a value are left out). `prices`:
    delivery_day, order, price, at most `SAMPLE` per day: the rows with the smallest hash `order` of file and line. They
    are a uniform sample, and the smallest of two batches are among the smallest of each: samples merge exactly.
    """

    volume: pl.DataFrame
    nulls: pl.DataFrame
    mix: pl.DataFrame
    prices: pl.DataFrame

    def between(self, first: date, last: date) -> DailyStatistics:
        """The statistics of these days, both included."""
        tables = {each.name: getattr(self, each.name) for each in fields(self)}
        return DailyStatistics(**{name: t.filter(pl.col(DAY).is_between(first, last)) for name, t in tables.items()})


class Comparison(NamedTuple):
    """One delivery compared by one measure; see `detect`."""

    value: float
    threshold: float
    usual: float
    detail: str


class CountMatrix(NamedTuple):
    """Counts (n_days, n_names) and the names of their columns."""

    counts: np.ndarray
    names: pl.Series


Measure = Callable[[int, slice, Validate], Comparison | None]


def collect(rows: pl.DataFrame, items: pl.DataFrame | None = None) -> DailyStatistics:
    """Collect the statistics that `detect` needs.

    Parameters
    ----------
    rows
        One row per ingested event: the columns of `EVENTS`, source_file, source_line and delivery_day (Date; rows
        without one are left out). Where `items` has no categories, the column `items.category` is used, if present.
    items
        item_id, category; of an item that occurs twice the first category counts. None: the shop delivers no items.

    Returns
    -------
    DailyStatistics
        All rows together give the same result as any batches of them, merged.
    """
    rows = rows.drop_nulls(DAY)
    counts = rows.group_by(DAY).agg(pl.len().alias("n"), pl.col(list(EVENTS)).null_count())
    values_by_measure = {"event_type": rows.select(DAY, value="event_type"), "category": _categories(rows, items)}
    mixes = [_value_counts(values, measure) for measure, values in values_by_measure.items()]
    order = pl.struct("source_file", "source_line").hash().alias("order")
    return merge(
        [
            DailyStatistics(
                volume=counts.select(DAY, "n").cast(VOLUME),
                nulls=counts.drop("n").unpivot(index=DAY, variable_name="column", value_name="n").cast(NULLS),
                mix=pl.concat(mixes),
                prices=rows.filter(pl.col("price").is_finite()).select(DAY, order, "price").cast(PRICES),
            )
        ]
    )


def _categories(rows: pl.DataFrame, items: pl.DataFrame | None) -> pl.DataFrame:
    """delivery_day, value and perhaps n: counted by item first, because that leaves fewer rows to join."""
    if items is not None and "category" in items.columns:
        categories = items.select("item_id", value="category").drop_nulls().unique("item_id", keep="first")
        return rows.group_by(DAY, "item_id").agg(n=pl.len()).join(categories, on="item_id")
    category = pl.col("items.category") if "items.category" in rows.columns else pl.lit(None, pl.String)
    return rows.select(DAY, value=category)


def _value_counts(values: pl.DataFrame, measure: str) -> pl.DataFrame:
    n = pl.col("n").sum() if "n" in values.columns else pl.len()
    counts = values.drop_nulls().group_by(DAY, "value").agg(n=n)
    return counts.select(DAY, pl.lit(measure).alias("measure"), "value", "n").cast(MIX)


def merge(parts: Iterable[DailyStatistics]) -> DailyStatistics:
    """The statistics of all parts together; empty tables without parts."""
    empty = DailyStatistics(*(pl.DataFrame(schema=columns) for columns in (VOLUME, NULLS, MIX, PRICES)))
    parts = [empty, *parts]
    tables = {}
    for field in fields(DailyStatistics):
        stacked = pl.concat([getattr(part, field.name) for part in parts])
        tables[field.name] = _sample(stacked) if field.name == "prices" else _sum(stacked)
    return DailyStatistics(**tables)


def _sum(counts: pl.DataFrame) -> pl.DataFrame:
    by = [name for name in counts.columns if name != "n"]
    return counts.group_by(by).agg(pl.col("n").sum()).sort(by)


def _sample(prices: pl.DataFrame) -> pl.DataFrame:
    largest = pl.col("order").bottom_k(SAMPLE).max().over(DAY)
    smallest = prices.filter(pl.col("order") <= largest).sort(list(PRICES))  # many times faster than sorting them all
    return smallest.filter(pl.int_range(pl.len()).over(DAY) < SAMPLE)


def detect(statistics: DailyStatistics, settings: Validate) -> pl.DataFrame:
    """Compare each delivery with the up to `drift_window` deliveries before it. A delivery is a day that has rows.

    ========== ============================================================ ==========================================
    measure    value                                                        usual
    ========== ============================================================ ==========================================
    volume     rows / median rows of an earlier delivery                    median rows of an earlier delivery
    nulls      change of a column's share of nulls (of the worst column)    the earlier share
    event_type population stability index of event types, see `psi`         earlier share of the type that changed most
    category   the same for categories                                      earlier share of the category ...
    price      Kolmogorov-Smirnov distance of prices, in [0, 1]             earlier median price
    ========== ============================================================ ==========================================

    Earlier deliveries are pooled. The volume is compared at any size; the other measures only where both the delivery
    and the earlier ones have `drift_min_rows` rows (with a value). Each price sample represents its delivery.

    Returns
    -------
    DataFrame
        One row per delivery and measure that can be compared, by day and in the order above: day, measure, value,
        threshold (the limit in the settings, or the critical value where that is higher; for a small volume its
        inverse), usual, detail (what changed, with words from the data), severity (value / threshold, for the volume
        the ratio of their logarithms) and flagged (severity > 1). No row for the first `MIN_PRECEDING` deliveries.
    """
    days = statistics.volume.get_column(DAY)
    measures = _measures(statistics, days)
    comparisons = [
        (days[index], name, *comparison)
        for index in range(MIN_PRECEDING, len(days))
        for name, measure in measures.items()
        if (comparison := measure(index, slice(max(index - settings.drift_window, 0), index), settings))
    ]
    table = pl.DataFrame(comparisons, schema=DRIFT, orient="row")
    log_ratio = pl.col("value").log() / pl.col("threshold").log()  # twice and half the rows are equally unusual
    severity = pl.when(pl.col("measure") == "volume").then(log_ratio).otherwise(pl.col("value") / pl.col("threshold"))
    return table.with_columns(severity=severity).with_columns(flagged=pl.col("severity") > 1)


def _measures(statistics: DailyStatistics, days: pl.Series) -> dict[str, Measure]:
    """Name -> function that compares the delivery at an index of the days with those at a slice before it."""
    sizes = statistics.volume.get_column("n").to_numpy()
    mixes = {
        measure: _count_matrix(statistics.mix.filter(pl.col("measure") == measure), "value", days)
        for measure in ("event_type", "category")
    }
    samples = statistics.prices.partition_by(DAY, as_dict=True)
    prices = [np.sort(samples[(day,)]["price"]) if (day,) in samples else np.empty(0) for day in days]
    return {
        "volume": partial(_compare_volume, sizes),
        "nulls": partial(_compare_nulls, _count_matrix(statistics.nulls, "column", days), sizes),
        **{measure: partial(_compare_mix, mix) for measure, mix in mixes.items()},
        "price": partial(_compare_prices, prices),
    }


def _count_matrix(counts: pl.DataFrame, by: str, days: pl.Series) -> CountMatrix:
    names = counts.get_column(by).unique().sort()
    matrix = np.zeros((len(days), len(names)), dtype=np.int64)
    matrix[days.search_sorted(counts[DAY]), names.search_sorted(counts[by])] = counts["n"]
    return CountMatrix(matrix, names)


def _compare_volume(sizes: np.ndarray, index: int, before: slice, settings: Validate) -> Comparison:
    n, usual = sizes[index], np.median(sizes[before])
    # the logarithm of a Poisson count has a standard deviation of about 1 / sqrt(mean)
    limit = max(settings.drift_volume, float(np.exp(SIGMAS / np.sqrt(usual))))
    detail = f"{number(n)} rows, usually {number(usual)}"
    return Comparison(n / usual, limit if n >= usual else 1 / limit, usual, detail)


def _compare_nulls(
    nulls: CountMatrix, sizes: np.ndarray, index: int, before: slice, settings: Validate
) -> Comparison | None:
    n, m = sizes[index], sizes[before].sum()
    if min(n, m) < settings.drift_min_rows:
        return None
    share, usual = nulls.counts[index] / n, nulls.counts[before].sum(axis=0) / m
    pooled = (n * share + m * usual) / (n + m)
    sampling_error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    shares = nulls.counts[before] / sizes[before, None]
    daily_variation = np.median(np.abs(shares - np.median(shares, axis=0)), axis=0) / MAD_TO_SIGMA
    limit = np.maximum(settings.drift_nulls, SIGMAS * np.maximum(sampling_error, daily_variation))
    change = np.abs(share - usual)
    worst = int(np.argmax(change / limit))
    detail = f"{nulls.names[worst]} missing {percent(usual[worst])} -> {percent(share[worst])}"
    return Comparison(change[worst], limit[worst], usual[worst], detail)


def _compare_mix(mix: CountMatrix, index: int, before: slice, settings: Validate) -> Comparison | None:
    now, usual = mix.counts[index], mix.counts[before].sum(axis=0)
    n, m = now.sum(), usual.sum()
    if min(n, m) < settings.drift_min_rows:
        return None
    rare = usual * min(n / m, 1) < MIN_EXPECTED
    bins = np.array([[*counts[~rare], counts[rare].sum()] for counts in (now, usual)])
    bins = bins[:, bins.any(axis=0)]
    limit = max(settings.drift_psi, psi_critical_value(n, m, bins.shape[1]))
    most = int(np.argmax(np.abs(now / n - usual / m)))
    detail = f"{mix.names[most]} {percent(usual[most] / m)} -> {percent(now[most] / n)}"
    return Comparison(psi(*bins), limit, usual[most] / m, detail)


def _compare_prices(prices: list[np.ndarray], index: int, before: slice, settings: Validate) -> Comparison | None:
    now, usual = prices[index], np.concatenate(prices[before])
    if min(len(now), len(usual)) < min(settings.drift_min_rows, SAMPLE):
        return None
    distance = ks_distance(now, usual)
    limit = max(settings.drift_ks, ks_critical_value(len(now), len(usual)))
    median = float(np.median(usual))
    return Comparison(distance, limit, median, f"median price {number(median)} -> {number(np.median(now))}")


def ks_distance(now: np.ndarray, before: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance: the largest difference between the shares of two samples up to any value.

    Samples of sorted parts, like days that are sorted each, take less time.

    >>> ks_distance(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.5
    """
    now, before = np.sort(now), np.sort(before, kind="stable")  # a stable sort merges sorted parts
    # between two current values, only the earlier share grows: the largest difference is at one of them, or just below
    differences = [
        np.searchsorted(now, now, side) / len(now) - np.searchsorted(before, now, side) / len(before)
        for side in ("left", "right")
    ]
    return float(np.abs(differences).max())


def psi(now: np.ndarray, before: np.ndarray) -> float:
    """Population stability index of two rows of counts (n_bins,): sum (p - q) ln(p / q) over their shares p and q.

    Half a row is added to each bin, so that an empty one gives a finite number. 0: equal shares; one bin: 0. As a rule
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


def psi_critical_value(n: int, m: int, n_bins: int) -> float:
    """The index that n and m rows of equal shares exceed with a probability of about `SIGNIFICANCE`.

    Without drift, psi / (1 / n + 1 / m) is chi-square distributed with n_bins - 1 degrees of freedom, for large n, m.

    Source
    ------
    Yurdakul and Naranjo, Statistical properties of the population stability index, 2020.

    >>> round(psi_critical_value(300, 8400, 5), 3)
    0.064
    """
    return float(special.chdtri(max(n_bins - 1, 1), SIGNIFICANCE) * (1 / n + 1 / m))


def ks_critical_value(n: int, m: int) -> float:
    """The Kolmogorov-Smirnov distance that samples of n and m from one distribution exceed with `SIGNIFICANCE`.

    sqrt(-ln(SIGNIFICANCE / 2) / 2 x (1 / n + 1 / m)): Smirnov's limit for large samples. Ties make the distance
    smaller, never larger.

    Source
    ------
    Smirnov, Table for estimating the goodness of fit of empirical distributions, 1948.

    >>> round(ks_critical_value(100, 2800), 3)
    0.198
    """
    return float(np.sqrt(-np.log(SIGNIFICANCE / 2) / 2 * (1 / n + 1 / m)))
