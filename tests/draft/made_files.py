"""Write a table as a shop's software does: as CSV of many dialects, JSON, Parquet or a workbook, plain or packed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl


@dataclass(frozen=True)
class Format:
    """How cells and lines are written. `times` and `dates` are formats of Python; `digits`: of a decimal number.

    `split`: a table's file per month (%Y-%m) or day. `mark`: the word of an empty cell. `unit`: a time is a number of
    these since 1970. `above`: lines (rows of a sheet) above the header. `sign`: how a price with the sign of a currency
    is written, like `{} EUR`, in the columns `signed`, in which every `bare`-th price is without it.
    """

    kind: str = "csv"
    separator: str = ","
    encoding: str = "utf-8"
    decimal: str = "."
    thousands: str = ""
    times: str = "%Y-%m-%d %H:%M:%S"
    dates: str = "%Y-%m-%d"
    digits: int = 2
    header: bool = True
    mark: str = ""
    quoted: bool = False
    unit: str | None = None
    newline: str = "\n"
    sheet: str = "Sheet1"
    above: tuple[str, ...] = ()
    sign: str = ""
    signed: tuple[str, ...] = ()
    bare: int = 0


UNITS = {"epoch_s": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000}


def write(table: pl.DataFrame, path: Path, form: Format) -> None:
    """Write one file; `.gz` and `.zip` at the end of its name pack it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = WRITERS[form.kind](table, form)
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    elif path.suffix == ".zip":
        content = _zipped(path.stem, content)
    path.write_bytes(content)


def _zipped(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _csv(table: pl.DataFrame, form: Format) -> bytes:
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if form.quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=form.separator, lineterminator=form.newline, quoting=quoting)
    text.writelines(f"{line}{form.newline}" for line in form.above)
    if form.header:
        writer.writerow(table.columns)
    writer.writerows(zip(*(_cells(column, form) for column in table), strict=True))
    return text.getvalue().encode(form.encoding)


def _cells(column: pl.Series, form: Format) -> Iterator[str]:
    """The cells of one column as text."""
    if column.dtype == pl.Datetime and form.unit:
        column = column.dt.epoch("us") // (1_000_000 // UNITS[form.unit])
    for n, value in enumerate(column.to_list()):
        if value is None:
            yield form.mark
        elif isinstance(value, float):
            number = f"{abs(value):,.{form.digits}f}".translate(str.maketrans({",": form.thousands, ".": form.decimal}))
            has_sign = column.name in form.signed and not (form.bare and n % form.bare == 0)
            yield ("-" if value < 0 else "") + (form.sign.format(number) if has_sign else number)
        elif column.dtype == pl.Datetime:
            yield value.strftime(form.times)
        elif column.dtype == pl.Date:
            yield value.strftime(form.dates)
        else:
            yield str(value)


def _plain(value: Any, form: Format) -> Any:
    """A value as JSON has it."""
    if hasattr(value, "hour"):
        return int(value.timestamp() * UNITS[form.unit]) if form.unit else value.strftime(form.times)
    return value.strftime(form.dates) if hasattr(value, "strftime") else value


def _records(table: pl.DataFrame, form: Format) -> Iterator[dict[str, Any]]:
    """The rows as objects: a column named a.b is the field b of the object a; absent fields are left out."""
    for row in table.with_columns(pl.selectors.datetime().dt.replace_time_zone("UTC")).iter_rows(named=True):
        record: dict[str, Any] = {}
        for name, value in row.items():
            *outer, last = name.split(".")
            place = record
            for part in outer:
                place = place.setdefault(part, {})
            if value is not None:
                place[last] = _plain(value, form)
        yield record


def _jsonl(table: pl.DataFrame, form: Format) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in _records(table, form)).encode()


def _json(table: pl.DataFrame, form: Format) -> bytes:
    return json.dumps(list(_records(table, form)), ensure_ascii=False, indent=1).encode()


def _parquet(table: pl.DataFrame, form: Format) -> bytes:
    if form.unit:
        table = table.with_columns(pl.selectors.datetime().dt.epoch(form.unit.removeprefix("epoch_")))
    content = io.BytesIO()
    table.write_parquet(content)
    return content.getvalue()


def _xlsx(table: pl.DataFrame, form: Format) -> bytes:
    written = [pl.Series(name, list(_cells(table[name], form)), dtype=pl.String) for name in form.signed]
    return workbook({form.sheet: table.with_columns(written)}, form)


def workbook(sheets: dict[str, pl.DataFrame], form: Format | None = None) -> bytes:
    """An Excel workbook of these sheets; each has the lines above the header, cut at the separator."""
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    for name, table in sheets.items():
        sheet = book.create_sheet(name)
        for line in form.above if form else ():
            sheet.append(line.split(form.separator) if line else [])
        sheet.append(table.columns)
        for row in table.iter_rows():
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


WRITERS = {"csv": _csv, "jsonl": _jsonl, "json": _json, "parquet": _parquet, "xlsx": _xlsx}
