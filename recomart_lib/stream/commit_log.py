"""The streaming zone: what a stream's consumers made durable, each event once, and the log that says what counts.

    data/streaming/source=<shop>/type=events/
        log/<topic>-<partition>/<first offset>.json    a commit: offsets [first, next), its files, counts, latencies
        segments/<topic>-<partition>/<...>.parquet      rows of one commit (.dead.parquet: its dead letters)
        compacted/<number>.json                         which files hold all before which offsets, and their counts
        date=<YYYY-MM-DD>/<number>.parquet              all rows of an event day (the shop's time zone)
        dead/<number>.parquet                           all dead letters

A file counts only if a commit, or the newest compaction, names it. Commits and compactions are made by linking a
complete file to its name, which fails if the name is taken: of two processes that hold the same partition, or that
compact at the same time, one wins and the other throws its work away. A commit begins where one before it ended, and
readers follow that chain from where the newest compaction ended: what a process that overslept a compaction commits
lies beside the chain, or is a part of it that nobody else made. So the log, not the broker, tells where a partition
goes on, and a process may be killed at any moment.
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
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import EVENTS
from recomart_lib.stream.latency import Classes, added

Commit = dict[str, Any]

ORIGIN = {"topic": pl.String, "partition": pl.Int32, "offset": pl.Int64}
ROWS = {**EVENTS, **ORIGIN}
DEAD = {**ORIGIN, "reason": pl.String, "key": pl.Binary, "value": pl.Binary}
COUNTS = ("n_messages", "n_events", "n_dead", "n_duplicates")
NOTHING: Commit = {
    "number": 0,
    "days": {},
    "dead": None,
    "upto": {},
    "sent": {},
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


class TakenError(Exception):
    """Another process has committed these offsets first."""


def partitions(zone: Zone) -> list[str]:
    """The partitions that have commits, as `<topic>-<partition>`."""
    return sorted(path.name for path in zone.root.glob("log/*") if path.is_dir())


def commits(zone: Zone, partition: str, state: Commit | None = None) -> list[Commit]:
    """The commits of a partition since the newest compaction (or since `state`), in the order of their offsets."""
    at, found = (state or compacted(zone))["upto"].get(partition, 0), []
    folder = zone.root / "log" / partition
    names = {path.name for path in folder.glob("*.json")}
    while (name := f"{at:020d}.json") in names:
        found.append(read_json(folder / name))
        at = found[-1]["next"]
    return found


def position(zone: Zone, partition: str) -> tuple[int, int]:
    """Where a partition goes on; and the offset before which all dead letters were known to be on their topic."""
    state = compacted(zone)
    chain = commits(zone, partition, state)
    if chain:
        return chain[-1]["next"], chain[-1]["sent"]
    return state["upto"].get(partition, 0), state["sent"].get(partition, 0)


def commit(
    zone: Zone,
    partition: str,
    first: int,
    upto: int,
    rows: pl.DataFrame,
    dead: pl.DataFrame,
    facts: Callable[[], Commit],
) -> Commit:
    """Make a batch durable: rows (`ROWS`) and dead letters (`DEAD`) of the offsets [first, upto), or none of it.

    Parameters
    ----------
    facts
        Asked when the rows are on the disk: n_messages, n_duplicates, latency, and sent (see `position`).

    Raises
    ------
    TakenError
        If another process was first; nothing of this batch is left then.
    """
    segments = zone.root / "segments" / partition
    segments.mkdir(parents=True, exist_ok=True)
    stem = f"{first:020d}-{uuid.uuid4().hex[:8]}"
    files = {"rows": (rows, segments / f"{stem}.parquet"), "dead": (dead, segments / f"{stem}.dead.parquet")}
    record = {"partition": partition, "first": first, "next": upto, "n_events": rows.height, "n_dead": dead.height}
    for name, (table, path) in files.items():
        record[name] = write(zone, table, path) if table.height else None
    if rows.height or dead.height:
        sync(segments)
    record |= {**facts(), "committed_at": datetime.now(UTC).isoformat()}
    try:
        create(zone.root / "log" / partition / f"{first:020d}.json", record)
    except FileExistsError:
        for _, path in files.values():
            path.unlink(missing_ok=True)
        raise TakenError(f"{partition}: offset {first} was committed by another consumer") from None
    return record


def dead_letters(zone: Zone, partition: str | None = None, since: int = 0) -> pl.DataFrame:
    """All dead letters of the zone, or those of one partition at or after an offset: `DEAD`."""
    state = compacted(zone)
    names = partitions(zone) if partition is None else [partition]
    found = load(zone, [state["dead"], *(one["dead"] for name in names for one in commits(zone, name, state))], DEAD)
    if partition is not None:
        topic, _, number = partition.rpartition("-")
        found = found.filter(pl.col("topic") == topic, pl.col("partition") == int(number), pl.col("offset") >= since)
    return found.sort("topic", "partition", "offset")


def last_ids(zone: Zone, partition: str, n: int) -> list[str]:
    """The ids of at least the last `n` events of a partition, the newest last (all, where there are fewer)."""
    state, topic_and_number = compacted(zone), partition.rpartition("-")
    found: list[list[str]] = []
    for record in reversed(commits(zone, partition, state)):
        if n <= 0:
            break
        if record["rows"]:
            found.append(load(zone, [record["rows"]], ROWS).get_column("event_id").to_list())
            n -= len(found[-1])
    days = [zone.root / day["path"] for day in state["days"].values()]
    if n > 0 and days:
        mine = pl.scan_parquet(days, hive_partitioning=False).filter(
            pl.col("topic") == topic_and_number[0], pl.col("partition") == int(topic_and_number[2])
        )
        found.append(
            mine.select("event_id", "offset").sort("offset").tail(n).collect().get_column("event_id").to_list()
        )
    return [event for ids in reversed(found) for event in ids]


def counts(zone: Zone) -> dict[str, Commit]:
    """Partition -> next (where it goes on) and its `COUNTS`, since ever."""
    state = compacted(zone)
    records = list(waiting(zone, state))
    ends = state["upto"] | {record["partition"]: record["next"] for record in records}
    return {name: {"next": ends[name], **total} for name, total in sorted(by_partition(state, records).items())}


def by_partition(state: Commit, records: Iterable[Commit]) -> dict[str, Commit]:
    """Partition -> `COUNTS` of a compaction's state and these commits together."""
    total = {name: dict(held) for name, held in state["counts"].items()}
    for record in records:
        held = total.setdefault(record["partition"], dict.fromkeys(COUNTS, 0))
        for name in COUNTS:
            held[name] += record[name]
    return total


def latency(zone: Zone) -> Classes:
    """How late events were, since ever."""
    state = compacted(zone)
    return added([state["latency"], *(record["latency"] for record in waiting(zone, state))])


def minutes(zone: Zone) -> dict[str, Commit]:
    """Minute of commit (UTC, 2026-01-31T12:05) -> its `COUNTS` and latency (see `stream_latency`), oldest first.

    Of what is compacted, the last 24 hours of minutes in which something was committed.
    """
    state = compacted(zone)
    return by_minute(state["minutes"], waiting(zone, state))


def by_minute(before: dict[str, Commit], records: Iterable[Commit]) -> dict[str, Commit]:
    """The same of these commits, added to `before`."""
    parts: dict[str, list[Commit]] = {minute: [one] for minute, one in before.items()}
    for record in records:
        parts.setdefault(record["committed_at"][:16], []).append(record)
    return {
        minute: {name: sum(one[name] for one in held) for name in COUNTS}
        | {"latency": added(one["latency"] for one in held)}
        for minute, held in sorted(parts.items())
    }


def compacted(zone: Zone) -> Commit:
    """The newest compaction's state (see `compact`)."""
    newest = max(zone.root.glob("compacted/*.json"), default=None)
    return read_json(newest) if newest else NOTHING


def day_files(zone: Zone) -> dict[date, Path]:
    """Event day -> its compacted file."""
    return {date.fromisoformat(day): zone.root / found["path"] for day, found in compacted(zone)["days"].items()}


def read(zone: Zone) -> pl.DataFrame:
    """All events that were made durable, compacted or not, each once: `ROWS`."""
    state = compacted(zone)
    return load(zone, [*state["days"].values(), *(record["rows"] for record in waiting(zone, state))], ROWS)


def read_since(zone: Zone, moment: datetime) -> Iterator[pl.DataFrame]:
    """The durable events of the days from this moment on (`ROWS`), day by day; then what is not compacted, of all days.

    Files whose rows are all older are not read.
    """
    state, first = compacted(zone), str(moment.astimezone(ZoneInfo(zone.time_zone)).date())
    for day, file in state["days"].items():
        if day >= first:
            yield load(zone, [file], ROWS)
    yield load(zone, [record["rows"] for record in waiting(zone, state)], ROWS)


def waiting(zone: Zone, state: Commit) -> Iterator[Commit]:
    """The commits that the compacted files do not hold yet."""
    for partition in partitions(zone):
        yield from commits(zone, partition, state)


def load(zone: Zone, files: Sequence[Commit | None], columns: dict[str, Any]) -> pl.DataFrame:
    """The rows of files that commits or the state name, in their order; None stands for no rows."""
    paths = [zone.root / file["path"] for file in files if file]
    return pl.read_parquet(paths, hive_partitioning=False) if paths else pl.DataFrame(schema=columns)


def write(zone: Zone, table: pl.DataFrame, path: Path) -> dict[str, Any]:
    """Write a table so that a power cut does not take it, and say what it is."""
    with path.open("w+b") as stream:
        table.write_parquet(stream, compression="zstd", compression_level=1)
        stream.flush()
        os.fsync(stream.fileno())
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": path.relative_to(zone.root).as_posix(), "rows": table.height, "sha256": digest}


def create(path: Path, record: Commit) -> None:
    """Make a file that is complete from its first moment; FileExistsError if there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        with unfinished.open("w", encoding="utf-8") as stream:
            json.dump(record, stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Names in a folder are durable only when the folder is."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def read_json(path: Path) -> Commit:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise UserError(
            f"{path} is damaged ({problem}). Restore it: without it, what it committed is not read."
        ) from None
