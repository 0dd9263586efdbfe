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
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import polars as pl

from recomart_lib.core import clock, files
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import EVENTS
from recomart_lib.stream import record_form, zone_files
from recomart_lib.stream.latency import Histogram, merge

Commit = dict[str, Any]

ORIGIN = {"topic": pl.String, "partition": pl.Int32, "offset": pl.Int64}
ROWS = {**EVENTS, **ORIGIN}
DEAD = {**ORIGIN, "reason": pl.String, "key": pl.Binary, "value": pl.Binary}
COUNTS = ("n_messages", "n_events", "n_dead", "n_duplicates")
EMPTY: Commit = {
    "number": 0,
    "days": {},
    "rest": None,
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
    files.write_text(zone.root / "sent" / partition, f"{offset}\n")


def _noted_sent(zone: Zone, partition: str) -> int:
    try:
        return int((zone.root / "sent" / partition).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a damaged note is a lost one
        return 0


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
        record[name] = zone_files.write(zone.root, table, path) if table.height else None
    if rows.height or dead.height:
        files.sync_folder(segments)
    record |= {**stats(), "committed_at": clock.now().isoformat()}
    try:
        create_atomically(zone.root / "log" / partition / f"{first:020d}.json", record)
    except FileExistsError:
        for _, path in parts.values():
            path.unlink(missing_ok=True)
        raise CommitConflictError(f"{partition}: offset {first} was committed by another consumer") from None
    return record


def dead_letters(zone: Zone, partition: str | None = None, since: int = 0, intact_only: bool = False) -> pl.DataFrame:
    """All dead letters of the zone, or those of one partition at or after an offset: `DEAD`.

    With `intact_only`, damaged files are left out, and logged.
    """
    state = latest_compaction(zone)
    names = partitions(zone) if partition is None else [partition]
    named = [record["dead"] for name in names for record in commits(zone, name, state)]
    if partition is None or since < state["upto"].get(partition, 0):
        named.insert(0, state["dead"])
    if intact_only:
        named = zone_files.intact(zone.root, filter(None, named))
    rows = load_files(zone, named, DEAD)
    if partition is not None:
        topic, _, number = partition.rpartition("-")
        rows = rows.filter(pl.col("topic") == topic, pl.col("partition") == int(number), pl.col("offset") >= since)
    return rows.sort("topic", "partition", "offset")


def last_ids(zone: Zone, partition: str, n: int) -> list[str]:
    """The ids of at least the last `n` events of a partition (all, if there are fewer), newest last.

    Those in damaged files are left out, and the files logged.
    """
    state = latest_compaction(zone)
    topic, _, number = partition.rpartition("-")
    newest_first: list[list[str]] = []
    for record in reversed(commits(zone, partition, state)):
        if n <= 0:
            break
        for file in zone_files.intact(zone.root, filter(None, [record["rows"]])):
            newest_first.append(load_files(zone, [file], ROWS).get_column("event_id").to_list())
            n -= len(newest_first[-1])
    merged = zone_files.intact(zone.root, _merged(state)) if n > 0 else []
    if merged:
        of_partition = pl.col("topic") == topic, pl.col("partition") == int(number)
        events = zone_files.scan(zone.root, merged, ROWS).filter(*of_partition)
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


def compactions(zone: Zone) -> list[Path]:
    """The files of compactions, oldest first; files with other names are not ours."""
    return [path for path in files.listed(zone.root / "compacted", "*.json") if path.stem.isdecimal()]


def latest_compaction(zone: Zone) -> Commit:
    """The state that the newest compaction wrote (see `compaction.compact`)."""
    newest = max(compactions(zone), default=None)
    return EMPTY | read_json(newest) if newest else EMPTY


def day_files(zone: Zone) -> dict[date, Path]:
    """Event day -> its compacted file, which is what was committed.

    Events of days in `rest` (see `compaction`) are in none of them; `compaction.compact_all` leaves no rest.
    """
    days = latest_compaction(zone)["days"]
    if days:
        zone_files.scan(zone.root, list(days.values()), ROWS)  # a `UserError` for the first damaged one
    return {date.fromisoformat(day): zone.root / file["path"] for day, file in days.items()}


def read(zone: Zone) -> pl.DataFrame:
    """All durable events, compacted or not, each once: `ROWS`."""
    state = latest_compaction(zone)
    return load_files(zone, [*_merged(state), *(record["rows"] for record in uncompacted(zone, state))], ROWS)


def _merged(state: Commit) -> list[Commit]:
    """The files of compacted events: those of the days, and the rest."""
    return [*state["days"].values(), *filter(None, [state["rest"]])]


def read_since(zone: Zone, moment: datetime | None, intact_only: bool = False) -> Iterator[pl.DataFrame]:
    """The durable events since the day of this moment (`ROWS`), by day; then all events that are in no day's file.

    Files with only older rows are not read. None: all events. With `intact_only`, damaged files are left out, and
    logged.
    """
    state = latest_compaction(zone)
    first = str(moment.astimezone(ZoneInfo(zone.time_zone)).date()) if moment else ""
    days = [[file] for day, file in state["days"].items() if day >= first]
    newest = [file for file in (state["rest"], *(record["rows"] for record in uncompacted(zone, state))) if file]
    for group in (*days, newest):
        kept = zone_files.intact(zone.root, group) if intact_only else group
        yield load_files(zone, kept, ROWS)


def uncompacted(zone: Zone, state: Commit) -> Iterator[Commit]:
    """The commits that are not yet part of the compacted files."""
    for partition in partitions(zone):
        yield from commits(zone, partition, state)


def load_files(zone: Zone, files: Sequence[Commit | None], columns: dict[str, Any]) -> pl.DataFrame:
    """The rows of files that commits or a compaction name, in their order; None means no rows.

    Raises
    ------
    UserError
        If a file is missing, or not what was committed.
    """
    named = [file for file in files if file]
    return zone_files.scan(zone.root, named, columns).collect() if named else pl.DataFrame(schema=columns)


def create_atomically(path: Path, record: Commit) -> None:
    """Create a complete file atomically and durably, with a `check` of its content; FileExistsError if it exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(record | {"check": _check(record)}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    files.sync_folder(path.parent)


def _check(record: Commit) -> str:
    """SHA-256 of a record's content, as JSON holds it."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _require_place(record: Commit, path: Path) -> None:
    """ValueError if a record is not of the place where its file is: such a chain might have no end."""
    if path.parent.name == "compacted":
        name, place = f"{record['number']:08d}", "compacted"
    else:
        name, place = f"{record['first']:020d}", record["partition"]
    if (place, name) != (path.parent.name, path.stem):
        raise ValueError(f"it is a copy of {place}/{name}")
    if not record.get("first", 0) < record.get("next", 1):
        raise ValueError("it ends before it begins")


def read_json(path: Path) -> Commit:
    """Read a commit or compaction; a damaged file raises a `UserError`. Those of earlier versions have no `check`."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        check = record.pop("check", None) if isinstance(record, dict) else None
        if check not in (None, _check(record)):
            raise ValueError("its content is not what was committed")
        record_form.require(record, is_compaction=path.parent.name == "compacted")
        _require_place(record, path)
    except (OSError, ValueError, RecursionError) as problem:
        if isinstance(problem, FileNotFoundError) and not path.is_symlink():
            raise  # another process's compaction has just deleted it
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise UserError(
            f"{path} is damaged ({reason}). Restore it: without it, the events that it committed are not read."
        ) from None
    return record
