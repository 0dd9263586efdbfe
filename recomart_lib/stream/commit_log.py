"""The streaming zone: durable events, each exactly once, and the commit log that defines which files are valid.

    data/streaming/source=<shop>/type=events/
        log/<topic>-<partition>/<first offset>.json    a commit: offsets [first, next), its files, counts, latencies
        segments/<topic>-<partition>/<...>.parquet      rows of one commit (.dead.parquet: its dead letters)
        compacted/<number>.json                         a compaction: its files, their end offsets and counts
        date=<YYYY-MM-DD>/<number>.parquet              all rows of an event day (the shop's time zone)
        dead/<number>.parquet                           all dead letters
        sent/<topic>-<partition>                        the offset before which dead letters are on their topic

A topic that was recreated has a log of its own, <topic>@2-<partition> (see `generations`).

A file is valid only if a commit, or the newest compaction, names it. Commits and compactions are created by linking a
complete file to its name, which fails if the name exists: if two processes hold the same partition, or compact at the
same time, one wins and the other discards its work. A commit starts where the previous one ended, and readers follow
this chain from the end of the newest compaction. A process that missed a compaction therefore either commits outside
the chain, where no reader sees it, or adds a part of the chain that no other process has committed. So the log, not the
broker, decides where a partition continues, and a process may be killed at any moment.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from recomart_lib.core import files
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import EVENTS
from recomart_lib.stream.latency import Histogram, merge

Commit = dict[str, Any]

ORIGIN = {"topic": pl.String, "partition": pl.Int32, "offset": pl.Int64}
ROWS = {**EVENTS, **ORIGIN}
DEAD = {**ORIGIN, "reason": pl.String, "key": pl.Binary, "value": pl.Binary}
COUNTS = ("n_messages", "n_events", "n_dead", "n_duplicates")
EMPTY: Commit = {
    "number": 0,
    "days": {},
    "dead": None,
    "upto": {},
    "sent": {},
    "topic_ids": {},
    "n_moved": 0,
    "unsent": [],
    "counts": {},
    "latency": {},
    "minutes": {},
}


@dataclass(frozen=True)
class Zone:
    """The streaming zone of one shop; `folder` is data/streaming."""

    folder: Path
    shop: str
    time_zone: str

    @property
    def root(self) -> Path:
        return self.folder / f"source={self.shop}" / "type=events"


class Position(NamedTuple):
    """Where a partition's log ends.

    `next` is the first offset that is not durable; all dead letters before offset `sent` are on their topic; `topic_id`
    is the broker's id of the topic (None: it gave none).
    """

    next: int
    sent: int
    topic_id: str | None


class CommitConflictError(Exception):
    """Another process has already committed these offsets."""


def partitions(zone: Zone) -> list[str]:
    """The partitions that have commits, as `<topic>-<partition>`."""
    return sorted(path.name for path in zone.root.glob("log/*") if path.is_dir())


def commits(zone: Zone, partition: str, state: Commit | None = None) -> list[Commit]:
    """The commits of a partition since the newest compaction (or since `state`), in the order of their offsets."""
    offset, chain = (state or latest_compaction(zone))["upto"].get(partition, 0), []
    folder = zone.root / "log" / partition
    names = {path.name for path in folder.glob("*.json")}
    while (name := f"{offset:020d}.json") in names:
        chain.append(read_json(folder / name))
        offset = chain[-1]["next"]
    return chain


def position(zone: Zone, partition: str) -> Position:
    """Where the log of a partition ends."""
    state = latest_compaction(zone)
    chain = commits(zone, partition, state)
    if chain:
        end, sent, topic_id = chain[-1]["next"], chain[-1]["sent"], chain[-1].get("topic_id")
    else:
        end, sent, topic_id = (state[name].get(partition) for name in ("upto", "sent", "topic_ids"))
    return Position(end or 0, max(sent or 0, _noted_sent(zone, partition)), topic_id)


def note_sent(zone: Zone, partition: str, offset: int) -> None:
    """Note that all dead letters before this offset are on their topic: the next commit, which says so, may be far off.

    A note that is lost does no harm, unless the broker loses the group's offset, too: then they are sent again.
    """
    path = zone.root / "sent" / partition
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    temporary.write_text(f"{offset}\n", encoding="utf-8")
    temporary.replace(path)


def _noted_sent(zone: Zone, partition: str) -> int:
    path = zone.root / "sent" / partition
    return int(path.read_text(encoding="utf-8").strip() or 0) if path.exists() else 0


def commit(
    zone: Zone,
    partition: str,
    first: int,
    upto: int,
    rows: pl.DataFrame,
    dead: pl.DataFrame,
    stats: Callable[[], Commit],
) -> Commit:
    """Make a batch durable: rows (`ROWS`) and dead letters (`DEAD`) of the offsets [first, upto), or none of it.

    Parameters
    ----------
    stats
        Called once the rows are on disk: n_messages, n_duplicates, latency, sent and topic_id (see `Position`).

    Raises
    ------
    CommitConflictError
        If another process was first; the files of this batch are then deleted.
    """
    segments = zone.root / "segments" / partition
    segments.mkdir(parents=True, exist_ok=True)
    stem = f"{first:020d}-{uuid.uuid4().hex[:8]}"
    parts = {"rows": (rows, segments / f"{stem}.parquet"), "dead": (dead, segments / f"{stem}.dead.parquet")}
    record = {"partition": partition, "first": first, "next": upto, "n_events": rows.height, "n_dead": dead.height}
    for name, (table, path) in parts.items():
        record[name] = write(zone, table, path) if table.height else None
    if rows.height or dead.height:
        files.sync_folder(segments)
    record |= {**stats(), "committed_at": datetime.now(UTC).isoformat()}
    try:
        create_atomically(zone.root / "log" / partition / f"{first:020d}.json", record)
    except FileExistsError:
        for _, path in parts.values():
            path.unlink(missing_ok=True)
        raise CommitConflictError(f"{partition}: offset {first} was committed by another consumer") from None
    return record


def dead_letters(zone: Zone, partition: str | None = None, since: int = 0) -> pl.DataFrame:
    """All dead letters of the zone, or those of one partition at or after an offset: `DEAD`."""
    state = latest_compaction(zone)
    names = partitions(zone) if partition is None else [partition]
    files = [state["dead"], *(record["dead"] for name in names for record in commits(zone, name, state))]
    rows = load_files(zone, files, DEAD)
    if partition is not None:
        topic, _, number = partition.rpartition("-")
        rows = rows.filter(pl.col("topic") == topic, pl.col("partition") == int(number), pl.col("offset") >= since)
    return rows.sort("topic", "partition", "offset")


def last_ids(zone: Zone, partition: str, n: int) -> list[str]:
    """The ids of at least the last `n` events of a partition (all, if there are fewer), newest last."""
    state = latest_compaction(zone)
    topic, _, number = partition.rpartition("-")
    newest_first: list[list[str]] = []
    for record in reversed(commits(zone, partition, state)):
        if n <= 0:
            break
        if record["rows"]:
            newest_first.append(load_files(zone, [record["rows"]], ROWS).get_column("event_id").to_list())
            n -= len(newest_first[-1])
    days = [zone.root / day["path"] for day in state["days"].values()]
    if n > 0 and days:
        events = scan(days, ROWS).filter(pl.col("topic") == topic, pl.col("partition") == int(number))
        last = events.select("event_id", "offset").sort("offset").tail(n).collect()
        newest_first.append(last.get_column("event_id").to_list())
    return [event for ids in reversed(newest_first) for event in ids]


def counts(zone: Zone) -> dict[str, Commit]:
    """Partition -> `next` (its next offset) and its total `COUNTS`."""
    state = latest_compaction(zone)
    records = list(uncompacted(zone, state))
    ends = state["upto"] | {record["partition"]: record["next"] for record in records}
    return {name: {"next": ends[name], **total} for name, total in sorted(add_counts(state, records).items())}


def add_counts(state: Commit, records: Iterable[Commit]) -> dict[str, Commit]:
    """Partition -> `COUNTS` of a compaction and these commits together."""
    total = {name: dict(partition_counts) for name, partition_counts in state["counts"].items()}
    for record in records:
        partition_counts = total.setdefault(record["partition"], dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            partition_counts[name] += record[name]
    return total


def latency(zone: Zone) -> Histogram:
    """The latency histogram of all events."""
    state = latest_compaction(zone)
    return merge([state["latency"], *(record["latency"] for record in uncompacted(zone, state))])


def minutes(zone: Zone) -> dict[str, Commit]:
    """Minute of commit (UTC, 2026-01-31T12:05) -> its `COUNTS` and latency histogram, oldest first.

    Of compacted commits, only the last `compaction.KEPT_MINUTES` minutes with a commit are kept.
    """
    state = latest_compaction(zone)
    return add_minutes(state["minutes"], uncompacted(zone, state))


def add_minutes(before: dict[str, Commit], records: Iterable[Commit]) -> dict[str, Commit]:
    """Add these commits to the statistics by minute (see `minutes`)."""
    parts: dict[str, list[Commit]] = {minute: [stats] for minute, stats in before.items()}
    for record in records:
        parts.setdefault(record["committed_at"][:16], []).append(record)
    return {
        minute: {name: sum(part[name] for part in minute_parts) for name in COUNTS}
        | {"latency": merge(part["latency"] for part in minute_parts)}
        for minute, minute_parts in sorted(parts.items())
    }


def latest_compaction(zone: Zone) -> Commit:
    """The state that the newest compaction wrote (see `compaction.compact`)."""
    newest = max(zone.root.glob("compacted/*.json"), default=None)
    return EMPTY | read_json(newest) if newest else EMPTY


def day_files(zone: Zone) -> dict[date, Path]:
    """Event day -> its compacted file."""
    return {date.fromisoformat(day): zone.root / file["path"] for day, file in latest_compaction(zone)["days"].items()}


def read(zone: Zone) -> pl.DataFrame:
    """All durable events, compacted or not, each once: `ROWS`."""
    state = latest_compaction(zone)
    return load_files(zone, [*state["days"].values(), *(record["rows"] for record in uncompacted(zone, state))], ROWS)


def read_since(zone: Zone, moment: datetime | None) -> Iterator[pl.DataFrame]:
    """The durable events since the day of this moment (`ROWS`), by day; then all events that are not yet compacted.

    Files with only older rows are not read. None: all events.
    """
    state = latest_compaction(zone)
    first = str(moment.astimezone(ZoneInfo(zone.time_zone)).date()) if moment else ""
    for day, file in state["days"].items():
        if day >= first:
            yield load_files(zone, [file], ROWS)
    yield load_files(zone, [record["rows"] for record in uncompacted(zone, state)], ROWS)


def uncompacted(zone: Zone, state: Commit) -> Iterator[Commit]:
    """The commits that are not yet part of the compacted files."""
    for partition in partitions(zone):
        yield from commits(zone, partition, state)


def load_files(zone: Zone, files: Sequence[Commit | None], columns: dict[str, Any]) -> pl.DataFrame:
    """The rows of files that commits or a compaction name, in their order; None means no rows."""
    paths = [zone.root / file["path"] for file in files if file]
    return scan(paths, columns).collect() if paths else pl.DataFrame(schema=columns)


def scan(paths: Sequence[Path], columns: dict[str, Any]) -> pl.LazyFrame:
    """The rows of files with these columns; an earlier version wrote quantities as whole numbers."""
    casts = pl.ScanCastOptions(integer_cast="allow-float")
    return pl.scan_parquet(paths, schema=columns, cast_options=casts, hive_partitioning=False, glob=False)


def write(zone: Zone, table: pl.DataFrame, path: Path) -> dict[str, Any]:
    """Write a table durably (fsync); returns its path, number of rows and hash."""
    with path.open("w+b") as stream:
        table.write_parquet(stream, compression="zstd", compression_level=1)
        stream.flush()
        os.fsync(stream.fileno())
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": path.relative_to(zone.root).as_posix(), "rows": table.height, "sha256": digest}


def create_atomically(path: Path, record: Commit) -> None:
    """Create a complete file atomically and durably; raises FileExistsError if it exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(record, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    files.sync_folder(path.parent)


def read_json(path: Path) -> Commit:
    """Read a commit or compaction; a damaged file raises a `UserError`."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise UserError(
            f"{path} is damaged ({problem}). Restore it: without it, the events that it committed are not read."
        ) from None
