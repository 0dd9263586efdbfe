"""Files that are complete and durable, or not there; folders may be links, or mounts of their own.

Every file that others read is written here: beside its place, under a name of its own, to the disk, and then renamed.
So neither a killed process, a full disk, a loss of power nor a second writer leaves half a file.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import logging
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recomart_lib.core import notebook_lock, privacy
from recomart_lib.core.errors import UserError

log = logging.getLogger(__name__)

FULL_BYTES = 64 * 1024  # a disk with less free space is full
ABANDONED_S = 24 * 3600  # unfinished files that are older were left by a killed process


@contextmanager
def complete(path: Path, durable: bool = True) -> Iterator[Path]:
    """A path beside `path` to write to; the file takes the place of `path` at the end, unless there was an error.

    So an aborted run or a full disk leaves the old file, and no part of the new one. The name to write to is used by
    no other process; of two writers, the last one wins. A file that exists keeps its mode (see `privacy` for new ones).
    A file that is not `durable` may be lost with the power: for scratch folders, out of which `move` makes it durable.
    """
    notebook_lock.before_writing(path)
    for sentence in privacy.protect():
        log.info("%s", sentence)
    make_folder(path.parent)
    _delete_abandoned(path)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield unfinished
        if durable:
            _sync(unfinished)
        _keep_mode(path, unfinished)
        unfinished.replace(path)
        if durable:
            sync_folder(path.parent)
    except Exception as error:
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(path)  # a write into an open file does not know its name
        if isinstance(error, OSError | UserError) or shutil.disk_usage(path.parent).free >= FULL_BYTES:
            raise
        # libraries say this in words of their own: Polars, of the end of a table, `Invalid thrift: transport error`
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Create a folder and those above it, durably: the name of each is on the disk, too."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        sync_folder(path.parent)


def _keep_mode(old: Path, new: Path) -> None:
    if os.name != "nt" and old.is_file() and not old.is_symlink():
        new.chmod(stat.S_IMODE(old.stat().st_mode) | stat.S_IWUSR)


def _delete_abandoned(path: Path) -> None:
    """Delete what killed processes left of this file a day ago or earlier; younger parts may still be written."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with suppress(FileNotFoundError):  # its process has just finished
            if time.time() - part.stat().st_mtime > ABANDONED_S:
                part.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file (UTF-8), completely or not at all."""
    with complete(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, completely or not at all."""
    with complete(path) as unfinished:
        unfinished.write_bytes(content)


def copy(source: Path, target: Path) -> None:
    """Copy a file, completely or not at all."""
    with complete(target) as unfinished:
        shutil.copyfile(source, unfinished)


def move_folder(source: Path, target: Path) -> None:
    """Give a complete folder, whose files are on the disk, its name: it appears whole; `target` must not exist."""
    notebook_lock.before_writing(target)
    source.rename(target)
    sync_folder(target.parent)


def listed(folder: Path, pattern: str) -> list[Path]:
    """The files in a folder that match a pattern, sorted by path; none if there is no such folder.

    What others leave there does not count: hidden files (`._x.json` of macOS, an editor's swap file), folders and links
    to nothing that are named like a file.
    """
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith(".") and path.is_file())


def move(source: Path, target: Path) -> None:
    """Move a file durably; to another file system by a copy beside the target, so that the target appears at once."""
    notebook_lock.before_writing(target)
    _sync(source)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with complete(target) as unfinished:
            shutil.copyfile(source, unfinished)
        source.unlink()
    else:
        sync_folder(target.parent)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as hexadecimal digits."""
    return digest(path).hexdigest()


def digest(path: Path) -> hashlib._Hash:
    """The running SHA-256 of a file's bytes, to which more can be added."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256")


def _sync(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, too; Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
