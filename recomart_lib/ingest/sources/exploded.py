"""Records with a list inside, such as orders with their lines: each entry of the list becomes a row of its own.

A row has all that its record has, and the entry in place of the list: `line_items.sku` is a field of the entry, and
`id` that of the order. A record without an entry is one row in which the fields of entries are null. Rows and
unreadable records are numbered through the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from recomart_lib.ingest.sources import nested, objects
from recomart_lib.ingest.sources.records import Records


def rows(parts: Iterable[Records], path: str, in_columns: bool) -> Iterator[Records]:
    """The rows of records, part by part; `path` leads to the list. `in_columns`: the cells have it (Parquet)."""
    n_before = 0
    for part in parts:
        exploded = (_of_cells if in_columns else _of_objects)(part, path, n_before)
        n_before += exploded.lines.len() + len(exploded.rejects)
        yield exploded


def names(known: Iterable[str], path: str) -> list[str]:
    """The names of a file's columns and paths, as its rows have them."""
    return list(dict.fromkeys(name.replace(f"{path}.0", path, 1) if _is_inside(name, path) else name for name in known))


def _is_inside(name: str, path: str) -> bool:
    return name == f"{path}.0" or name.startswith(f"{path}.0.")


def _of_objects(part: Records, path: str, n_before: int) -> Records:
    """The rows of JSON objects, and the rejects of the part, in the order of the file."""
    records = [(line, row, None) for line, row in zip(part.lines, part.objects, strict=True)]
    records += [(line, None, (raw, reason)) for line, raw, reason in part.rejects]
    lines, entries, rejects = [], [], []
    for number, record, reject in sorted(records, key=lambda record: record[0]):
        place = n_before + len(lines) + len(rejects) + 1
        if reject:
            rejects.append((place, reject[0], f"record {number}: {reject[1]}"))
        else:
            found = _with_entries(record, path)
            lines += range(place, place + len(found))
            entries += found
    return Records(part.cells, pl.Series(lines, dtype=pl.Int64), rejects, entries)


def _with_entries(record: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """The record once for each entry of its list; what is no list is its only entry."""
    value = objects.value_at(record, path)
    if value is objects.ABSENT or value is objects.IN_NULL:
        return [record]
    entries = (value or [None]) if isinstance(value, list) else [value]
    return [objects.with_value(record, path, entry) for entry in entries]


def _of_cells(part: Records, path: str, n_before: int) -> Records:
    """The rows of records in columns (Parquet)."""
    column = nested.column(part.cells, path)
    cells = part.cells if column is None else part.cells.with_columns(column.alias(path))
    if column is not None and isinstance(column.dtype, pl.List):
        cells = cells.with_columns(column.set(column.list.len() == 0, None).alias(path)).explode(path)
    lines = pl.int_range(n_before + 1, n_before + cells.height + 1, dtype=pl.Int64, eager=True)
    return Records(cells, lines, [])
