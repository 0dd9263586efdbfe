"""The records of a delivered file of any kind, before typing."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import (
    csv_reader,
    exploded,
    header_hints,
    headers,
    json_reader,
    parquet_reader,
    xlsx_reader,
)
from recomart_lib.ingest.sources.records import DEFAULTS, Records

READERS = {"csv": csv_reader, "json": json_reader, "jsonl": json_reader, "rest": json_reader, "parquet": parquet_reader}
READERS |= {"xlsx": xlsx_reader}
HINTS = {"csv": header_hints.hint, "xlsx": xlsx_reader.hint}
KINDS_WITH_HEADER = ("csv", "parquet", "xlsx")
UNREADABLE = (OSError, EOFError, zlib.error, UnicodeError, csv.Error, RecursionError, pl.exceptions.PolarsError)


def header(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> list[str]:
    """The delivered column names of a file; empty if they are known only after reading all of it."""
    with _read_errors(path, spec):
        names = headers.unique(spec.header) if spec.header else READERS[spec.kind].header(path, spec, limits)
        return exploded.names(names, spec.explode) if spec.explode else names


def records(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> Iterator[Records]:
    """The file's records, yielded at least once: an empty file has no rows and is valid.

    Raises
    ------
    UserError
        If the file cannot be read, or exceeds a limit of its size.
    """
    empty = True
    with _read_errors(path, spec):
        parts = READERS[spec.kind].read(path, spec, limits)
        for part in exploded.rows(parts, spec.explode, spec.kind == "parquet") if spec.explode else parts:
            yield part
            empty = False
    if empty:
        yield Records(pl.DataFrame(), pl.Series(dtype=pl.Int64), [])


def hint(path: Path, spec: Table, wanted: list[str], limits: Ingest = DEFAULTS) -> str:
    """What the start of a file says about wanted columns that it lacks, as a sentence; empty if nothing."""
    with _read_errors(path, spec):
        return HINTS[spec.kind](path, spec, wanted, limits) if spec.kind in HINTS else ""


@contextmanager
def _read_errors(path: Path, spec: Table) -> Iterator[None]:
    """Turn every error of reading a file into a `UserError` that names it."""
    try:
        yield
    except UNREADABLE as problem:
        raise UserError(f"{path} could not be read as {spec.kind}: {problem}") from None
