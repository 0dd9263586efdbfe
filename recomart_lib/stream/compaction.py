"""Compaction of the streaming zone: many small files become one file per event day; obsolete files are deleted.

A compaction is a new state that names all files and their end offsets, created by one exclusive link. Readers see the
old state or the new one, and a killed compaction leaves only files that nothing names.
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
from recomart_lib.stream.commit_log import DEAD, EMPTY, ROWS, Commit, Zone

log = logging.getLogger(__name__)

ABANDONED_S = 600  # an unnamed file that is older than this was left by a killed process
KEPT_MINUTES = 24 * 60  # minutes with statistics of their own; total counts and latencies are kept forever


def run_periodically(zone: Zone, every_s: float, stop: threading.Event) -> None:
    """Compact when the newest compaction, of any process, is at least `every_s` old; returns when `stop` is set."""
    while not stop.wait(every_s):
        newest = max(zone.root.glob("compacted/*.json"), default=None)
        if newest is None or time.time() - newest.stat().st_mtime >= every_s:
            try:
                compact(zone)
            except (OSError, UserError) as problem:
                log.warning(
                    "the streaming zone could not be compacted: %s; nothing is lost, it will be retried", problem
                )


def compact(zone: Zone) -> Commit:
    """Merge the commits since the last compaction into one file per event day; returns the new state.

    Returns
    -------
    dict
        days: day -> {path, rows, sha256}; dead: the file of all dead letters, or None; upto: partition -> offset before
        which everything is in those files; sent: see `commit_log.position`; counts: partition -> its `COUNTS`; latency;
        minutes; number.
    """
    state = commit_log.latest_compaction(zone)
    waiting = list(commit_log.uncompacted(zone, state))
    if waiting:
        number = state["number"] + 1
        ends = {record["partition"]: record["next"] for record in waiting}
        new = {
            "number": number,
            "days": _merged_days(zone, state, waiting, number),
            "dead": _merged_dead(zone, state, waiting, number),
            "upto": state["upto"] | ends,
            "sent": state["sent"] | {record["partition"]: record["sent"] for record in waiting},
            "counts": commit_log.add_counts(state, waiting),
            "latency": latency.merge([state["latency"], *(record["latency"] for record in waiting)]),
            "minutes": dict(list(commit_log.add_minutes(state["minutes"], waiting).items())[-KEPT_MINUTES:]),
        }
        with suppress(FileExistsError):  # another process compacted: its state is valid, ours is deleted later
            commit_log.create_atomically(zone.root / "compacted" / f"{number:08d}.json", new)
    sweep(zone)
    return commit_log.latest_compaction(zone)


def _merged_days(zone: Zone, state: Commit, waiting: list[Commit], number: int) -> dict[str, Commit]:
    new = commit_log.load_files(zone, [record["rows"] for record in waiting], ROWS)
    day = pl.col("timestamp").dt.convert_time_zone(zone.time_zone).dt.date()
    days = dict(state["days"])
    for (date,), rows in new.with_columns(day=day).partition_by("day", as_dict=True, include_key=False).items():
        before = commit_log.load_files(zone, [days.get(str(date))], ROWS)
        # new rows come last, so that line numbers stay the same when a day grows
        merged = pl.concat([before, rows.sort("timestamp", "event_id", "topic", "partition", "offset")])
        days[str(date)] = _write_merged(zone, merged, zone.root / f"date={date}", number)
    return dict(sorted(days.items()))


def _merged_dead(zone: Zone, state: Commit, waiting: list[Commit], number: int) -> Commit | None:
    new = [record["dead"] for record in waiting if record["dead"]]
    if not new:
        return state["dead"]
    return _write_merged(zone, commit_log.load_files(zone, [state["dead"], *new], DEAD), zone.root / "dead", number)


def _write_merged(zone: Zone, table: pl.DataFrame, folder: Path, number: int) -> Commit:
    folder.mkdir(parents=True, exist_ok=True)
    written = commit_log.write(zone, table, folder / f"{number:08d}-{uuid.uuid4().hex[:8]}.parquet")
    commit_log.sync_folder(folder)
    return written


def sweep(zone: Zone) -> int:
    """Delete old files that are obsolete: left by killed processes, or replaced by a compaction.

    Readers that started before a compaction have `ABANDONED_S` to finish. Files that a suspended process may still
    commit stay, however old: a batch beyond the end of the log, a compaction with a new number. Returns the number of
    deleted files.
    """
    states = [commit_log.read_json(path) for path in sorted(zone.root.glob("compacted/*.json"))[-2:]] or [EMPTY]
    chains = {name: commit_log.commits(zone, name, states[-1]) for name in commit_log.partitions(zone)}
    named = _named_files(states, chains)
    obsolete = [
        path
        for path in [*_superseded_commits(zone, states[-1], chains), *_superseded_compactions(zone, states)]
        if path.relative_to(zone.root).as_posix() not in named
    ]
    obsolete += [path for pattern in ("log/*/.*.tmp", "compacted/.*.tmp") for path in zone.root.glob(pattern)]
    old = [path for path in obsolete if _is_old(path)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _named_files(states: list[Commit], chains: dict[str, list[Commit]]) -> set[str]:
    """The files, relative to the zone's root, that compactions or the chains of commits name."""
    named = {file["path"] for state in states for file in [*state["days"].values(), state["dead"]] if file}
    for name, chain in chains.items():
        named |= {record[kind]["path"] for record in chain for kind in ("rows", "dead") if record[kind]}
        named |= {f"log/{name}/{record['first']:020d}.json" for record in chain}
    return named


def _superseded_commits(zone: Zone, state: Commit, chains: dict[str, list[Commit]]) -> list[Path]:
    """Segments and commits that start before the end of their partition's log."""
    superseded = []
    for name, chain in chains.items():
        end = chain[-1]["next"] if chain else state["upto"].get(name, 0)
        files = [*zone.root.glob(f"segments/{name}/*.parquet"), *zone.root.glob(f"log/{name}/*.json")]
        superseded += [path for path in files if _number(path) < end]
    return superseded


def _superseded_compactions(zone: Zone, states: list[Commit]) -> list[Path]:
    """Merged files up to the newest compaction, and compactions before the last two."""
    merged = [path for pattern in ("date=*/*.parquet", "dead/*.parquet") for path in zone.root.glob(pattern)]
    superseded = [path for path in merged if _number(path) <= states[-1]["number"]]
    return superseded + [path for path in zone.root.glob("compacted/*.json") if _number(path) < states[0]["number"]]


def _number(path: Path) -> int:
    """The offset or compaction number at the start of a file's name."""
    return int(path.name.split(".")[0].split("-")[0])


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > ABANDONED_S
    except FileNotFoundError:  # another process has deleted it
        return False
