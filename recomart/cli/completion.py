"""What the Tab key offers: names that can be known at once. Where there are none, nothing; never an error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

Offers = Callable[[str], list[str]]


def offered(names: Callable[[], Iterable[str]]) -> Offers:
    """A function for Typer's `autocompletion`: those of the names that begin with what was typed."""

    def offers(incomplete: str) -> list[str]:
        # outside a project, before the first run, in a file half written: a traceback between two keys helps nobody
        with contextlib.suppress(Exception):
            return [name for name in names() if name.startswith(incomplete)]
        return []

    return offers


def _shops() -> list[str]:
    from recomart_lib.core import paths

    return sorted(file.stem for file in paths.place(paths.SHOPS).glob("*.yaml"))


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


shops = offered(_shops)
stages = offered(_stages)
tables = offered(_tables)
features = offered(_features)
services = offered(_services)
faults = offered(_faults)
sections = offered(lambda: ("A", "B", "C"))
schedules = offered(lambda: ("@hourly", "@daily", "@weekly", "@monthly", "off"))
