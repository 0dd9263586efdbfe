"""Read JSON: JSON Lines in blocks of bounded size, or an array of objects, which is held in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources.records import Records, open_text, printable, undecodable

BLOCK = 8_000_000  # characters of JSON Lines per block
OBJECTS = 50_000  # objects of a JSON array per block

Parsed = tuple[int, dict | None, str, str | None]  # line (array: record number), object, raw text, problem


def header(path: Path, spec: Table) -> list[str]:
    """The keys of a file's objects; empty if the file has several blocks, as later ones may add keys."""
    blocks = list(islice(read(path, spec), 2))
    return blocks[0].cells.columns if len(blocks) == 1 else []


def read(path: Path, spec: Table) -> Iterator[Records]:
    """The records of a file; each block has the keys of its own objects."""
    for parsed in (_array if spec.kind == "json" else _lines)(path, spec):
        yield _records(parsed)


def _lines(path: Path, spec: Table) -> Iterator[list[Parsed]]:
    n_before = 0
    # only a newline ends a line: an object may contain a carriage return
    with open_text(path, spec.encoding, newline="\n") as text:
        while block := text.readlines(BLOCK):
            numbered = enumerate((line.removesuffix("\n") for line in block), start=n_before + 1)
            yield [_line(number, line, spec.encoding) for number, line in numbered if line.strip()]
            n_before += len(block)


def _line(number: int, line: str, encoding: str) -> Parsed:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as problem:
        return number, None, line, f"not valid JSON: {problem}"
    return number, row, line, _problem(row, line, encoding)


def _array(path: Path, spec: Table) -> Iterator[Iterable[Parsed]]:
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
    is_damaged = undecodable(text)
    for first in range(0, len(content), OBJECTS):
        numbered = enumerate(content[first : first + OBJECTS], start=first + 1)
        yield (_element(number, row, is_damaged, spec.encoding) for number, row in numbered)


def _element(number: int, row: object, is_damaged: bool, encoding: str) -> Parsed:
    raw = json.dumps(row, ensure_ascii=False) if is_damaged or not isinstance(row, dict) else ""
    return number, row, raw, _problem(row, raw, encoding)


def _problem(row: object, raw: str, encoding: str) -> str | None:
    if not isinstance(row, dict):
        return "not a JSON object"
    return f"bytes that are not {encoding}" if undecodable(raw) else None


def _records(parsed: Iterable[Parsed]) -> Records:
    rows, rejects = [], []
    for number, row, raw, problem in parsed:
        if problem:
            rejects.append((number, printable(raw), problem))
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
