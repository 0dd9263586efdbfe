"""What a stream brought: minute by minute, how late, and which dead letters. From the zone alone, without a broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from recomart_lib.stream import commit_log, latency
from recomart_lib.stream.commit_log import COUNTS, Zone

# One row: a minute in which something was committed (UTC). Latencies in milliseconds, from `produced_at` to the disk.
MINUTES = {
    "minute": pl.Datetime("us", "UTC"),
    **dict.fromkeys(COUNTS, pl.Int64),
    **dict.fromkeys(latency.NAMES, pl.Float64),
}


def minutes(zone: Zone) -> pl.DataFrame:
    """One row per minute (`MINUTES`), oldest first."""
    rows = [
        {
            "minute": datetime.fromisoformat(f"{minute}+00:00"),
            **{name: one[name] for name in COUNTS},
            **latency.quantiles(one["latency"]),
        }
        for minute, one in commit_log.minutes(zone).items()
    ]
    return pl.DataFrame(rows, schema=MINUTES)


def ever(zone: Zone) -> dict[str, Any]:
    """All that was committed: `COUNTS` and latencies in ms."""
    held = commit_log.counts(zone).values()
    return {name: sum(one[name] for one in held) for name in COUNTS} | latency.quantiles(commit_log.latency(zone))


def latest(zone: Zone, last_minutes: int, now: datetime | None = None) -> dict[str, Any]:
    """The same over the last minutes, and events_per_s (over the minutes that had any)."""
    since = f"{(now or datetime.now(UTC)) - timedelta(minutes=last_minutes):{latency.MINUTE}}"
    held = [one for minute, one in commit_log.minutes(zone).items() if minute >= since]
    total = {name: sum(one[name] for one in held) for name in COUNTS}
    busy = sum(one["n_messages"] > 0 for one in held)
    late = latency.quantiles(latency.merge(one["latency"] for one in held))
    return total | late | {"events_per_s": total["n_messages"] / (60 * busy) if busy else 0.0}


def session(table: pl.DataFrame, gap_min: int) -> pl.DataFrame:
    """The last minutes of `minutes` between which nothing was silent for `gap_min` minutes or more."""
    gap = pl.col("minute").diff() > pl.duration(minutes=gap_min)
    return table.filter(gap.fill_null(False).cum_sum() == gap.fill_null(False).sum())


def lateness(zone: Zone, table: pl.DataFrame) -> dict[str, float | None]:
    """Of all events of these minutes together, in ms."""
    held = commit_log.minutes(zone)
    names = table.get_column("minute").dt.strftime(latency.MINUTE)
    return latency.quantiles(latency.merge(held[name]["latency"] for name in names))


def per_minute(table: pl.DataFrame) -> pl.DataFrame:
    """One row per minute from the first to the last, silent ones too: minute, n (events)."""
    counts = table.select("minute", n="n_events")
    return counts.upsample("minute", every="1m").with_columns(pl.col("n").fill_null(0)) if counts.height else counts


def dead_reasons(zone: Zone) -> pl.DataFrame:
    """One row per reason: reason, n (dead letters), most frequent first."""
    letters = commit_log.dead_letters(zone).group_by("reason").agg(n=pl.len().cast(pl.Int64))
    return letters.sort("n", "reason", descending=[True, False])
