"""Verify a streaming zone: commits, their chains, compactions, and the files that they name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from tqdm.auto import tqdm

from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, zone_files
from recomart_lib.stream.commit_log import COUNTS, EMPTY, Commit, Zone

# One row: a file that is not what it should be. `path` is relative to the zone's root.
PROBLEMS = {"path": pl.String, "problem": pl.String, "contents": pl.String}
Problem = tuple[str, str, str | None]


def zones(folder: Path) -> list[Zone]:
    """The streaming zones of all shops in a folder (data/streaming); verifying needs no time zone."""
    return [
        Zone(folder, root.parent.name.removeprefix("source="), "UTC") for root in folder.glob("source=*/type=events")
    ]


def verify(zone: Zone) -> tuple[pl.DataFrame, int]:
    """Check everything that a reader of the zone relies on; returns the problems (`PROBLEMS`) and the files checked.

    Files that nothing names are no problem: killed processes leave them, and a compaction deletes them.
    """
    compactions, problems = _records(zone, commit_log.compactions(zone))
    state = EMPTY | max(compactions.values(), key=lambda record: record["number"], default={})
    chains, named = {}, [*state["days"].values(), state["rest"], state["dead"]]
    for partition in commit_log.partitions(zone):
        paths = sorted((zone.root / "log" / partition).glob("*.json"))
        commits, damaged = _records(zone, [path for path in paths if path.stem.isdecimal()])
        chains[partition] = _chain(commits, state["upto"].get(partition, 0))
        problems += [*damaged, *_outside(zone, partition, commits, chains[partition], state)]
        named += [record[kind] for record in chains[partition] for kind in ("rows", "dead")]
    files = [file for file in named if file]
    for file in tqdm(files, desc="verifying", unit="file", disable=None):
        if sentence := zone_files.problem(zone.root, file):
            problems.append((file["path"], sentence, zone_files.contents(file)))
    if not problems:
        problems += _wrong_counts(state, chains, files)
    n_records = len(compactions) + sum(map(len, chains.values()))
    return pl.DataFrame(problems, schema=PROBLEMS, orient="row"), n_records + len(files)


def _records(zone: Zone, paths: list[Path]) -> tuple[dict[Path, Commit], list[Problem]]:
    """The commits or compactions in these files, and the files that are damaged."""
    records, problems = {}, []
    for path in paths:
        try:
            records[path] = commit_log.read_json(path)
        except FileNotFoundError:  # a compaction has just deleted it
            continue
        except (OSError, UserError) as problem:
            problems.append((path.relative_to(zone.root).as_posix(), str(problem).removeprefix(f"{path} "), None))
    return records, problems


def _chain(commits: dict[Path, Commit], offset: int) -> list[Commit]:
    """The commits that follow each other from an offset on."""
    by_offset, chain = {path.stem: record for path, record in commits.items()}, []
    while record := by_offset.get(f"{offset:020d}"):
        chain.append(record)
        offset = record["next"]
    return chain


def _outside(
    zone: Zone, partition: str, commits: dict[Path, Commit], chain: list[Commit], state: Commit
) -> Iterator[Problem]:
    """Commits behind the end of the log, which no reader sees."""
    end = chain[-1]["next"] if chain else state["upto"].get(partition, 0)
    for path, record in commits.items():
        if record["first"] > end:
            sentence = f"is not read: the log ends at offset {end}; a commit, or a compaction, before it is missing"
            offsets = f"{partition} offsets {record['first']} to {record['next'] - 1}"
            yield path.relative_to(zone.root).as_posix(), sentence, offsets


def _wrong_counts(state: Commit, chains: dict[str, list[Commit]], files: list[zone_files.File]) -> Iterator[Problem]:
    """Whether the counts of commits and compactions are those of the files."""
    counts = commit_log.add_counts(state, [record for chain in chains.values() for record in chain])
    total = {name: sum(partition[name] for partition in counts.values()) for name in COUNTS}
    for name, is_dead in (("n_events", False), ("n_dead", True)):
        rows = sum(file["rows"] for file in files if zone_files.is_dead(file) == is_dead)
        if rows != total[name]:
            yield "compacted, log", f"{name} is {total[name]:,}, but the files have {rows:,}", None
    if total["n_messages"] != total["n_events"] + total["n_dead"] + total["n_duplicates"]:
        yield "compacted, log", "n_messages is not n_events + n_dead + n_duplicates", None
