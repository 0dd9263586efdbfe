"""The first objects of a JSON file, and objects as a table with a column for each path to a plain value."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import polars as pl

from recomart.draft.layout import Layout
from recomart_lib.ingest.sources import exploded, nested, objects
from recomart_lib.ingest.sources.json_array import JsonArray
from recomart_lib.ingest.sources.records import DEFAULTS, Records, open_text

MAX_BYTES = 8_000_000  # of a file: JSON takes long to read


def records(path: Path, layout: Layout, n: int, max_bytes: int = MAX_BYTES) -> Records | None:
    """The first records of a file of JSON objects; None if it has none."""
    with open_text(path, layout.encoding or "utf-8", "", DEFAULTS) as text:
        if layout.kind == "jsonl":
            return of_lines(text.read(max_bytes), n)
        array = JsonArray(text, path, ".", DEFAULTS.max_line_bytes, layout.records)
        rows = []
        for row in islice(array.elements(), n):
            if isinstance(row, dict):
                rows.append(row)
            if array.place > max_bytes:
                break
    return _of_objects(rows)


def list_of_objects(path: Path, layout: Layout) -> str | None:
    """The path of the first list of objects in a file that is one object."""
    with open_text(path, layout.encoding or "utf-8", "", DEFAULTS) as text:
        return JsonArray(text, path, ".", MAX_BYTES).list_of_objects()


def of_lines(text: str, n: int | None = None) -> Records | None:
    rows = []
    for line in islice(text.split("\n"), n):
        try:
            row = objects.loads(line, ".") if line.strip() else None
        except ValueError:  # the last one may be cut
            continue
        if isinstance(row, dict):
            rows.append(row)
    return _of_objects(rows)


def _of_objects(rows: list[dict]) -> Records | None:
    if not rows:
        return None
    names = dict.fromkeys(key for row in rows for key in row)
    cells = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return Records(cells, pl.int_range(1, len(rows) + 1, eager=True), [], rows)


def flat(records: Records | None, explode: str | None = None) -> pl.DataFrame:
    """Objects as columns, one for each path that leads to plain values; `explode`: a row per entry of that list."""
    if records is None:
        return pl.DataFrame()
    if explode:
        [records] = exploded.rows([records], explode, not records.objects)
    names = [name for name in nested.names(records) if not explode or not name.startswith(f"{explode}.0")]
    parents = {name.rpartition(".")[0] for name in names}
    return nested.unpack(records, [name for name in names if name not in parents]).cells
