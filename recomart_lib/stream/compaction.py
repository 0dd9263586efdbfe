"""Compaction of the streaming zone: many small files become one file per event day; obsolete files are deleted.

A compaction is a new state that names all files and their end offsets, created by one exclusive link. Readers see the
old state or the new one, and a killed compaction leaves only files that nothing names.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib.core import files
from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, latency, moves, zone_files
from recomart_lib.stream.commit_log import DEAD, EMPTY, ROWS, Commit, Zone
from recomart_lib.stream.log_once import log_once

log = logging.getLogger(__name__)

ABANDONED_S = 600  # an unnamed file that is older than this was left by a killed process
MAX_DAYS = 100  # files of days that a consumer's compaction writes, if not more days have many new events ...
ENOUGH_EVENTS = 100  # ... that is, at least this many
MAX_THREADS = 4  # days whose files are written at the same time
KEPT_MINUTES = 24 * 60  # minutes with statistics of their own; total counts and latencies are kept forever


def run_periodically(zone: Zone, every_s: float, stop: threading.Event) -> None:
    """Compact when the newest compaction, of any process, is at least `every_s` old; returns when `stop` is set.

    A problem, such as a damaged file, is logged once: it is tried again, and consuming does not depend on it.
    """
    while not stop.wait(every_s):
        try:
            newest = max(commit_log.compactions(zone), default=None)
            # a clock that was ahead then must not stop compactions until that time
            if newest is None or not 0 <= _age_s(newest) < every_s:
                compact(zone)
        except (OSError, UserError, pl.exceptions.PolarsError) as problem:
            log_once(
                log.error,
                f"the streaming zone could not be compacted: {problem} Nothing is lost; it will be tried again every "
                f"{every_s:g} s.",
            )


def compact_all(zone: Zone) -> Commit:
    """`compact`, however many days have new events: afterwards, every event is in the file of its day."""
    while True:
        state = compact(zone, None)
        if not state["rest"]:
            return state


def compact(zone: Zone, max_days: int | None = MAX_DAYS) -> Commit:
    """Merge the commits since the last compaction into one file per event day; returns the new state.

    Only the files of days with new events are written again. If more than `max_days` days have new events, those with
    the most are written, and all with at least `ENOUGH_EVENTS`; the new events of the other days stay together in one
    file, the rest, until there are enough or `compact_all` is called. So an event for each of 3,000 days does not
    write 3,000 files every few minutes.

    Events that no stage can use (see `moves`) become dead letters; the log names them.

    Returns
    -------
    dict
        days: day -> {path, rows, sha256, offsets}; rest: the file of new events of days whose file is not written yet,
        or None; dead: the file of all dead letters, or None; upto: partition -> offset before
        which everything is in those files; sent and topic_ids: see `commit_log.Position`; n_moved: events that became
        dead letters; unsent: topic, partition and offset of those that are not on the dead-letter topic; counts:
        partition -> its `COUNTS`; latency; minutes; number.
    """
    state = commit_log.latest_compaction(zone)
    waiting = list(commit_log.uncompacted(zone, state))
    if waiting or _unusable_days(state) or (state["rest"] and max_days is None):
        with suppress(FileExistsError):  # another process compacted: its state is valid, ours is deleted later
            _report(merge(zone, state, waiting, moves.NONE, max_days))
    sweep(zone)
    return commit_log.latest_compaction(zone)


def move(zone: Zone, chosen: pl.DataFrame) -> pl.DataFrame:
    """Compact, and make these events dead letters (`moves.MOVES`); returns those that were still events."""
    while True:
        state = commit_log.latest_compaction(zone)
        with suppress(FileExistsError):  # another process compacted: again, from its state
            return merge(zone, state, list(commit_log.uncompacted(zone, state)), chosen)


def mark_sent(zone: Zone, places: Sequence[Sequence[Any]]) -> None:
    """Note that the dead letters with this topic, partition and offset, once events, are on the dead-letter topic."""
    sent = {tuple(place) for place in places}
    while True:
        state = commit_log.latest_compaction(zone)
        unsent = [place for place in state["unsent"] if tuple(place) not in sent]
        with suppress(FileExistsError):
            return _create(zone, state | {"number": state["number"] + 1, "unsent": unsent})


def merge(
    zone: Zone, state: Commit, waiting: list[Commit], chosen: pl.DataFrame, max_days: int | None = MAX_DAYS
) -> pl.DataFrame:
    """Create the state after `state`, with these commits, and without the events of `chosen` (`moves.MOVES`).

    `max_days`: see `compact`.

    Returns
    -------
    DataFrame
        The events that became dead letters (`commit_log.ROWS`), and reason.

    Raises
    ------
    FileExistsError
        If another process was first.
    """
    number = state["number"] + 1
    days, rest, moved = _merged_days(zone, state, waiting, chosen, number, max_days)
    new = {
        "number": number,
        "days": days,
        "rest": rest,
        "dead": _merged_dead(zone, state, waiting, moved, number),
        "upto": state["upto"] | {record["partition"]: record["next"] for record in waiting},
        "sent": state["sent"] | {record["partition"]: record["sent"] for record in waiting},
        "topic_ids": state["topic_ids"] | {record["partition"]: record.get("topic_id") for record in waiting},
        "n_moved": state["n_moved"] + moved.height,
        "unsent": [*state["unsent"], *moved.select(moves.PLACE).rows()],
        "counts": _without_moved(commit_log.add_counts(state, waiting), moved),
        "latency": latency.merge([state["latency"], *(record["latency"] for record in waiting)]),
        "minutes": dict(list(commit_log.add_minutes(state["minutes"], waiting).items())[-KEPT_MINUTES:]),
    }
    _create(zone, new)
    return moved


def _create(zone: Zone, state: Commit) -> None:
    commit_log.create_atomically(zone.root / "compacted" / f"{state['number']:08d}.json", state)


def _report(moved: pl.DataFrame) -> None:
    for event_id, moment in moved.select("event_id", pl.col("timestamp").dt.to_string("iso:strict")).iter_rows():
        log.warning(
            "the streamed event %r has the time %s, which no stage can use: it is a dead letter now. `recomart stream "
            "dead-letters` shows it; `recomart stream quarantine` finds other events that the stream rejects today.",
            event_id,
            moment,
        )


def _merged_days(
    zone: Zone, state: Commit, waiting: list[Commit], chosen: pl.DataFrame, number: int, max_days: int | None
) -> tuple[dict[str, Commit], Commit | None, pl.DataFrame]:
    """The files of all days, that of the rest, and the events that became dead letters, with their reason."""
    files = [state["rest"], *(record["rows"] for record in waiting)]
    new, moved = moves.split(commit_log.load_files(zone, files, ROWS), chosen)
    day = pl.col("timestamp").dt.convert_time_zone(zone.time_zone).dt.date()
    now, later = _divided(new.with_columns(day=day), max_days)
    added = {str(date): rows for (date,), rows in now.partition_by("day", as_dict=True, include_key=False).items()}

    def write(name: str) -> tuple[Commit, pl.DataFrame]:
        before, moved = moves.split(commit_log.load_files(zone, [state["days"].get(name)], ROWS), chosen)
        # new rows come last, so that line numbers stay the same when a day grows
        rows = added.get(name, new.clear()).sort("timestamp", "event_id", *moves.PLACE)
        return _write_merged(zone, pl.concat([before, rows]), zone.root / f"date={name}", number), moved

    names = sorted({*added, *_unusable_days(state), *_days_of(zone, state, chosen)})
    with ThreadPoolExecutor(MAX_THREADS) as threads:  # most of the time, a thread waits for the disk
        written = list(threads.map(write, names))
    days = state["days"] | {name: file for name, (file, _) in zip(names, written, strict=True)}
    rest = _write_merged(zone, later.drop("day"), zone.root / "rest", number) if later.height else None
    return dict(sorted(days.items())), rest, pl.concat([moved, *(moved_of_day for _, moved_of_day in written)])


def _divided(new: pl.DataFrame, max_days: int | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """New events (with their `day`) that are written to the files of their days now, and those that wait: the rest."""
    counts = new.group_by("day").len().sort("len", "day", descending=[True, False]).with_row_index("place")
    if max_days is None or counts.height <= max_days:
        return new, new.clear()
    chosen = counts.filter((pl.col("place") < max_days) | (pl.col("len") >= ENOUGH_EVENTS))
    return new.join(chosen, on="day", how="semi", maintain_order="left"), new.join(
        chosen, on="day", how="anti", maintain_order="left"
    )


def _unusable_days(state: Commit) -> list[str]:
    """The days whose events no stage can use. A day that became empty stays: its file replaces the one in the lake."""
    return [day for day, file in state["days"].items() if file["rows"] and moves.has_unusable_day(day)]


def _days_of(zone: Zone, state: Commit, chosen: pl.DataFrame) -> list[str]:
    """The days whose compacted files contain any of these events."""
    if not chosen.height:
        return []
    places = {day: zone_files.scan(zone.root, [file], ROWS) for day, file in state["days"].items()}
    chosen_places = chosen.lazy().select(moves.PLACE)
    return [
        day
        for day, rows in places.items()
        if rows.join(chosen_places, on=moves.PLACE, how="semi").select(pl.len()).collect().item()
    ]


def _without_moved(counts: dict[str, Commit], moved: pl.DataFrame) -> dict[str, Commit]:
    for topic, partition, n in moved.group_by("topic", "partition").len().iter_rows():
        counts[f"{topic}-{partition}"]["n_events"] -= n
        counts[f"{topic}-{partition}"]["n_dead"] += n
    return counts


def _merged_dead(zone: Zone, state: Commit, waiting: list[Commit], moved: pl.DataFrame, number: int) -> Commit | None:
    new = [record["dead"] for record in waiting if record["dead"]]
    if not new and not moved.height:
        return state["dead"]
    rows = pl.concat([commit_log.load_files(zone, [state["dead"], *new], DEAD), moves.dead_letters(moved)])
    return _write_merged(zone, rows, zone.root / "dead", number)


def _write_merged(zone: Zone, table: pl.DataFrame, folder: Path, number: int) -> Commit:
    folder.mkdir(parents=True, exist_ok=True)
    written = zone_files.write(zone.root, table, folder / f"{number:08d}-{uuid.uuid4().hex[:8]}.parquet")
    files.sync_folder(folder)
    return written


def sweep(zone: Zone) -> int:
    """Delete old files that are obsolete: left by killed processes, or replaced by a compaction.

    Readers that started before a compaction have `ABANDONED_S` to finish. Files that a suspended process may still
    commit stay, however old: a batch beyond the end of the log, a compaction with a new number. Returns the number of
    deleted files.
    """
    states = _states_in_use(zone)
    chains = {name: commit_log.commits(zone, name, states[0]) for name in commit_log.partitions(zone)}
    named = _named_files(states, chains)
    obsolete = [
        path
        for path in [*_superseded_commits(zone, states[0], chains), *_superseded_compactions(zone, states)]
        if path.relative_to(zone.root).as_posix() not in named
    ]
    temporary = ("log/*/.*.tmp", "compacted/.*.tmp", "sent/.*.tmp")
    obsolete += [path for pattern in temporary for path in zone.root.glob(pattern)]
    old = [path for path in obsolete if _is_old(path)]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _states_in_use(zone: Zone) -> list[Commit]:
    """The states with which a reader may still read: that of `ABANDONED_S` ago and all later ones, at least two."""
    paths = commit_log.compactions(zone)
    n_young = sum(not _is_old(path) for path in paths)
    before = [] if n_young < len(paths) else [EMPTY]
    return [*before, *(EMPTY | commit_log.read_json(path) for path in paths[-max(n_young + 1, 2) :])]


def _named_files(states: list[Commit], chains: dict[str, list[Commit]]) -> set[str]:
    """The files, relative to the zone's root, that compactions or the chains of commits name."""
    merged = [file for state in states for file in (*state["days"].values(), state["rest"], state["dead"]) if file]
    named = {file["path"] for file in merged}
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
    """Merged files up to the newest compaction, and compactions before those in use."""
    folders = ("date=*", "rest", "dead")
    merged = [path for folder in folders for path in zone.root.glob(f"{folder}/*.parquet")]
    superseded = [path for path in merged if _number(path) <= states[-1]["number"]]
    return superseded + [path for path in commit_log.compactions(zone) if _number(path) < states[0]["number"]]


def _number(path: Path) -> float:
    """The offset or compaction number at the start of a file's name; infinite for a file that is not ours."""
    digits = re.match(r"\d+", path.name)
    return int(digits[0]) if digits else math.inf


def _is_old(path: Path) -> bool:
    return _age_s(path) > ABANDONED_S


def _age_s(path: Path) -> float:
    """Seconds since a file was written; 0 if another process has deleted it."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
