"""Durable events that become dead letters: those that a person or a check names, and those that no stage can use.

A commit never changes. The next compaction leaves such an event out of the file of its day and adds it to the dead
letters, so readers see it in one place or the other, and offsets stay as they are.
"""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recomart_lib.core.schemas import EVENTS
from recomart_lib.stream import encoding
from recomart_lib.stream.commit_log import DEAD, ORIGIN

# One row: an event that becomes a dead letter, and why.
MOVES = {**ORIGIN, "reason": pl.String}
NONE = pl.DataFrame(schema=MOVES)
PLACE = list(ORIGIN)
# Outside of these moments, an event's day may be in no year from 1 to 9999, as Python's dates are: no stage can use it.
FIRST, LAST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
UNUSABLE = "timestamp: no day of the calendar, from year 1 to 9999"


def has_unusable_day(day: str) -> bool:
    """Whether all events of a compacted day (2026-01-31) are outside of `FIRST` to `LAST`."""
    return not str(FIRST.date()) <= day <= str(LAST.date())


def split(rows: pl.DataFrame, moves: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The events (`commit_log.ROWS`) that stay, and those that become dead letters, with their reason.

    Parameters
    ----------
    moves
        `MOVES`: which events to move; events that no stage can use are moved as well.
    """
    is_usable = pl.col("timestamp").is_between(FIRST, LAST).fill_null(False)
    if not moves.height and rows.select(is_usable.all()).item():
        return rows, rows.clear().with_columns(reason=pl.lit(None, pl.String))
    named = rows.join(moves, on=PLACE, how="left", maintain_order="left")
    reasons = named.with_columns(
        reason=pl.when(is_usable).then("reason").otherwise(pl.coalesce("reason", pl.lit(UNUSABLE)))
    )
    is_moved = pl.col("reason").is_not_null()
    return reasons.filter(~is_moved).drop("reason"), reasons.filter(is_moved)


def dead_letters(moved: pl.DataFrame) -> pl.DataFrame:
    """The dead letters (`commit_log.DEAD`) of events with a reason; their messages are written again."""
    values = encoding.messages(moved.select(list(EVENTS)), None).cast(pl.Binary)
    return moved.select(*PLACE, "reason", key=pl.col("user_id").cast(pl.Binary), value=values)[list(DEAD)]
