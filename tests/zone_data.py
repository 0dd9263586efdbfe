"""Commits of a streaming zone, for tests without a broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from recomart_lib.stream import commit_log

DAY = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)  # in Berlin, it is the second of March


def rows(partition: int, first: int, n: int, day: datetime = DAY, apart: timedelta = timedelta(seconds=1)):
    """`n` events of a partition from offset `first` on: `commit_log.ROWS`."""
    records = [
        dict.fromkeys(commit_log.ROWS)
        | {
            "event_id": f"{partition}-{first + k}",
            "user_id": "u",
            "item_id": "a",
            "event_type": "view",
            "timestamp": day + k * apart,
            "topic": "t",
            "partition": partition,
            "offset": first + k,
        }
        for k in range(n)
    ]
    return pl.DataFrame(records, schema=commit_log.ROWS)


def dead(partition: int, offset: int) -> pl.DataFrame:
    """A dead letter: `commit_log.DEAD`."""
    return pl.DataFrame([("t", partition, offset, "bad", None, b"x")], schema=commit_log.DEAD, orient="row")


def put(
    zone: commit_log.Zone,
    partition: int,
    first: int,
    n: int,
    day: datetime = DAY,
    letter: bool = False,
    apart: timedelta = timedelta(seconds=1),
) -> dict:
    """Commit `n` events, and a dead letter after them."""
    letters = dead(partition, first + n) if letter else pl.DataFrame(schema=commit_log.DEAD)
    stats = {"n_messages": n + letter, "n_duplicates": 0, "latency": {"10": n}, "sent": 0}
    upto, events = first + n + letter, rows(partition, first, n, day, apart)
    return commit_log.commit(zone, f"t-{partition}", first, upto, events, letters, lambda: stats)
