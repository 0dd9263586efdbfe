"""Read JSON: objects line by line, in blocks of bounded size, or an array of them, which is held in memory whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Table
from recomart_lib.ingest.sources.records import Records, open_text, printable, undecodable

BLOCK = 8_000_000  # characters of JSON Lines that are read at once
OBJECTS = 50_000  # of a JSON array in one piece

Found = tuple[int, dict | None, str, str | None]  # line (array: record), object, what is written there, what is wrong


def header(path: Path, spec: Table) -> list[str]:
    """The keys of a file's objects; none if it goes on after the first piece, where there may be more."""
    pieces = list(islice(read(path, spec), 2))
    return pieces[0].cells.columns if len(pieces) == 1 else []


def read(path: Path, spec: Table) -> Iterator[Records]:
    """The records of a file; each piece has the keys that its objects have."""
    for found in (_array if spec.kind == "json" else _lines)(path, spec):
        yield _records(found)


def _lines(path: Path, spec: Table) -> Iterator[list[Found]]:
    n_before = 0
    # only a newline ends a line: a carriage return may stand in an object
    with open_text(path, spec.encoding, newline="\n") as text:
        while block := text.readlines(BLOCK):
            numbered = enumerate((line.removesuffix("\n") for line in block), start=n_before + 1)
            yield [_line(number, line, spec.encoding) for number, line in numbered if line.strip()]
            n_before += len(block)


def _line(number: int, line: str, encoding: str) -> Found:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as problem:
        return number, None, line, f"not valid JSON: {problem}"
    return number, row, line, _problem(row, line, encoding)


def _array(path: Path, spec: Table) -> Iterator[Iterable[Found]]:
    with open_text(path, spec.encoding, newline="") as stream:
        text = stream.read()
    if not text.strip():
        return
    try:
        content = json.loads(text)
    except ValueError as problem:
        raise UserError(f"{path} is not valid JSON: {problem}") from None
    if not isinstance(content, list):
        raise UserError(f"{path}: expected a JSON array of objects, found {type(content).__name__}")
    damaged = undecodable(text)
    for first in range(0, len(content), OBJECTS):
        numbered = enumerate(content[first : first + OBJECTS], start=first + 1)
        yield (_element(number, row, damaged, spec.encoding) for number, row in numbered)


def _element(number: int, row: object, damaged: bool, encoding: str) -> Found:
    written = json.dumps(row, ensure_ascii=False) if damaged or not isinstance(row, dict) else ""
    return number, row, written, _problem(row, written, encoding)


def _problem(row: object, written: str, encoding: str) -> str | None:
    if not isinstance(row, dict):
        return "not a JSON object"
    return f"bytes that are not {encoding}" if undecodable(written) else None


def _records(found: Iterable[Found]) -> Records:
    rows, rejects = [], []
    for number, row, written, problem in found:
        if problem:
            rejects.append((number, printable(written), problem))
        else:
            rows.append((number, row))
    names = dict.fromkeys(name for _, row in rows for name in row)
    columns = [[_cell(row.get(name)) for _, row in rows] for name in names]
    cells = pl.DataFrame(columns, schema=[(printable(name), pl.String) for name in names], orient="col")
    return Records(cells, pl.Series([number for number, _ in rows], dtype=pl.Int64), rejects)


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else printable(value)
    return json.dumps(value)
