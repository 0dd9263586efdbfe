"""What the project writes is for its owner, not for other users of the machine: it holds a shop's customers.

Two measures, at the start of each command and at the first file that a notebook writes: new files get no rights for
others (umask 077: 0600, and 0700 for folders), and the folders with data are closed (0700), also if a clone made them.
Files that exist keep their mode; nobody else reaches them in a closed folder.

A folder with the setgid bit or an access list (ACL) is shared on purpose: it stays as it is. If the project's own
folder is shared, new files keep the rights that the user's umask gives to their group, but others have none (umask
007). Windows has no such rights: nothing is done there.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

CACHE = Path(".dvc/cache")  # DVC's copies of data/ and reports/
STATE = Path(".dvc/site_cache")  # DVC's state, with pickles; `make setup` writes its absolute path into STATE_SETTING
FOLDERS = (Path("data"), paths.REPORTS, paths.LOGS, CACHE, Path(".dvc/tmp"), STATE, Path(".dagster"))
STATE_SETTING = Path(".dvc/config.local")
STATE_KEY = re.compile(r"^\s*site_cache_dir *= *[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
OTHERS, EVERYBODY_ELSE = 0o007, 0o077


_protected: set[Path] = set()  # projects, in this process


def protect() -> list[str]:
    """Close this process's new files and the project's folders to others, once; one sentence for each changed folder.

    Outside a project, there are only new files.
    """
    if os.name == "nt":
        return []
    root = _project()
    if root is None:
        os.umask(os.umask(EVERYBODY_ELSE) | EVERYBODY_ELSE)
        return []
    if root in _protected:
        return []
    _protected.add(root)
    os.umask(os.umask(EVERYBODY_ELSE) | (OTHERS if _is_shared(root) else EVERYBODY_ELSE))
    if (root / CACHE.parent).is_dir() and not (root / CACHE).exists():
        with suppress(OSError):  # another command was first, or nothing can be written here, also not by DVC
            (root / CACHE).mkdir()  # else DVC creates it, after this, open to all
    changed = [sentence for folder in FOLDERS if (root / folder).is_dir() and (sentence := _close(root, folder))]
    return changed + _state_elsewhere(root)


def _state_elsewhere(root: Path) -> list[str]:
    """A sentence if the project was moved or copied: DVC creates the folder at its old place again, open to all."""
    try:
        setting = STATE_KEY.search((root / STATE_SETTING).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []  # there is none
    folder = Path(os.environ.get("DVC_SITE_CACHE_DIR") or (setting[1] if setting else root / STATE))
    # experiments run in copies below the project, whose setting they keep; another folder was chosen by somebody
    if folder.parts[-2:] != STATE.parts or root.is_relative_to(folder.parent.parent.resolve()):
        return []
    return [
        f"DVC keeps its state in {folder}, outside this project, where other users may be able to write to it. "
        "Run in the project's folder: make dvc-state (or see docs/security.md)"
    ]


def _project() -> Path | None:
    """The project's folder; None outside a project, and if RECOMART_ROOT names a folder that does not exist."""
    try:
        return paths.root() if paths.root().is_dir() else None
    except UserError:
        return None


def _close(root: Path, folder: Path) -> str | None:
    """Take the rights of everybody else from a folder of this user; a sentence, if it had some."""
    mode = stat.S_IMODE((root / folder).stat().st_mode)
    if not mode & EVERYBODY_ELSE or _is_shared(root / folder):
        return None
    name = f"{folder.as_posix()}/"
    try:
        (root / folder).chmod(mode & ~EVERYBODY_ELSE)
    except OSError as problem:  # it is another user's, or on a disk without rights: the run continues
        return f"{name} is open to other users of this machine, and cannot be closed: {problem.strerror}."
    return f"{name} was open to other users of this machine and is now closed. To share it with a group: chmod g+s."


def _is_shared(folder: Path) -> bool:
    """Whether somebody shares this folder on purpose: its files belong to its group, or it has an access list."""
    if folder.stat().st_mode & stat.S_ISGID:
        return True
    try:
        return "system.posix_acl_access" in os.listxattr(folder)
    except (AttributeError, OSError):  # macOS has no such call, and some disks no such lists
        return False
