"""What a killed stage has left half done: deleted by the next one, as DVC would take it for a part of the results."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from recomart_lib.core import paths
from recomart_lib.core.scratch import SCRATCH

PART = re.compile(r"\..+\.[0-9a-f]{32}\.part")  # as `recomart_lib.core.files.complete` names unfinished files
# written without the project's lock: by shops, downloads, stream consumers, and exports of quarantined rows
FOREIGN = (paths.SOURCE, paths.STREAMING, paths.REPAIR)


def remove() -> None:
    """Delete unfinished files and scratch folders of the project; the caller holds the lock, so nobody writes them."""
    foreign = [paths.place(folder) for folder in FOREIGN]
    data = paths.place("data")
    folders = [folder for folder in data.glob("*") if folder not in foreign and folder.is_dir()]
    for folder in (data, paths.place(paths.REPORTS), paths.place(paths.RUNS)):
        for leftover in (folder / SCRATCH).glob("*"):
            shutil.rmtree(leftover, ignore_errors=True)
    for folder in [*folders, paths.place(paths.REPORTS)]:
        for path in _parts(folder):
            path.unlink(missing_ok=True)


def _parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*.part") if PART.fullmatch(path.name)]
