"""Products that sell more than in their own past."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
from scipy.special import betaincinv

from recomart_lib.recommend.orders import Orders

WINDOWS = (28, 7)  # days that are recent: whole weeks, so that weekdays do not matter
PAST_WINDOWS = 2  # the history before the recent days is at least as long as this many windows
PAST_DAYS = 364  # of the history before the recent days are compared, at most
MIN_RECENT = 5  # recent orders: fewer are an accident, whatever the past
CONFIDENCE = 0.95


def window_days(orders: Orders, cut: datetime) -> int | None:
    """The recent days: 28, or 7 in a short history; None if even that leaves no past to compare with."""
    first = orders.lines.get_column("timestamp").min()
    length = (cut - first) / timedelta(days=1) if first else 0
    return next((days for days in WINDOWS if length >= (1 + PAST_WINDOWS) * days), None)


def trending(orders: Orders, cut: datetime, shown: np.ndarray) -> pl.DataFrame:
    """Products whose orders per day grow, by the lower end of the growth's interval; then new products.

    Growth is the ratio of the rates: orders per day in the last `window_days`, over those in the time before, from the
    product's first order on (at most `PAST_DAYS`). Its interval is exact (conditional binomial, Przyborowski and
    Wilenski, 1940). Products whose lower end is not above 1 are left out. A product is new if its first order is less
    than a window before the recent days. At least `MIN_RECENT` recent orders are needed. The ratio knows no season:
    what sells every December trends every December.

    Returns
    -------
    DataFrame
        item_idx, rank, recent, before, growth, growth_low, growth_high, first (moment of the first order). Growth is
        null for new products, and it and its upper end where nothing was ordered before. No rows if the history is
        too short.
    """
    days = window_days(orders, cut)
    rows = _counts(orders, cut, days or WINDOWS[-1]).filter(pl.col("recent") >= MIN_RECENT)
    rows = rows.filter(pl.col("item_idx").is_in(np.flatnonzero(shown)))
    if days is None:
        rows, days = rows.clear(), WINDOWS[-1]
    is_new = pl.col("past_days") < days
    old = _with_growth(rows.filter(~is_new), days)
    old = old.filter(pl.col("growth_low") > 1).sort("growth_low", "recent", "item_idx", descending=[True, True, False])
    new = rows.filter(is_new).sort("recent", "item_idx", descending=[True, False])
    both = pl.concat([old, new], how="diagonal")
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32)
    return both.select("item_idx", rank.alias("rank"), "recent", "before", *GROWTH, "first")


GROWTH = ("growth", "growth_low", "growth_high")


def _counts(orders: Orders, cut: datetime, days: int) -> pl.DataFrame:
    """One row per product: item_idx, recent, before, first, past_days (compared days before the recent ones)."""
    since = cut - timedelta(days=days)
    earliest = since - timedelta(days=PAST_DAYS)
    time = pl.col("timestamp")
    per_item = orders.lines.group_by("item_idx").agg(
        recent=(time >= since).sum().cast(pl.Int64),
        before=((time < since) & (time >= earliest)).sum().cast(pl.Int64),
        first=time.min(),
    )
    past = (pl.lit(since) - pl.max_horizontal("first", pl.lit(earliest))) / timedelta(days=1)
    return per_item.with_columns(past_days=past).sort("item_idx")


def _with_growth(rows: pl.DataFrame, days: int) -> pl.DataFrame:
    """With growth and its interval: of all orders, the recent ones are binomial, whatever the rate."""
    recent, before, past = (
        rows.get_column(name).cast(pl.Float64).to_numpy() for name in ("recent", "before", "past_days")
    )
    per_day, tail = past / days, (1 - CONFIDENCE) / 2
    with np.errstate(divide="ignore"):
        growth = recent / before * per_day
        low = np.where(recent > 0, betaincinv(np.maximum(recent, 1), before + 1, tail), 0)
        high = np.where(before > 0, betaincinv(recent + 1, np.maximum(before, 1), 1 - tail), 1)
        ends = [share / (1 - share) * per_day for share in (low, high)]
    named = zip(GROWTH, (growth, *ends), strict=True)
    ends = [pl.Series(name, values, dtype=pl.Float64) for name, values in named]
    rows = rows.with_columns(ends)
    return rows.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in GROWTH)
