"""Files that are complete or not there; folders may be links, or mounts of their own."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def complete(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; the file takes the place of `path` at the end, unless there was an error.

    So an aborted run or a full disk leaves the old file, and no part of the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8), completely or not at all."""
    with complete(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def move(source: Path, target: Path) -> None:
    """Move a file; to another file system by a copy beside the target, so that the target appears at once."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with complete(target) as unfinished:
            shutil.copyfile(source, unfinished)
        source.unlink()
