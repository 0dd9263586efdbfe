"""Compaction of the streaming zone: its small files become one per event day; what nothing counts any more goes.

A compaction is a new state that names all files and up to which offsets they reach, made by one exclusive link: readers
have the old state or the new one, and a killed compaction leaves only files that nothing names.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, latency
from recomart_lib.stream.commit_log import DEAD, NOTHING, ROWS, Commit, Zone

log = logging.getLogger(__name__)

ABANDONED_S = 600  # a file that nothing names and that is older than this was left by a killed process
KEPT_MINUTES = 24 * 60  # of figures by minute; counts and latencies since ever are kept as sums


def keep_small(zone: Zone, every_s: float, ended: threading.Event) -> None:
    """Compact whenever the last compaction is so long ago, whoever made it; returns when `ended`."""
    while not ended.wait(every_s):
        newest = max(zone.root.glob("compacted/*.json"), default=None)
        if newest is None or time.time() - newest.stat().st_mtime >= every_s:
            try:
                compact(zone)
            except (OSError, UserError) as problem:
                log.warning("the zone could not be compacted: %s; nothing is lost, it is tried again", problem)


def compact(zone: Zone) -> Commit:
    """Merge what was committed since the last compaction into one file per event day; returns the new state.

    Returns
    -------
    dict
        days: day -> {path, rows, sha256}; dead: the file of all dead letters, or None; upto: partition -> offset before
        which all is in those files; sent: see `stream_log.position`; counts: partition -> its `COUNTS`; latency;
        minutes; number.
    """
    state = commit_log.compacted(zone)
    waiting = list(commit_log.waiting(zone, state))
    if waiting:
        number = state["number"] + 1
        ends = {record["partition"]: record["next"] for record in waiting}
        new = {
            "number": number,
            "days": _merged_days(zone, state, waiting, number),
            "dead": _merged_dead(zone, state, waiting, number),
            "upto": state["upto"] | ends,
            "sent": state["sent"] | {record["partition"]: record["sent"] for record in waiting},
            "counts": commit_log.by_partition(state, waiting),
            "latency": latency.added([state["latency"], *(record["latency"] for record in waiting)]),
            "minutes": dict(list(commit_log.by_minute(state["minutes"], waiting).items())[-KEPT_MINUTES:]),
        }
        with suppress(FileExistsError):  # another process compacted: its state counts, ours is swept away
            commit_log.create(zone.root / "compacted" / f"{number:08d}.json", new)
    sweep(zone)
    return commit_log.compacted(zone)


def _merged_days(zone: Zone, state: Commit, waiting: list[Commit], number: int) -> dict[str, Commit]:
    fresh = commit_log.load(zone, [record["rows"] for record in waiting], ROWS)
    day = pl.col("timestamp").dt.convert_time_zone(zone.time_zone).dt.date()
    days = dict(state["days"])
    for (one,), rows in fresh.with_columns(day=day).partition_by("day", as_dict=True, include_key=False).items():
        before = commit_log.load(zone, [days.get(str(one))], ROWS)
        # new rows come last: a line of a day's file stays the same event when the day grows
        merged = pl.concat([before, rows.sort("timestamp", "event_id", "topic", "partition", "offset")])
        days[str(one)] = _placed(zone, merged, zone.root / f"date={one}", number)
    return dict(sorted(days.items()))


def _merged_dead(zone: Zone, state: Commit, waiting: list[Commit], number: int) -> Commit | None:
    fresh = [record["dead"] for record in waiting if record["dead"]]
    if not fresh:
        return state["dead"]
    return _placed(zone, commit_log.load(zone, [state["dead"], *fresh], DEAD), zone.root / "dead", number)


def _placed(zone: Zone, table: pl.DataFrame, folder: Path, number: int) -> Commit:
    folder.mkdir(parents=True, exist_ok=True)
    written = commit_log.write(zone, table, folder / f"{number:08d}-{uuid.uuid4().hex[:8]}.parquet")
    commit_log.sync(folder)
    return written


def sweep(zone: Zone) -> int:
    """Delete files that nothing counts any more and that are old: left by killed processes, or compacted since.

    Readers that began before a compaction have `ABANDONED_S` to end. What a process that only sleeps may still commit
    stays, however old: a batch that the log has not got past, a compaction that nobody else has made. Returns how many
    files were deleted.
    """
    states = [commit_log.read_json(path) for path in sorted(zone.root.glob("compacted/*.json"))[-2:]] or [NOTHING]
    named = {file["path"] for state in states for file in [*state["days"].values(), state["dead"]] if file}
    done: list[Path] = []
    for name in commit_log.partitions(zone):
        chain = commit_log.commits(zone, name, states[-1])
        end = chain[-1]["next"] if chain else states[-1]["upto"].get(name, 0)
        named |= {record[kind]["path"] for record in chain for kind in ("rows", "dead") if record[kind]}
        named |= {f"log/{name}/{record['first']:020d}.json" for record in chain}
        written = [*zone.root.glob(f"segments/{name}/*.parquet"), *zone.root.glob(f"log/{name}/*.json")]
        done += [path for path in written if _number(path) < end]
    merged = [path for kind in ("date=*/*.parquet", "dead/*.parquet") for path in zone.root.glob(kind)]
    done += [path for path in merged if _number(path) <= states[-1]["number"]]
    done += [path for path in zone.root.glob("compacted/*.json") if _number(path) < states[0]["number"]]
    old = [path for path in done if path.relative_to(zone.root).as_posix() not in named and _is_old(path)]
    old += [path for kind in ("log/*/.*.tmp", "compacted/.*.tmp") for path in zone.root.glob(kind) if _is_old(path)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _number(path: Path) -> int:
    """The offset or number at the start of a file's name."""
    return int(path.name.split(".")[0].split("-")[0])


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > ABANDONED_S
    except FileNotFoundError:  # another process sweeps, too
        return False
