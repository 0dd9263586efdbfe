"""Temporary folders beside the results, so that a finished file is moved and not copied."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recomart_lib.core import files, notebook_lock

log = logging.getLogger(__name__)

SCRATCH = ".scratch"


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder in `folder`/.scratch, so on the same disk; it is deleted at the end.

    What killed processes left there is deleted after a day, as younger folders may be in use. Other things in it (like
    .DS_Store of macOS) are deleted then, too; what cannot be deleted stays, as nobody reads it.
    """
    notebook_lock.before_writing(folder)  # a stage that starts deletes what it finds in there
    scratch = folder / SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    for leftover in scratch.iterdir():
        with suppress(FileNotFoundError):  # its process has just finished
            if time.time() - leftover.lstat().st_mtime > files.ABANDONED_S:
                _delete(leftover)
    with tempfile.TemporaryDirectory(dir=scratch) as path:
        yield Path(path)


def _delete(leftover: Path) -> None:
    try:
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()
    except PermissionError as problem:
        log.info("%s stays, though nothing uses it: %s", leftover, problem.strerror)
