"""Leave out events whose day is far from all others: typing errors in dates, which would move windows and recency."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.outlying_days import bulk
from recomart_lib.core.shops import Shop
from recomart_lib.core.text import plural
from recomart_lib.prepare import splits

log = logging.getLogger(__name__)

SHOWN = 5  # events in a message
REMEDIES = {
    "before": "If their days are wrong, correct them or set validate.first_day to a day after them (params.yaml).",
    "after": (
        "If their days are wrong, correct them or exclude them (`exclude` with `since`, in the shop file); if they are "
        "right, set `cut` to the first day of the test window."
    ),
}


@dataclass(frozen=True)
class Outliers:
    """Events that lie far before or after the bulk of the data, and the longest time without events in the bulk.

    `events`: event_id, user_id, item_id, event_type, day (in the shop's time zone), side (before or after), days_apart
    (from the bulk). `first` and `last` are the first and the last day of the others. `longest_gap` is the number of
    days from one day with events to the next, which is `gap_end`; 0 if there is one day only.
    """

    events: pl.DataFrame
    first: date
    last: date
    longest_gap: int
    gap_end: date


def find(events: pl.DataFrame, shop: Shop, horizon_days: int) -> Outliers:
    """Find the few events that a gap longer than the horizon separates from the others; see `core.outlying_days`.

    Events of a test window that the shop file chooses itself (`cut` is a day) are never outliers. Outliers are logged
    as a warning.

    Parameters
    ----------
    horizon_days
        Length of a window in days; the horizon of the shop file takes precedence.

    Raises
    ------
    UserError
        If there are no events.
    """
    if not events.height:
        raise UserError(
            "No event passed validation, so there is nothing to prepare: reports/02_validate.html says why."
        )
    horizon = splits.horizon(shop, horizon_days)
    local_day = pl.col("timestamp").dt.convert_time_zone(shop.time_zone).dt.date()
    days = events.group_by(day=local_day).agg(n=pl.len()).sort("day")
    middle = bulk(days, horizon)
    first, last = middle.first, middle.last
    if shop.cut != "auto":
        last = max(last, date.fromisoformat(shop.cut) + timedelta(days=horizon - 1))
    day = pl.col("day")
    gaps = days.filter(day.is_between(first, last)).select("day", gap=day.diff().dt.total_days().fill_null(0))
    longest = gaps.sort("gap", "day").row(-1, named=True)
    outside = events.with_columns(day=local_day).filter(~day.is_between(first, last))
    outside = outside.select(
        "event_id",
        "user_id",
        "item_id",
        "event_type",
        "day",
        side=pl.when(day < first).then(pl.lit("before")).otherwise(pl.lit("after")),
        days_apart=pl.max_horizontal(pl.lit(middle.first) - day, day - pl.lit(middle.last)).dt.total_days(),
    )
    outliers = Outliers(outside.sort("day", "event_id"), first, last, longest["gap"], longest["day"])
    for sentence in sentences(outliers):
        log.warning(sentence)
    return outliers


def remove(events: pl.DataFrame, outliers: Outliers, shop: Shop) -> pl.DataFrame:
    """The events without the outliers."""
    return events.filter(
        pl.col("timestamp") >= pl.lit(_start(outliers.first, shop)),
        pl.col("timestamp") < pl.lit(_start(outliers.last + timedelta(days=1), shop)),
    )


def _start(day: date, shop: Shop) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(shop.time_zone)).astimezone(UTC)


def sentences(outliers: Outliers) -> list[str]:
    """For each side that has outliers: which they are, how far away, and what to do, as plain text."""
    return [
        _sentence(rows, side, outliers)
        for side in REMEDIES
        if (rows := outliers.events.filter(pl.col("side") == side)).height
    ]


def _sentence(rows: pl.DataFrame, side: str, outliers: Outliers) -> str:
    apart = rows.get_column("days_apart").min()
    named = [f"{row['event_id']} on {row['day']}" for row in rows.head(SHOWN).iter_rows(named=True)]
    more = ", ..." if rows.height > SHOWN else ""
    others = f"the others start on {outliers.first}" if side == "before" else f"the others end on {outliers.last}"
    return (
        f"Left out: {plural(rows.height, 'event')} far {side} all others ({', '.join(named)}{more}); {others}, "
        f"{plural(apart, 'day')} {'later' if side == 'before' else 'earlier'}. {REMEDIES[side]}"
    )
