"""The pages about all stages, which are rebuilt together: after a run, and after a stage that failed."""

from __future__ import annotations

from pathlib import Path

from recomart.reports import changes, index, search


def build(root: Path) -> Path:
    """Write reports/changes.html, then the index, which has its summary, then reports/search.html, which reads both.

    Returns
    -------
    Path
        The index.
    """
    page = index.build(root, changes.build(root))
    search.build(root)
    return page
