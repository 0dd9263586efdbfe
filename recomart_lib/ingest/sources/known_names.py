"""The names and paths that the records of a file have, which are known only after the last of them."""

from __future__ import annotations

from collections.abc import Sequence

from recomart_lib.ingest.sources import nested, objects
from recomart_lib.ingest.sources.nested import Delivered
from recomart_lib.ingest.sources.records import Records


class KnownNames:
    """The names and paths in the records so far; `wanted` are those that the shop file maps."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self._wanted = set(wanted)
        self._names: dict[str, None] = {}
        self._undecided: set[str] = self._wanted
        self.n_records = 0

    def add(self, records: Records, delivered: Delivered) -> None:
        """Add the names of a further chunk; all of them are listed only if it lacks a wanted one.

        A file may have any number of keys: from `objects.MAX_PATHS` on, only wanted ones are added.
        """
        is_listed = delivered.cells.width == len(self._wanted) or len(self._names) > objects.MAX_PATHS
        self._names |= dict.fromkeys([*delivered.cells.columns, *([] if is_listed else nested.names(records))])
        self.n_records += records.lines.len()
        if records.objects:
            self._undecided = self._undecided & delivered.undecided

    def names(self) -> list[str]:
        """The names, and the wanted paths into objects that are null in all records: nobody knows if they exist."""
        return [*self._names, *(self._undecided if self.n_records else ())]
