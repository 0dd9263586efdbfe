"""Days far away from the bulk of the data: typing errors in a date, which must not move windows and axes.

A few rows at one end of the data are outlying if a long gap separates them from all others. Shops that are closed for
weeks, seasonal shops and shops with few sales are not: their gaps are short, or usual for them, or many rows follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

MAX_SHARE = 0.001  # of all rows may be outlying at each end ...
HANDFUL = 5  # ... or this many, ...
MAX_SHARE_OF_HANDFUL = 0.01  # ... if they are at most this share
TIMES_USUAL_GAP = 3  # the gap is longer than the longest one between the days of the bulk by this factor


@dataclass(frozen=True)
class Bulk:
    """The days that hold almost all rows, and the outlying rows on both sides.

    `gap_before` and `gap_after` are the days between the bulk and the nearest outlying row, 0 if there is none.
    """

    first: date
    last: date
    n_before: int
    n_after: int
    gap_before: int
    gap_after: int


def bulk(days: pl.DataFrame, min_gap_days: int) -> Bulk:
    """Find the bulk of the rows.

    Parameters
    ----------
    days
        At least one row: day, n (rows on that day). Days without rows may be absent.
    min_gap_days
        A gap that is not longer never makes a day outlying.
    """
    days = days.filter(pl.col("n") > 0).group_by("day").agg(pl.col("n").sum()).sort("day")
    total = days["n"].sum()
    limit = min(max(HANDFUL, int(total * MAX_SHARE)), int(total * MAX_SHARE_OF_HANDFUL))
    gaps = days.select(
        left=pl.col("day"),
        right=pl.col("day").shift(-1),
        gap=(pl.col("day").shift(-1) - pl.col("day")).dt.total_days(),
        n_left=pl.col("n").cum_sum(),
        n_right=total - pl.col("n").cum_sum(),
    ).drop_nulls("right")
    inner = gaps.filter(pl.col("n_left") > limit, pl.col("n_right") > limit)
    usual = inner["gap"].max() or 0
    long = gaps.filter(pl.col("gap") > max(min_gap_days, TIMES_USUAL_GAP * usual))
    before, after = long.filter(pl.col("n_left") <= limit).tail(1), long.filter(pl.col("n_right") <= limit).head(1)
    return Bulk(
        first=before["right"].item() if before.height else days["day"][0],
        last=after["left"].item() if after.height else days["day"][-1],
        n_before=before["n_left"].item() if before.height else 0,
        n_after=after["n_right"].item() if after.height else 0,
        gap_before=before["gap"].item() if before.height else 0,
        gap_after=after["gap"].item() if after.height else 0,
    )
