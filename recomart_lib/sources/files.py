"""Read one delivered file: CSV, JSON, JSON Lines or Parquet, plain or gzipped.

Every record ends in exactly one of two tables: `rows` (renamed and typed, see `schemas`) or `rejects` (what could not
be read, with its line and the reason). Nothing is guessed and nothing is dropped.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from recomart_lib.config import suggestion
from recomart_lib.errors import UserError
from recomart_lib.schemas import PROVENANCE, REJECTS, TABLES
from recomart_lib.shops import Shop, Table

ID_COLUMNS = ("user_id", "item_id", "event_id", "order_id")
ISO_WITH_ZONE = "%+"
ISO_LOCAL = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}  # microseconds per unit
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)  # what Python can tell in any zone
DECIMAL_COMMA = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d*)?$"
UNREADABLE = (OSError, EOFError, zlib.error, UnicodeError, csv.Error, RecursionError, pl.exceptions.PolarsError)


@dataclass(frozen=True)
class Delivered:
    """What one file held: rows delivered = rows + rejects."""

    rows: pl.DataFrame
    rejects: pl.DataFrame


@dataclass(frozen=True)
class Records:
    """A file's records before typing: text cells (Parquet keeps its types) and the lines they came from."""

    cells: pl.DataFrame
    lines: pl.Series
    rejects: list[tuple[int, str, str]]


def read(path: Path, shop: Shop, table: str, name: str | None = None) -> Delivered:
    """Read a delivered file as one of the three tables; `name` stands for the file in `source_file` (None: its own).

    Raises
    ------
    UserError
        If the file cannot be read at all, or lacks a column that the shop file maps.
    """
    spec = shop.table(table)
    records = _records(path, spec)
    mapping = mapped_columns(shop, table)
    if records.cells.width:
        check_columns(path, shop, table, records.cells.columns)
    # a file without a single byte has no header either: no rows, and nothing wrong
    cells = records.cells if records.cells.width else pl.DataFrame(schema=dict.fromkeys(mapping.values(), pl.String))
    try:
        typed, broken = _typed(cells, mapping, shop, spec)
    except pl.exceptions.PolarsError as problem:
        raise UserError(f"{path}: a column that tables.{table} maps has an impossible type: {problem}") from None
    name = name or path.name
    lines = records.lines.cast(pl.Int64)
    rows = typed.with_columns(source_file=pl.lit(name), source_line=lines)
    if table == "events":
        rows = _with_event_columns(rows, spec)
    rejects = _reject_table(name, records, cells, lines, broken)
    return Delivered(_complete(rows.filter(broken.is_null()), table), rejects)


def header(path: Path, spec: Table) -> list[str]:
    """The delivered column names of a file, read without reading the file where that is possible."""
    if spec.header:
        return spec.header
    if spec.kind != "csv":
        return _records(path, spec).cells.columns
    try:
        with _open(path) as stream:
            text = io.TextIOWrapper(stream, encoding=_encoding(spec), errors="surrogateescape", newline="")
            return [_printable(cell) for cell in next(csv.reader(text, delimiter=spec.separator), [])]
    except UNREADABLE as problem:
        raise UserError(f"{path} could not be read as {spec.kind}: {problem}") from None


def mapped_columns(shop: Shop, table: str) -> dict[str, str]:
    """Our column -> the delivered one. Events also carry what derived tables need, as `users.country` and the like."""
    mapping = dict(shop.table(table).columns)
    if table == "events":
        for other in ("users", "items"):
            if shop.table(other).kind == "derived":
                mapping |= {f"{other}.{ours}": theirs for ours, theirs in shop.table(other).columns.items()}
    return mapping


def check_columns(path: Path, shop: Shop, table: str, found: list[str]) -> None:
    """Raise a `UserError` if a mapped column is not in the file."""
    missing = {ours: theirs for ours, theirs in mapped_columns(shop, table).items() if theirs not in found}
    if missing:
        wanted = "; ".join(f"'{theirs}' (for {ours}). {suggestion(theirs, found)}" for ours, theirs in missing.items())
        raise UserError(
            f"{path.name} lacks {len(missing)} column(s) that shops/{shop.name}.yaml maps in tables.{table}: {wanted}"
        )


def _open(path: Path) -> io.BufferedIOBase:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _encoding(spec: Table) -> str:
    """UTF-8 files may start with a byte order mark; it is no part of the first column's name."""
    return "utf-8-sig" if spec.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else spec.encoding


def _records(path: Path, spec: Table) -> Records:
    readers = {"csv": _read_csv, "json": _read_json, "jsonl": _read_jsonl, "parquet": _read_parquet}
    try:
        return readers[spec.kind](path, spec)
    except UNREADABLE as problem:
        raise UserError(f"{path} could not be read as {spec.kind}: {problem}") from None


def _text(path: Path, spec: Table) -> str:
    """The file as text; bytes that do not belong to its encoding become lone surrogates, which `_undecodable` finds."""
    with _open(path) as stream:
        return stream.read().decode(_encoding(spec), errors="surrogateescape")


def _undecodable(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _read_csv(path: Path, spec: Table) -> Records:
    text = _text(path, spec)
    damaged = not text.isascii() and _undecodable(text)
    names, good, lines, rejects = spec.header, [], [], []
    for first_line, cells, problem in _csv_records(text, spec.separator, len(names) if names else None):
        if names is None:
            names = [_printable(cell) for cell in cells]
            continue
        if reason := problem or _csv_problem(cells, names, damaged, spec.encoding):
            rejects.append((first_line, _printable(spec.separator.join(cells)), reason))
        else:
            good.append(cells)
            lines.append(first_line)
    columns = list(zip(*good, strict=True)) if good else [[] for _ in names or []]
    schema = dict.fromkeys(names or [], pl.String)
    if len(schema) < len(names or []):
        raise UserError(f"{path.name} has two columns of the same name: {', '.join(names or [])}")
    data = dict(zip(schema, columns, strict=True))
    return Records(pl.DataFrame(data, schema=schema), pl.Series(lines, dtype=pl.Int64), rejects)


def _csv_records(text: str, separator: str, width: int | None) -> Iterator[tuple[int, list[str], str | None]]:
    """(first line, cells, what is wrong) of each record; a quoted cell may hold line breaks, a blank line is no record.

    A quote that is opened by mistake swallows the lines after it, up to the next quote: if the record does not make
    sense, only its first line is given up, and reading goes on with the second. `width`: cells per record (None: as
    many as the first has).
    """
    lines = list(io.StringIO(text, newline=""))
    first, reader = 0, None
    while True:
        if reader is None:
            start, rest = first, map(lines.__getitem__, range(first, len(lines)))
            reader = csv.reader(rest, delimiter=separator, strict=True)
        problem = None
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            cells, problem = [], f"not a CSV record: {error}"
        last = start + reader.line_num
        width = width or len(cells)
        if last - first > 1 and (problem or len(cells) != width):
            problem = problem or f"{len(cells)} cells over {last - first} lines where the header has {width}"
            last, reader = first + 1, None
        if cells or problem:
            yield first + 1, [lines[first].rstrip("\r\n")] if problem else cells, problem
        first = last


def _csv_problem(cells: list[str], names: list[str], damaged: bool, encoding: str) -> str | None:
    if len(cells) != len(names):
        return f"{len(cells)} cells where the header has {len(names)}"
    if damaged and _undecodable("".join(cells)):
        return f"bytes that are not {encoding}"
    return None


def _read_json(path: Path, spec: Table) -> Records:
    text = _text(path, spec)
    if not text.strip():
        return _from_objects([], [])
    try:
        content = json.loads(text)
    except json.JSONDecodeError as problem:
        raise UserError(f"{path} is not valid JSON: {problem}") from None
    if not isinstance(content, list):
        raise UserError(f"{path}: expected a JSON array of objects, found {type(content).__name__}")
    damaged = not text.isascii() and _undecodable(text)
    rows, rejects = [], []
    for number, row in enumerate(content, start=1):
        written = json.dumps(row, ensure_ascii=False) if damaged or not isinstance(row, dict) else ""
        if reason := _object_problem(row, written, spec.encoding):
            rejects.append((number, _printable(written), reason))
        else:
            rows.append((number, row))
    return _from_objects(rows, rejects)


def _read_jsonl(path: Path, spec: Table) -> Records:
    rows, rejects = [], []
    for number, line in enumerate(_text(path, spec).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as problem:
            rejects.append((number, _printable(line), f"not valid JSON: {problem}"))
            continue
        if reason := _object_problem(row, line, spec.encoding):
            rejects.append((number, _printable(line), reason))
        else:
            rows.append((number, row))
    return _from_objects(rows, rejects)


def _object_problem(row: object, written: str, encoding: str) -> str | None:
    if not isinstance(row, dict):
        return "not a JSON object"
    return f"bytes that are not {encoding}" if not written.isascii() and _undecodable(written) else None


def _from_objects(rows: list[tuple[int, dict]], rejects: list[tuple[int, str, str]]) -> Records:
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    data = {name: [_cell(row.get(name)) for _, row in rows] for name in names}
    cells = pl.DataFrame(list(data.values()), schema=[(_printable(name), pl.String) for name in names], orient="col")
    return Records(cells, pl.Series([number for number, _ in rows], dtype=pl.Int64), rejects)


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else _printable(value)
    return json.dumps(value)


def _read_parquet(path: Path, spec: Table) -> Records:
    with _open(path) as stream:
        cells = pl.read_parquet(io.BytesIO(stream.read()))
    return Records(cells, pl.Series(range(1, cells.height + 1), dtype=pl.Int64), [])


def _typed(cells: pl.DataFrame, mapping: dict[str, str], shop: Shop, spec: Table) -> tuple[pl.DataFrame, pl.Series]:
    """The mapped columns in our types, and per row the first reason why a cell could not be read (null: none)."""
    columns, reasons = [], []
    for ours, theirs in mapping.items():
        delivered = _blank_to_null(pl.col(theirs), cells.schema[theirs])
        parsed = _parse(delivered, cells.schema[theirs], ours, shop, spec)
        columns.append(parsed.alias(ours))
        reason = pl.format(f"{ours}: '{{}}' is not {_expected(ours, spec)}", pl.col(theirs).cast(pl.String))
        reasons.append(pl.when(delivered.is_not_null() & parsed.is_null()).then(reason))
    # one expression for all columns: a shop delivers hundreds of small files, and each evaluation has its price
    typed = cells.select(*columns, pl.coalesce(reasons).alias("reason"))
    return typed.drop("reason"), typed.get_column("reason")


def _dtype(ours: str) -> pl.DataType:
    """The type of one of our columns; `users.country` is a derived table's column in the events."""
    table, _, column = ours.rpartition(".")
    tables = [table] if table else list(TABLES)
    return next(TABLES[name][column] for name in tables if column in TABLES[name])


def _expected(ours: str, spec: Table) -> str:
    dtype = _dtype(ours)
    if dtype.is_temporal():
        return f"a time of the form {spec.timestamp_format or 'ISO 8601'} that exists in the shop's time zone"
    return {pl.Int64: "a whole number", pl.Float64: "a number"}.get(dtype, "text")


def _blank_to_null(cells: pl.Expr, delivered: pl.DataType) -> pl.Expr:
    if delivered != pl.String:
        return cells
    text = cells.str.strip_chars()
    return pl.when(text != "").then(text)


def _parse(cells: pl.Expr, delivered: pl.DataType, ours: str, shop: Shop, spec: Table) -> pl.Expr:
    dtype = _dtype(ours)
    if dtype.is_temporal():
        moments = _moments(cells, delivered, spec.timestamp_format, shop.time_zone)
        moments = pl.when(moments.is_between(EARLIEST, LATEST)).then(moments)
        if dtype != pl.Date:
            return moments
        # a day without a zone exists even where a clock change skips its midnight
        day = _moments(cells, delivered, spec.timestamp_format, "UTC").dt.date()
        return pl.coalesce(moments.dt.convert_time_zone(shop.time_zone).dt.date(), day)
    if dtype.is_numeric():
        return _numbers(cells, delivered, dtype, spec.decimal)
    text = cells.cast(pl.String)
    # spreadsheets and data frames write whole numbers with nulls as 17850.0: the id is 17850
    return text.str.replace(r"^(\d+)\.0$", "$1") if ours in ID_COLUMNS else text


def _numbers(cells: pl.Expr, delivered: pl.DataType, dtype: pl.DataType, decimal: str) -> pl.Expr:
    """Numbers. Infinity, NaN and fractions of a whole are no value; before a decimal comma, points group thousands."""
    if delivered == pl.String and decimal == ",":
        cells = pl.when(cells.str.contains(DECIMAL_COMMA)).then(cells)
        cells = cells.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    number = cells.cast(pl.Float64, strict=False)
    if dtype == pl.Float64:
        return pl.when(number.is_finite()).then(number)
    whole = (number == number.round()) & (number.abs() < 2**53)
    return pl.when(whole).then(number).cast(pl.Int64)


def _moments(cells: pl.Expr, delivered: pl.DataType, form: str | None, zone: str) -> pl.Expr:
    """UTC moments. Of local times that a clock change repeats the first is taken; those that it skips are null."""
    if delivered.is_temporal():
        written_zone = getattr(delivered, "time_zone", None)
        moments = cells.cast(pl.Datetime("us", written_zone))
        return moments.dt.convert_time_zone("UTC") if written_zone else _local_to_utc(moments, zone)
    if form in EPOCHS:
        return _from_epoch(cells, EPOCHS[form])
    text = cells.cast(pl.String)
    if form:
        return _local_to_utc(text.str.to_datetime(form, time_unit="us", strict=False), zone)
    text = text.str.replace(" ", "T", literal=True)
    with_zone = text.str.to_datetime(ISO_WITH_ZONE, time_unit="us", time_zone="UTC", strict=False)
    local = (text.str.to_datetime(form, time_unit="us", strict=False) for form in ISO_LOCAL)
    return pl.coalesce(with_zone, _local_to_utc(pl.coalesce(*local), zone))


def _from_epoch(cells: pl.Expr, microseconds_per_unit: int) -> pl.Expr:
    number = cells.cast(pl.Int64, strict=False)
    # a number that overflows would wrap round to a year that looks possible
    in_range = number.is_between(-(2**62) // microseconds_per_unit, 2**62 // microseconds_per_unit)
    microseconds = pl.when(in_range).then(number) * microseconds_per_unit
    return microseconds.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _local_to_utc(moments: pl.Expr, zone: str) -> pl.Expr:
    there = moments.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return there.dt.convert_time_zone("UTC")


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


def _reject_table(
    file: str, records: Records, cells: pl.DataFrame, lines: pl.Series, broken: pl.Series
) -> pl.DataFrame:
    """The records that could not be split (from reading) and those with a cell that could not be typed."""
    untyped = broken.is_not_null()
    raw = [json.dumps(row, ensure_ascii=False, default=str) for row in cells.filter(untyped).iter_rows(named=True)]
    typed = zip(lines.filter(untyped), raw, broken.drop_nulls(), strict=True)
    rows = [(file, *record) for record in sorted([*records.rejects, *typed])]
    return pl.DataFrame(rows, schema=REJECTS, orient="row")
