"""Make events of the streaming zone dead letters: those that the stream rejects today, or those with given ids.

An earlier version may have accepted what the stream rejects today. First the zone changes (see `stream.moves`), then
the dead letters go to their topic; those that were not sent, without a broker, are sent the next time.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import polars as pl

from recomart.project.params import Stream
from recomart.streaming import dead_letters, messages
from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, compaction, moves
from recomart_lib.stream.commit_log import ROWS, Zone
from recomart_lib.validate.settings import Validate

BATCH_ROWS = 50_000  # events that are checked together
CHOSEN = {**ROWS, "reason": pl.String}


def rejected(zone: Zone, settings: Stream, rules: Validate, now: datetime) -> pl.DataFrame:
    """The events of the zone that the stream rejects today: `commit_log.ROWS`, and reason."""
    parts = [pl.DataFrame(schema=CHOSEN)]
    for rows in commit_log.read_since(zone, None):
        for batch in rows.iter_slices(BATCH_ROWS):
            reasons = messages.reasons(batch, now, settings.max_future_s, rules)
            parts.append(batch.with_columns(reasons).filter(reasons.is_not_null()).select(list(CHOSEN)))
    return pl.concat(parts)


def named(zone: Zone, event_ids: Collection[str], reason: str) -> pl.DataFrame:
    """The events of the zone with these ids: `commit_log.ROWS`, and reason.

    Raises
    ------
    UserError
        If the zone has no event with one of the ids.
    """
    parts = [rows.filter(pl.col("event_id").is_in(event_ids)) for rows in commit_log.read_since(zone, None)]
    events = pl.concat([pl.DataFrame(schema=ROWS), *parts]).with_columns(reason=pl.lit(reason))
    if missing := sorted({*event_ids} - {*events.get_column("event_id")}):
        raise UserError(
            f"{zone.root} has no event with {len(missing)} of these ids, the first: "
            f"{missing[0]!r}. Is it a dead letter already? See: recomart stream dead-letters"
        )
    return events


def move(zone: Zone, chosen: pl.DataFrame) -> pl.DataFrame:
    """Make these events dead letters; returns those that were still events (`commit_log.ROWS`, and reason)."""
    return compaction.move(zone, chosen.select(list(moves.MOVES)))


def send(zone: Zone, settings: Stream) -> int:
    """Send the dead letters that were events and are not on the dead-letter topic yet; returns their number.

    If it is killed, some may be sent again; their headers name topic, partition and offset.

    Raises
    ------
    UserError
        If no broker is configured, it does not answer, or the topic does not accept them: all stay unsent.
    """
    unsent = commit_log.latest_compaction(zone)["unsent"]
    if not unsent:
        return 0
    places = pl.DataFrame(unsent, schema=commit_log.ORIGIN, orient="row")
    dead_letters.send(settings, commit_log.dead_letters(zone).join(places, on=moves.PLACE, how="semi"))
    compaction.mark_sent(zone, unsent)
    return len(unsent)
