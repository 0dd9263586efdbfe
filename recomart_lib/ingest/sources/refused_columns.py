"""Columns most of whose cells are refused, such as columns of objects: the mapping is wrong, not single rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import nested
from recomart_lib.ingest.sources.casting import Refused, Typed
from recomart_lib.ingest.sources.refusals import LIST, OBJECT, Refusal

MAX_FIELDS = 12  # listed in a message
NOTABLE = 0.05  # share of a file's records: fewer are rejected one by one


class RefusedColumns:
    """The refused cells of a file so far, by our column and cause."""

    def __init__(self, path: Path, mapping: dict[str, str]) -> None:
        self._path, self._mapping = path, mapping
        self._filled: Counter[str] = Counter()
        self._n_records = 0
        self._refused: dict[tuple[str, Refusal], Refused] = {}

    def add(self, typed: Typed) -> None:
        """Count the cells of a further chunk."""
        self._filled.update(typed.filled)
        self._n_records += typed.rows.height
        for key, refused in typed.refused.items():
            first = self._refused.setdefault(key, Refused(0, refused.example))
            first.n += refused.n

    def check(self, known: Sequence[str]) -> None:
        """Raise a `UserError` if most of a column's cells are refused for one cause; `known` are `nested.names`."""
        for (ours, refusal), refused in self._refused.items():
            if 2 * refused.n > self._filled[ours] and refused.n > NOTABLE * self._n_records:
                theirs = self._mapping[ours]
                raise UserError(
                    f"{self._path.name}: '{theirs}' (for {ours}) {refusal.column} ({refused.n:,} of "
                    f"{self._filled[ours]:,} cells, such as '{refused.example}'). {_remedy(refusal, theirs, known)}"
                )


def _remedy(refusal: Refusal, theirs: str, known: Sequence[str]) -> str:
    if refusal not in (OBJECT, LIST):
        return refusal.remedy
    fields = nested.fields(known, theirs)
    listed = ", ".join(fields[:MAX_FIELDS]) + (", ..." if len(fields) > MAX_FIELDS else "")
    return f"{refusal.remedy}: {listed}." if fields else f"{refusal.remedy}."
