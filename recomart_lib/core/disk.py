"""Errors of the disk as one sentence: full, read-only, a missing right, a file where a folder must be, or the reverse.

Libraries report them with errors of many kinds, and mostly without the folder.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

FULL, IN_THE_WAY = "the disk is full", "a file, or a link to nothing, is where a folder must be"
FOLDER_IN_THE_WAY, NO_RIGHT = "a folder is where a file must be", "you have no right to"
# text of an error -> what is the matter; Polars, SQLite, pyarrow and others have errors of their own
ANY_ERROR = {
    r"No space left on device|disk is full|quota exceeded": FULL,
    r"Read-only file system|readonly database": "it is read-only",
    r"File too large": "a file would be larger than the system allows",
}
SYSTEM_ERROR = {
    r"Permission denied|Operation not permitted": NO_RIGHT,
    r"Input/output error": "the disk reports an error",
    r"File exists|Not a directory": IN_THE_WAY,
    r"Is a directory": FOLDER_IN_THE_WAY,
}
SYSTEM_ERRORS = re.compile(r"(OSError|PermissionError|FileExistsError|NotADirectoryError|IsADirectoryError): ")
ABSOLUTE = re.compile(r"(?<![\w.:/])/[^'\"\n:]+")  # a path, but not an address (https://...)


def explained(error: BaseException | str) -> str | None:
    """One sentence on an error of the disk, which names the folder or file; None for any other error.

    Parameters
    ----------
    error
        An exception, or its type and message as a notebook's kernel reports them: `OSError: [Errno 28] ...`.
    """
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    causes = {**ANY_ERROR, **SYSTEM_ERROR} if SYSTEM_ERRORS.match(text) else ANY_ERROR
    cause = next((meaning for pattern, meaning in causes.items() if re.search(pattern, text, re.IGNORECASE)), None)
    if text.startswith("UserError") or not cause:
        return None
    advice = "Free some space" if cause == FULL else "Correct that"
    return f"{_verdict(text, cause)}: {cause}. {advice}, then run the command again."


def _verdict(text: str, cause: str) -> str:
    """What cannot be read or written: the file in the error's text, or a folder of the project."""
    root, named = _root(), [Path(name.strip()) for name in ABSOLUTE.findall(text)]
    if cause == NO_RIGHT and named and os.access(named[0], os.F_OK) and not os.access(named[0], os.R_OK):
        return f"{_name(named[0], root)} cannot be read"
    place = _name(_culprit(named[-1], cause), root) if named else _place(root, cause)
    return f"{place} cannot be written"


def _root() -> Path:
    try:
        return paths.root()
    except UserError:
        return Path.cwd()


def _place(root: Path, cause: str) -> str:
    """The folder of the project to which the cause applies, for an error that names none."""
    folders = _written_folders(root)
    if cause == FULL:
        return _name(min(folders, key=lambda folder: shutil.disk_usage(folder).free), root)
    return next((_name(folder, root) for folder in folders if not os.access(folder, os.W_OK)), "A folder")


def _culprit(path: Path, cause: str) -> Path:
    """What is in the way of a folder or file, or else the folder of the file that could not be written; named last.

    A copy, or a move, names its source first.
    """
    if cause == IN_THE_WAY:
        around = [path, *path.parents]
        return next((part for part in around if (part.is_symlink() or part.exists()) and not part.is_dir()), path)
    return path if _is_folder(path) else path.parent


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except PermissionError:  # a folder above it must not be entered
        return False


def _written_folders(root: Path) -> list[Path]:
    """The project's folders that commands write to, outer ones first, and the system's folder for temporary files."""
    outer = [folder for folder in (root / "data", root / paths.REPORTS, root / paths.LOGS) if folder.is_dir()]
    readable = [folder for folder in outer if os.access(folder, os.R_OK | os.X_OK)]
    inner = [path for folder in readable for path in sorted(folder.iterdir()) if path.is_dir()]
    return [*outer, *inner, Path(tempfile.gettempdir())]


def _name(path: Path, root: Path) -> str:
    """The path from the project's root, if it is in it; a folder ends with a slash."""
    name = path.relative_to(root) if path.is_relative_to(root) and path != root else path
    return f"{name}/" if _is_folder(path) else str(name)
