"""Shell completion: the names that the Tab key suggests. Without any, there are no suggestions, and never an error.

This module is separate from options.py because only it imports inside functions: the shell waits for every Tab key, so
each completion imports only what its names need.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

Completer = Callable[[str], list[str]]


def completer(names: Callable[[], Iterable[str]]) -> Completer:
    """A function for Typer's `autocompletion`: the names that start with the typed text."""

    def complete(incomplete: str) -> list[str]:
        # no traceback in the prompt: outside a project, before the first run, with an invalid file
        with contextlib.suppress(Exception):
            return [name for name in names() if name.startswith(incomplete)]
        return []

    return complete


def _shops() -> list[str]:
    from recomart_lib.core import files, paths

    return [file.stem for file in files.listed(paths.place(paths.SHOPS), "*.yaml")]  # importing `shops` takes longer


def _presets() -> list[str]:
    from recomart.project import presets

    return presets.names()


def _exports() -> Iterable[str]:
    from recomart.exports import definitions

    return definitions.EXPORTS


def _stages() -> Iterable[str]:
    from recomart.project import dvc_graph
    from recomart_lib.core import paths

    return dvc_graph.notebooks(dvc_graph.read(paths.root()))


def _tables() -> Iterable[str]:
    from recomart_lib.core.schemas import TABLES

    return TABLES


def _features() -> list[str]:
    from recomart_lib.features import definitions

    return [*dict.fromkeys(d.name for d in definitions.DEFINITIONS), *(d.ref for d in definitions.DEFINITIONS)]


def _services() -> Iterable[str]:
    from recomart_lib.features import definitions

    return definitions.SERVICES


def _faults() -> list[str]:
    from recomart.simulator.api import FAULTS

    return [f"{name}=" for name in FAULTS]


shops = completer(_shops)
presets = completer(_presets)
exports = completer(_exports)
stages = completer(_stages)
tables = completer(_tables)
features = completer(_features)
services = completer(_services)
faults = completer(_faults)
sections = completer(lambda: ("A", "B", "C"))
schedules = completer(lambda: ("@hourly", "@daily", "@weekly", "@monthly", "off"))
