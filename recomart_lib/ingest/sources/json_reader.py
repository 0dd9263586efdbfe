"""Read JSON, as JSON Lines or as an array of objects, in blocks of bounded size."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import polars as pl

from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import nested, objects
from recomart_lib.ingest.sources.json_array import JsonArray
from recomart_lib.ingest.sources.records import (
    DEFAULTS,
    Records,
    check_width,
    open_lines,
    open_text,
    printable,
    undecodable,
)

BLOCK = 8_000_000  # characters per block
OBJECTS = 50_000  # objects of a JSON array per block

Parsed = tuple[int, dict | None, str, str | None]  # line (array: record number), object, raw text, problem


def header(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> list[str]:
    """The keys of a file's objects, and paths inside; empty if they are not all known.

    Later blocks may add keys, and keys that are null everywhere may be those of objects.
    """
    blocks = list(islice(read(path, spec, limits), 2))
    if len(blocks) != 1:
        return []
    inside = chain.from_iterable(map(objects.paths, blocks[0].objects))
    filled = objects.distinct(path for path, value in inside if value is not None)
    names = nested.names(blocks[0], sample=None)
    return names if filled.keys() >= set(names) else []


def read(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> Iterator[Records]:
    """The records of a file; each block has the keys of its own objects."""
    for parsed in (_array if spec.kind == "json" else _lines)(path, spec, limits):
        yield _records(parsed, path, limits)


def _lines(path: Path, spec: Table, limits: Ingest) -> Iterator[list[Parsed]]:
    n_before = 0
    # only a newline ends a line: an object may contain a carriage return
    with open_lines(path, spec.encoding, "\n", limits) as text:
        while block := text.readlines(BLOCK):
            # each of several files in one has its own byte order mark
            numbered = enumerate((line.removesuffix("\n").lstrip("\ufeff") for line in block), start=n_before + 1)
            yield [_line(number, line, spec) for number, line in numbered if line.strip()]
            n_before += len(block)


def _line(number: int, line: str, spec: Table) -> Parsed:
    try:
        row = objects.loads(line, spec.decimal)
    except ValueError as problem:
        # the first line of an array, or of one object over several lines
        advice = ". Does the file hold one array? Then set kind: json" if line.strip() in ("[", "{", "[{") else ""
        return number, None, line, f"not valid JSON: {problem}{advice}"
    return number, row, line, _problem(row, line, spec.encoding)


def _array(path: Path, spec: Table, limits: Ingest) -> Iterator[list[Parsed]]:
    with open_text(path, spec.encoding, "", limits) as text:
        array = JsonArray(text, path, spec.decimal, limits.max_line_bytes, spec.records)
        block, before = [], 0
        for number, row in enumerate(array.elements(), start=1):
            block.append(_element(number, row, array.is_damaged, spec.encoding))
            if len(block) == OBJECTS or array.place > before + BLOCK:
                yield block
                block, before = [], array.place
        if block:
            yield block


def _element(number: int, row: object, is_damaged: bool, encoding: str) -> Parsed:
    raw = json.dumps(row, ensure_ascii=False) if is_damaged or not isinstance(row, dict) else ""
    return number, row, raw, _problem(row, raw, encoding)


def _problem(row: object, raw: str, encoding: str) -> str | None:
    if isinstance(row, list):
        return "not a JSON object, but a list. Is the file one array? Then set kind: json"
    if not isinstance(row, dict):
        return "not a JSON object"
    return f"bytes that are not {encoding}" if undecodable(raw) else None


def _records(parsed: Iterable[Parsed], path: Path, limits: Ingest) -> Records:
    lines, rows, rejects = [], [], []
    for number, row, raw, problem in parsed:
        if problem:
            rejects.append((number, printable(raw), problem))
        else:
            lines.append(number)
            rows.append(row)
    names = dict.fromkeys(map(printable, dict.fromkeys(chain.from_iterable(rows))))
    check_width(path, len(names), limits)
    cells = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return Records(cells, pl.Series(lines, dtype=pl.Int64), rejects, rows)
