"""Tables as CSV, JSON lines or Parquet, written piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import polars as pl
import polars.selectors as cs

from recomart_lib.core import files, parquet

FORMATS = ("csv", "jsonl", "parquet")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # without it, Excel does not read UTF-8
# A spreadsheet takes a cell that begins like this for a formula (OWASP, CSV injection).
FORMULA = r"^[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}]"  # the last four: the wide forms of = + - @
ISO_TIME = "%Y-%m-%dT%H:%M:%S%:z"

Pieces = Iterable[pl.DataFrame]  # one at least
Write = Callable[[pl.DataFrame, bool], None]  # of a piece, and whether it is the first


def write_file(pieces: Pieces, file_format: str, path: Path, raw: bool = False) -> tuple[int, int]:
    """Write a file, complete or not at all; return the number of rows and of neutralised cells."""
    if file_format == "parquet":
        with parquet.Writer(path) as writer:
            return _write(pieces, lambda piece, _: writer.add(piece), neutral=False)
    with files.complete(path) as unfinished, unfinished.open("wb") as file:
        return write_stream(pieces, file_format, file, raw)


def write_stream(pieces: Pieces, file_format: str, stream: BinaryIO, raw: bool = False) -> tuple[int, int]:
    """Write CSV or JSON lines into an open file; return the number of rows and of neutralised cells.

    Parameters
    ----------
    raw
        CSV for programs: without the byte order mark, and no cell is neutralised.
    """
    if file_format == "csv":
        if not raw:
            stream.write(BYTE_ORDER_MARK)
        return _write(pieces, partial(_write_csv, stream), neutral=not raw)
    return _write(pieces, partial(_write_lines, stream), neutral=False)


def _write(pieces: Pieces, write: Write, neutral: bool) -> tuple[int, int]:
    n_rows = n_neutral = 0
    for piece in pieces:
        if neutral:
            n_neutral += piece.select(cs.string().str.contains(FORMULA).sum()).sum_horizontal().sum()
            piece = piece.with_columns(_neutral())
        write(piece, n_rows == 0)
        n_rows += piece.height
    return n_rows, n_neutral


def _neutral() -> pl.Expr:
    """Texts with an apostrophe before what a spreadsheet would take for a formula."""
    return pl.when(cs.string().str.contains(FORMULA)).then(pl.lit("'") + cs.string()).otherwise(cs.string()).name.keep()


def _times_as_text(piece: pl.DataFrame) -> pl.DataFrame:
    """Times as ISO 8601 with the zone's offset, to the second."""
    return piece.with_columns(cs.datetime().dt.strftime(ISO_TIME))


def _write_csv(stream: BinaryIO, piece: pl.DataFrame, first: bool) -> None:
    # texts are quoted: where a semicolon separates, a spreadsheet would else begin a new cell at one in a text
    stream.write(_times_as_text(piece).write_csv(include_header=first, quote_style="non_numeric").encode())


def _write_lines(stream: BinaryIO, piece: pl.DataFrame, _: bool) -> None:
    stream.write(_times_as_text(piece).write_ndjson().encode())
