"""Where a file for others may be written."""

from __future__ import annotations

from pathlib import Path

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

FOLDER = Path("exports")  # the place for exports in a project's folder: Git ignores it


def check(out: Path) -> None:
    """Refuse a place where the file would replace one of the project, or where Git would find customers' ids."""
    folder, root = out.parent.resolve(), paths.root()
    if out.is_dir():
        raise UserError(f"{out} is a folder: give the name of a file.")
    if out.exists() and not out.is_file():
        raise UserError(f"{out} is no file: give another name.")
    if folder.is_relative_to(root / FOLDER):
        return
    if folder.is_relative_to(root):
        raise UserError(
            f"{out} is inside the project, where it could replace a file, or get into Git with customers' ids. "
            f"Write it to {FOLDER}/{out.name}, or outside."
        )
    if not folder.is_dir():
        raise UserError(f"The folder {out.parent} does not exist: create it first.")
