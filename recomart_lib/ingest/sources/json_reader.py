"""Read JSON: JSON Lines in blocks of bounded size, or an array of objects, which is held in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources import nested, objects
from recomart_lib.ingest.sources.records import Records, open_text, printable, undecodable

BLOCK = 8_000_000  # characters of JSON Lines per block
OBJECTS = 50_000  # objects of a JSON array per block
MAX_SHOWN = 200  # characters of unexpected content in a message

Parsed = tuple[int, dict | None, str, str | None]  # line (array: record number), object, raw text, problem


def header(path: Path, spec: Table) -> list[str]:
    """The keys of a file's objects, and paths inside; empty if they are not all known.

    Later blocks may add keys, and keys that are null everywhere may be those of objects.
    """
    blocks = list(islice(read(path, spec), 2))
    if len(blocks) != 1:
        return []
    filled = {path for row in blocks[0].objects for path, value in objects.paths(row) if value is not None}
    names = nested.names(blocks[0], sample=None)
    return names if filled.issuperset(names) else []


def read(path: Path, spec: Table) -> Iterator[Records]:
    """The records of a file; each block has the keys of its own objects."""
    for parsed in (_array if spec.kind == "json" else _lines)(path, spec):
        yield _records(parsed)


def _lines(path: Path, spec: Table) -> Iterator[list[Parsed]]:
    n_before = 0
    # only a newline ends a line: an object may contain a carriage return
    with open_text(path, spec.encoding, newline="\n") as text:
        while block := text.readlines(BLOCK):
            # each of several files in one has its own byte order mark
            numbered = enumerate((line.removesuffix("\n").lstrip("\ufeff") for line in block), start=n_before + 1)
            yield [_line(number, line, spec) for number, line in numbered if line.strip()]
            n_before += len(block)


def _line(number: int, line: str, spec: Table) -> Parsed:
    try:
        row = objects.loads(line, spec.decimal)
    except (ValueError, RecursionError) as problem:
        # the first line of an array, or of one object over several lines
        advice = ". Does the file hold one array? Then set kind: json" if line.strip() in ("[", "{", "[{") else ""
        return number, None, line, f"not valid JSON: {problem}{advice}"
    return number, row, line, _problem(row, line, spec.encoding)


def _array(path: Path, spec: Table) -> Iterator[Iterable[Parsed]]:
    with open_text(path, spec.encoding, newline="") as stream:
        text = stream.read()
    if not text.strip():
        return
    try:
        content = objects.loads(text, spec.decimal)
    except ValueError as problem:
        advice = ". One object per line is kind: jsonl" if "Extra data" in str(problem) else ""
        raise UserError(f"{path} is not valid JSON: {problem}{advice}") from None
    if not isinstance(content, list):
        found = f"one object ({', '.join(content)})" if isinstance(content, dict) else repr(content)
        raise UserError(f"{path}: expected a JSON array of objects, found {found[:MAX_SHOWN]}")
    is_damaged = undecodable(text)
    for first in range(0, len(content), OBJECTS):
        numbered = enumerate(content[first : first + OBJECTS], start=first + 1)
        yield (_element(number, row, is_damaged, spec.encoding) for number, row in numbered)


def _element(number: int, row: object, is_damaged: bool, encoding: str) -> Parsed:
    raw = json.dumps(row, ensure_ascii=False) if is_damaged or not isinstance(row, dict) else ""
    return number, row, raw, _problem(row, raw, encoding)


def _problem(row: object, raw: str, encoding: str) -> str | None:
    if isinstance(row, list):
        return "not a JSON object, but a list. Is the file one array? Then set kind: json"
    if not isinstance(row, dict):
        return "not a JSON object"
    return f"bytes that are not {encoding}" if undecodable(raw) else None


def _records(parsed: Iterable[Parsed]) -> Records:
    lines, rows, rejects = [], [], []
    for number, row, raw, problem in parsed:
        if problem:
            rejects.append((number, printable(raw), problem))
        else:
            lines.append(number)
            rows.append(row)
    names = dict.fromkeys(printable(name) for row in rows for name in row)
    cells = pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    return Records(cells, pl.Series(lines, dtype=pl.Int64), rejects, rows)
