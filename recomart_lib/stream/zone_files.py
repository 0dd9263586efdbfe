"""The Parquet files of the streaming zone: a file is read only if it is what was committed.

Commits and compactions hold the SHA-256 of each of their files. A process hashes a file once, and again if its size,
time or inode has changed: the first reading costs one more pass over the file.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib.core import files as core_files
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural
from recomart_lib.stream.log_once import log_once

log = logging.getLogger(__name__)

File = dict[str, Any]  # as a commit or a compaction names it: path (below the zone's root), rows, sha256, offsets

ADVICE = (
    "Restore it from a backup; without one, see `Damaged files` in docs/streaming.md. `recomart stream verify` checks "
    "all files."
)
WITHOUT_LETTERS = "Those that are not on the dead-letter topic yet are not sent."
WITHOUT_EVENTS = (
    "The online features go without them, and if one comes again, it is not recognised on arrival (02_validate does)."
)


def write(root: Path, table: pl.DataFrame, path: Path) -> File:
    """Write a table (`commit_log.ROWS` or `DEAD`) durably; returns its path, number of rows, hash and offsets.

    `offsets` are, for each partition, the first and the last offset of its rows.
    """
    with path.open("w+b") as stream:
        table.write_parquet(stream, compression="zstd", compression_level=1)
        stream.flush()
        os.fsync(stream.fileno())
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    ends = table.group_by("topic", "partition").agg(first=pl.col("offset").min(), last=pl.col("offset").max())
    offsets = {f"{topic}-{partition}": [first, last] for topic, partition, first, last in ends.iter_rows()}
    relative = path.relative_to(root).as_posix()
    return {"path": relative, "rows": table.height, "sha256": digest, "offsets": dict(sorted(offsets.items()))}


def scan(root: Path, files: Sequence[File], columns: dict[str, Any]) -> pl.LazyFrame:
    """The rows of files with these columns; an earlier version wrote quantities as whole numbers.

    Raises
    ------
    UserError
        If one of them is missing, or not what was committed.
    """
    for file in files:
        if sentence := problem(root, file):
            raise UserError(f"{root / file['path']} {sentence}. It has {contents(file)}. {ADVICE}")
    casts = pl.ScanCastOptions(integer_cast="allow-float")
    paths = [root / file["path"] for file in files]
    return pl.scan_parquet(paths, schema=columns, cast_options=casts, hive_partitioning=False, glob=False)


def intact(root: Path, files: Iterable[File]) -> list[File]:
    """The files that are what was committed; of each other one, an error is logged once.

    For a consumer: it continues, as new events do not depend on old files, and leaves the damaged file alone.
    """
    kept = []
    for file in files:
        if sentence := problem(root, file):
            without = WITHOUT_LETTERS if is_dead(file) else WITHOUT_EVENTS
            log_once(log.error, f"{root / file['path']} {sentence}. It has {contents(file)}. {without} {ADVICE}")
        else:
            kept.append(file)
    return kept


def problem(root: Path, file: File) -> str | None:
    """What is wrong with a file; None: it is what was committed."""
    path = root / file["path"]
    try:
        status = path.stat()
        digest = _sha256(path, status.st_size, status.st_mtime_ns, status.st_ino)
    except (FileNotFoundError, NotADirectoryError):
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if digest == file["sha256"] else "is damaged: its SHA-256 is not the one that was committed"


@lru_cache(maxsize=100_000)
def _sha256(path: Path, *_: int) -> str:
    return core_files.sha256(path)


def is_dead(file: File) -> bool:
    """Whether a file has dead letters, not events."""
    return file["path"].endswith(".dead.parquet") or file["path"].startswith("dead/")


def contents(file: File) -> str:
    """Which rows a file has: `3 events: t-0 offsets 0 to 4`."""
    path = Path(file["path"])
    rows = plural(file["rows"], "dead letter" if is_dead(file) else "event")
    day = f" of {path.parts[0].removeprefix('date=')}" if path.parts[0].startswith("date=") else ""
    if offsets := file.get("offsets"):
        return f"{rows}{day}: " + ", ".join(f"{name} offsets {low} to {high}" for name, (low, high) in offsets.items())
    if path.parts[0] == "segments":  # of an earlier version: the name begins with the first offset
        return f"{rows}: {path.parts[1]} from offset {int(path.name.split('-')[0])} on"
    return f"{rows}{day}"
