"""Records with a list inside, such as orders with their lines: each entry of the list becomes a row of its own.

A row has all that its record has, and the entry in place of the list: `line_items.sku` is a field of the entry, and
`id` that of the order. Rows are numbered through the file. A record without an entry is rejected: nothing gets lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from recomart_lib.ingest.sources import nested, objects
from recomart_lib.ingest.sources.records import Records, printable


def rows(parts: Iterable[Records], path: str) -> Iterator[Records]:
    """The rows of records, part by part; `path` leads to the list."""
    n_before = 0
    for part in parts:
        exploded = _of_objects(part, path, n_before) if part.objects else _of_cells(part, path, n_before)
        n_before += exploded.lines.len() + len(exploded.rejects)
        yield exploded


def names(known: Iterable[str], path: str) -> list[str]:
    """The names of a file's columns and paths, as its rows have them."""
    return list(dict.fromkeys(name.replace(f"{path}.0", path, 1) if _is_inside(name, path) else name for name in known))


def _is_inside(name: str, path: str) -> bool:
    return name == f"{path}.0" or name.startswith(f"{path}.0.")


def _of_objects(part: Records, path: str, n_before: int) -> Records:
    """The rows of JSON objects, and the rejects of the part, in the order of the file."""
    unreadable = [(line, None, reject) for line, *reject in part.rejects]
    found = zip(part.lines, part.objects, [None] * len(part.objects), strict=True)
    lines, entries, rejects = [], [], []
    for number, record, reject in sorted([*unreadable, *found], key=lambda entry: entry[0]):
        values = [] if record is None else _entries(record, path)
        if not values:
            raw, reason = reject or (printable(json.dumps(record, ensure_ascii=False)), _without_entry(path))
            rejects.append((n_before + len(lines) + len(rejects) + 1, raw, f"record {number}: {reason}"))
        for value in values:
            lines.append(n_before + len(lines) + len(rejects) + 1)
            entries.append(objects.with_value(record, path, value))
    return Records(part.cells, pl.Series(lines, dtype=pl.Int64), rejects, entries)


def _entries(record: dict[str, Any], path: str) -> list[Any]:
    value = objects.value_at(record, path)
    return [entry for entry in value if entry is not None] if isinstance(value, list) else []


def _without_entry(path: str) -> str:
    return f"{path} has no entry, so that no row can be made of it"


def _of_cells(part: Records, path: str, n_before: int) -> Records:
    """The rows of records in columns (Parquet)."""
    column = nested.column(part.cells, path)
    if column is None or not isinstance(column.dtype, pl.List):
        return part if not part.lines.len() else _all_rejected(part, path, n_before)
    entries = column.set(column.list.len() == 0, None)  # which explode makes a row of
    cells = part.cells.with_columns(part.lines.alias("\0record"), entries.alias(path)).explode(path)
    cells = cells.with_row_index("\0row", n_before + 1)
    filled, empty = cells.filter(pl.col(path).is_not_null()), cells.filter(pl.col(path).is_null())
    rejects = [_rejected(row, path) for row in empty.iter_rows(named=True)]
    return Records(filled.drop("\0row", "\0record"), filled["\0row"].cast(pl.Int64), rejects)


def _rejected(row: dict[str, Any], path: str) -> tuple[int, str, str]:
    number, record = row.pop("\0row"), row.pop("\0record")
    raw = printable(json.dumps(row, ensure_ascii=False, default=str))
    return number, raw, f"record {record}: {_without_entry(path)}"


def _all_rejected(part: Records, path: str, n_before: int) -> Records:
    cells = part.cells.with_columns(part.lines.alias("\0record")).with_row_index("\0row", n_before + 1)
    rejects = [_rejected(row, path) for row in cells.iter_rows(named=True)]
    return Records(part.cells.clear(), part.lines.clear(), rejects)
