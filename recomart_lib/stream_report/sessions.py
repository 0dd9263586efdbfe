"""Streaming sessions: counts and latency by minute, and dead letters. Reads only the streaming zone, no broker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import polars as pl

from recomart_lib.core import clock
from recomart_lib.stream import commit_log, latency
from recomart_lib.stream.commit_log import COUNTS, Zone

# One row: a minute (UTC) with at least one commit. Latency in milliseconds, from `produced_at` to the disk.
MINUTES = {
    "minute": pl.Datetime("us", "UTC"),
    **dict.fromkeys(COUNTS, pl.Int64),
    **dict.fromkeys(latency.NAMES, pl.Float64),
}


def minutes(zone: Zone) -> pl.DataFrame:
    """Return one row per minute (`MINUTES`), oldest first."""
    rows = [
        {
            "minute": datetime.fromisoformat(f"{minute}+00:00"),
            **{name: record[name] for name in COUNTS},
            **latency.quantiles(record["latency"]),
        }
        for minute, record in commit_log.minutes(zone).items()
    ]
    return pl.DataFrame(rows, schema=MINUTES)


def totals(zone: Zone) -> dict[str, Any]:
    """Return the sums of all commits: `COUNTS`, and latency in ms."""
    partitions = commit_log.counts(zone).values()
    return {name: sum(record[name] for record in partitions) for name in COUNTS} | latency.quantiles(
        commit_log.latency(zone)
    )


def recent(zone: Zone, last_minutes: int, now: datetime | None = None) -> dict[str, Any]:
    """Return the same sums over the last minutes, and events_per_s (over the minutes with messages)."""
    since = f"{(now or clock.now()) - timedelta(minutes=last_minutes):{latency.MINUTE}}"
    records = [record for minute, record in commit_log.minutes(zone).items() if minute >= since]
    total = {name: sum(record[name] for record in records) for name in COUNTS}
    busy = sum(record["n_messages"] > 0 for record in records)
    quantiles = latency.quantiles(latency.merge(record["latency"] for record in records))
    return total | quantiles | {"events_per_s": total["n_messages"] / (60 * busy) if busy else 0.0}


def last_session(table: pl.DataFrame, gap_min: int) -> pl.DataFrame:
    """Return the last session of `minutes`: the minutes after the last gap of more than `gap_min` minutes."""
    gap = pl.col("minute").diff() > pl.duration(minutes=gap_min)
    return table.filter(gap.fill_null(False).cum_sum() == gap.fill_null(False).sum())


def latency_quantiles(zone: Zone, table: pl.DataFrame) -> dict[str, float | None]:
    """Return the latency quantiles of all events of these minutes together, in ms."""
    records = commit_log.minutes(zone)
    names = table.get_column("minute").dt.strftime(latency.MINUTE)
    return latency.quantiles(latency.merge(records[name]["latency"] for name in names))


def per_minute(table: pl.DataFrame) -> pl.DataFrame:
    """Return one row per minute from the first to the last, also without events: minute, n (events)."""
    counts = table.select("minute", n="n_events")
    return counts.upsample("minute", every="1m").with_columns(pl.col("n").fill_null(0)) if counts.height else counts


def dead_letter_reasons(zone: Zone) -> pl.DataFrame:
    """Return one row per reason: reason, n (dead letters), most frequent first."""
    reasons = commit_log.dead_letters(zone).group_by("reason").agg(n=pl.len().cast(pl.Int64))
    return reasons.sort("n", "reason", descending=[True, False])
