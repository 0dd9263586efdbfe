"""Folders of files with known right answers: name -> a function that writes the folder and returns its `Answer`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from draft import (
    folders_cases,
    folders_data,
    folders_exports,
    folders_feeds,
    folders_formats,
    folders_forms,
    folders_joined,
    folders_known,
    folders_languages,
    folders_odd,
    folders_platforms,
)
from draft.answers import Answer

MODULES = (folders_languages, folders_formats, folders_known, folders_odd, folders_forms, folders_data)
MODULES += (folders_joined, folders_exports, folders_platforms, folders_feeds)
MADE = {make.__name__: make for module in MODULES for make in module.FOLDERS}
PUBLIC = {make.__name__: make for make in folders_data.PUBLIC}  # need ../shared/data
CASES = {make.__name__: make for make in folders_cases.folders()}  # none without ../shared/cases


def available() -> dict[str, Callable[[Path], Answer]]:
    """All folders whose data is there."""
    return MADE | (PUBLIC if folders_data.data().is_dir() else {}) | CASES
