"""The files of a folder, as many as a draft looks at, without what no shop file would read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from recomart_lib.core.errors import UserError
from recomart_lib.core.source_files import LEFTOVER_ENDS, LEFTOVER_STARTS, MAX_PARTS
from recomart_lib.core.text import plural, printable

MAX_FILES = 10_000


class Listing(NamedTuple):
    """The files of a folder, sorted; what is left out, as (name, reason); and whether there are more files."""

    folder: Path
    files: list[Path]
    left_out: list[tuple[str, str]]
    has_more: bool

    def name(self, path: Path) -> str:
        """A file's path in the folder, as text."""
        return printable(os.fsencode(path.relative_to(self.folder).as_posix()).decode("utf-8", "backslashreplace"))


def listed(folder: Path) -> Listing:
    """The files in a folder and the folders in it.

    Raises
    ------
    UserError
        If there is no such folder, or no file in it.
    """
    if not folder.is_dir():
        if folder.exists():
            raise UserError(f"{folder} is a file, not a folder: name the folder that it is in.")
        raise UserError(f"There is no folder {folder}.")
    paths, has_more = _walked(folder)
    listing = Listing(folder, [], [], has_more)
    root = folder.resolve()
    for path in paths:
        if reason := _reason(path, folder, root):
            listing.left_out.append((listing.name(path), reason))
        else:
            listing.files.append(path)
    if not listing.files:
        found = f"only what no shop reads ({listing.left_out[0][0]}: {listing.left_out[0][1]})" if paths else "no file"
        raise UserError(f"{folder} has {found}. Put the shop's exports there: one file of events at least.")
    return listing


def _walked(folder: Path) -> tuple[list[Path], bool]:
    """The first `MAX_FILES` files, by folder and name, and whether there are more."""
    paths: list[Path] = []
    for place, folders, names in os.walk(folder):
        inner = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if len(inner.relative_to(folder).parts) >= MAX_PARTS - 1:
            folders.clear()
        for name in sorted(names):
            if len(paths) == MAX_FILES:
                return paths, True
            if not name.startswith("."):
                paths.append(inner / name)
    return paths, False


def _reason(path: Path, folder: Path, root: Path) -> str | None:
    """Why a file is left out; None for a file that may be data."""
    name = path.relative_to(folder).as_posix()
    try:
        name.encode()
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            return "a link that leads out of the folder"
        if not path.is_file():
            return "a link to nothing, or no file"
        with path.open("rb"):
            pass
    except UnicodeEncodeError:
        return "its name is not in UTF-8: rename it"
    except OSError as problem:
        return f"it cannot be read: {problem.strerror}"
    if path.name.startswith(LEFTOVER_STARTS) or path.name.endswith(LEFTOVER_ENDS):
        return "a lock, a backup or an incomplete download"
    return None


def too_many(listing: Listing) -> str:
    """A sentence about files beyond those that are looked at; empty if there are none."""
    more = f"The folder has more than {plural(MAX_FILES, 'file')}: the draft is made from the first ones."
    return more if listing.has_more else ""
