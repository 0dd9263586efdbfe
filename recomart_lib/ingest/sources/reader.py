"""Read one delivered file: CSV, JSON, JSON Lines or Parquet, plain or gzipped, in pieces of bounded size.

Every record ends in exactly one of two tables: `rows` (renamed and typed, see `schemas`) or `rejects` (what could not
be read, with its line and the reason). Nothing is guessed and nothing is dropped. Memory follows the size of a piece
and not of the file; only a JSON array is held in memory whole.
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import PROVENANCE, REJECTS, TABLES
from recomart_lib.core.shops import Shop, Table
from recomart_lib.ingest.sources import csv_reader, json_reader, parquet_reader
from recomart_lib.ingest.sources.casting import Typed, typed
from recomart_lib.ingest.sources.records import Records

READERS = {"csv": csv_reader, "json": json_reader, "jsonl": json_reader, "rest": json_reader, "parquet": parquet_reader}
HAVE_A_HEADER = ("csv", "parquet")
UNREADABLE = (OSError, EOFError, zlib.error, UnicodeError, csv.Error, RecursionError, pl.exceptions.PolarsError)


@dataclass(frozen=True)
class Delivered:
    """What one file, or a piece of it, held: records delivered = rows + rejects.

    `n_ambiguous` counts the rows whose local time occurs twice, because the clocks go back.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    n_ambiguous: int


def chunks(path: Path, shop: Shop, table: str, name: str | None = None) -> Iterator[Delivered]:
    """Read a delivered file as one of the three tables; `name` stands for the file in `source_file` (None: its own).

    There is at least one piece, and all have the same columns. Only after the last one is it known whether objects of
    JSON lack a mapped key.

    Raises
    ------
    UserError
        If the file cannot be read at all, or lacks a column that the shop file maps.
    """
    spec, found, n_records = shop.table(table), {}, 0
    for records in _records(path, spec):
        if spec.kind in HAVE_A_HEADER and records.cells.width:
            check_columns(path, shop, table, records.cells.columns)
        found |= dict.fromkeys(records.cells.columns)
        n_records += records.lines.len()
        yield _delivered(records, path, shop, table, name or path.name)
    if n_records:
        check_columns(path, shop, table, list(found))


def read(path: Path, shop: Shop, table: str, name: str | None = None) -> Delivered:
    """All pieces of a delivered file, see `chunks`."""
    pieces = list(chunks(path, shop, table, name))
    rows, rejects = (pl.concat(tables) for tables in zip(*((p.rows, p.rejects) for p in pieces), strict=True))
    return Delivered(rows, rejects, sum(piece.n_ambiguous for piece in pieces))


def header(path: Path, spec: Table) -> list[str]:
    """The delivered column names of a file; none if they are not known before all of it is read."""
    with _told(path, spec):
        return spec.header or READERS[spec.kind].header(path, spec)


def mapped_columns(shop: Shop, table: str) -> dict[str, str]:
    """Our column -> the delivered one. Events also carry what derived tables need, as `users.country` and the like."""
    mapping = dict(shop.table(table).columns)
    if table == "events":
        for other in ("users", "items"):
            if shop.table(other).kind == "derived":
                mapping |= {f"{other}.{ours}": theirs for ours, theirs in shop.table(other).columns.items()}
    return mapping


def check_columns(path: Path, shop: Shop, table: str, found: list[str]) -> None:
    """Raise a `UserError` if a mapped column is not in the file, or one of those that `flags` makes it of."""
    flags, mapping = shop.table(table).flags, mapped_columns(shop, table)
    wanted = [(ours, one) for ours, theirs in mapping.items() for one in flags.get(theirs, [theirs])]
    missing = [(ours, theirs) for ours, theirs in wanted if theirs not in found]
    if missing:
        told = "; ".join(f"'{theirs}' (for {ours}). {suggestion(theirs, found)}" for ours, theirs in missing)
        raise UserError(
            f"{path.name} lacks {len(missing)} column(s) that shops/{shop.name}.yaml maps in tables.{table}: {told}"
        )


@contextmanager
def _told(path: Path, spec: Table) -> Iterator[None]:
    """A file that cannot be read is one sentence."""
    try:
        yield
    except UNREADABLE as problem:
        raise UserError(f"{path} could not be read as {spec.kind}: {problem}") from None


def _records(path: Path, spec: Table) -> Iterator[Records]:
    """The file's records, at least once: a file without a single byte has no rows, and nothing is wrong with it."""
    empty = True
    with _told(path, spec):
        for records in READERS[spec.kind].read(path, spec):
            yield records
            empty = False
    if empty:
        yield Records(pl.DataFrame(), pl.Series(dtype=pl.Int64), [])


def _delivered(records: Records, path: Path, shop: Shop, table: str, name: str) -> Delivered:
    spec, mapping = shop.table(table), mapped_columns(shop, table)
    cells = _with_absent(_with_flags(records, spec), mapping)
    try:
        found = typed(cells, mapping, spec, shop.time_zone)
    except pl.exceptions.PolarsError as problem:
        raise UserError(f"{path}: a column that tables.{table} maps has an impossible type: {problem}") from None
    words = (pl.col(ours).replace(known) for ours, known in spec.values.items())
    rows = found.rows.with_columns(*words, source_file=pl.lit(name), source_line=records.lines)
    if table == "events":
        rows = _with_event_columns(rows, spec)
    good = found.reasons.is_null()
    n_ambiguous = (good & found.ambiguous).sum()
    return Delivered(_complete(rows.filter(good), table), _reject_table(name, records, cells, found), n_ambiguous)


def _with_flags(records: Records, spec: Table) -> Records:
    """The records with the columns that the shop file makes of several: the name of the first that is 1 or true."""
    cells = records.cells
    for made, names in spec.flags.items():
        there = [name for name in names if name in cells.columns]
        words = (pl.col(name).cast(pl.String).str.strip_chars().str.to_lowercase() for name in there)
        set_here = zip(there, (word.is_in(["1", "true"]) for word in words), strict=True)
        first = pl.coalesce(pl.lit(None, pl.String), *(pl.when(is_set).then(pl.lit(name)) for name, is_set in set_here))
        cells = cells.with_columns(first.alias(made))
    return replace(records, cells=cells)


def _with_absent(records: Records, mapping: dict[str, str]) -> pl.DataFrame:
    """The cells, with the mapped columns that other pieces of the file may have; they are null here."""
    columns = records.cells.get_columns()
    absent = dict.fromkeys(theirs for theirs in mapping.values() if theirs not in records.cells.columns)
    n = records.lines.len()
    return pl.DataFrame([*columns, *(pl.repeat(None, n, dtype=pl.String, eager=True).alias(a) for a in absent)])


def _with_event_columns(rows: pl.DataFrame, spec: Table) -> pl.DataFrame:
    """Fill what the shop file says about event types, and give rows without an id one: file name and line."""
    if spec.event_type:
        rows = rows.with_columns(event_type=pl.lit(spec.event_type, pl.String))
    elif spec.event_values:
        rows = rows.with_columns(pl.col("event_type").replace(spec.event_values))
    if spec.negative_quantity and "quantity" in rows.columns:
        negative = pl.col("quantity") < 0
        kind = pl.when(negative).then(pl.lit(spec.negative_quantity)).otherwise("event_type")
        rows = rows.with_columns(event_type=kind, quantity=pl.col("quantity").abs())
    if "event_id" not in rows.columns:
        rows = rows.with_columns(event_id=pl.format("{}:{}", "source_file", "source_line"))
    return rows


def _complete(rows: pl.DataFrame, table: str) -> pl.DataFrame:
    """All columns of the table, in its order; absent ones are null. What derived tables need stays behind them."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in TABLES[table].items() if name not in rows.columns]
    extra = [name for name in rows.columns if "." in name]
    return rows.with_columns(absent).select(*TABLES[table], *extra, *PROVENANCE)


def _reject_table(file: str, records: Records, cells: pl.DataFrame, found: Typed) -> pl.DataFrame:
    """The records that could not be split (from reading) and those with a cell that could not be typed."""
    broken = found.reasons.is_not_null()
    raw = [json.dumps(row, ensure_ascii=False, default=str) for row in cells.filter(broken).iter_rows(named=True)]
    untyped = zip(records.lines.filter(broken), raw, found.reasons.drop_nulls(), strict=True)
    rows = [(file, *record) for record in sorted([*records.rejects, *untyped])]
    return pl.DataFrame(rows, schema=REJECTS, orient="row")
