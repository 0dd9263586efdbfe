"""Read one sheet of an Excel workbook (.xlsx) in blocks of rows; line numbers are the numbers of the sheet's rows.

The first row that is not blank, below those that `skip_lines` counts, is the header; blank rows are no records.
Cells are read as Excel stores them, not as it shows them: text stays text ("00123"), numbers that Excel pads with
zeros keep them, and times are local times. Excel stores 15 digits of a number: longer ones are written in scientific
notation, which ids refuse. Formulas count with their stored results.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile, ZipFile

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import formats, headers
from recomart_lib.ingest.sources.header_hints import MAX_SKIPPED, N_LINES, skip_advice
from recomart_lib.ingest.sources.records import DEFAULTS, Records, check_width

if TYPE_CHECKING:
    from openpyxl.cell.read_only import ReadOnlyCell
    from openpyxl.workbook import Workbook

ROWS, CELLS = 50_000, 2_000_000  # per block, at most
LAST_ROW = 1_048_576  # of a sheet
MAX_CELLS = 200_000_000  # of a sheet; a sheet with more is no table that a person made
COST = 10  # reading a cell takes as long as passing over so many that are beyond the header
EXACT = 10**15  # Excel keeps 15 digits of a number
XML_BLOCK, XML_CELL = 10**6, 10**4  # bytes that are searched at once, and of one cell at most
# no part of it takes back what it has matched (*+), so that no text makes it try again and again
UNCOMPUTED = re.compile(
    rb'<c r="([A-Z]++)(\d++)"(?![^<>]*\bt="str")[^<>]*+>\s*+'
    rb"<f(?:[^<>]*+(?<=/)>|[^<>]*+>[^<]*+</f>)\s*+(?:<v\s*+/>|<v>\s*+</v>)?+\s*+</c>"
)
MAX_SHOWN = 200  # characters of a problem in a message
PADDED = re.compile("0{2,}")  # number formats that fill up with zeros
# what openpyxl raises for files that are damaged, or that other programs wrote against the standard
DAMAGED = (BadZipFile, ParseError, KeyError, ValueError, TypeError, AttributeError, IndexError)

Row = tuple[int, list[Any]]  # number in the sheet, values: text, int, float, datetime, ExcelError or None


class ExcelError(str):
    """The value of a cell that shows an error, such as #N/A."""


def header(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> list[str]:
    """The column names of the sheet, each once (see `headers.unique`); empty if it has no row."""
    with _open_sheet(path, spec, limits) as (_, sheet):
        return _header(_FilledRows(path, sheet, spec.skip_lines), path, spec, limits)[1]


def first_rows(path: Path, spec: Table, n: int, limits: Ingest = DEFAULTS) -> list[tuple[int, list[str]]]:
    """The first rows of the sheet that are not blank, whatever `skip_lines` says: numbers, and cells as text."""
    with _open_sheet(path, spec, limits) as (_, sheet):
        return [
            (row, [_text(value, spec) or "" for value in values]) for row, values in islice(_FilledRows(path, sheet), n)
        ]


def hint(path: Path, spec: Table, wanted: list[str], limits: Ingest = DEFAULTS) -> str:
    """Which row looks like the header of a sheet that lacks some of the wanted names, as a sentence."""
    names = set(map(headers.plain, wanted))
    rows = first_rows(path, spec, N_LINES + min(spec.skip_lines, MAX_SKIPPED), limits)
    first = [(number, set(map(headers.plain, cells))) for number, cells in rows]
    number, cells = max(first, key=lambda row: len(names & row[1]), default=(0, set()))
    used = next((cells for number, cells in first if number > spec.skip_lines), set())
    if spec.header or not first or len(names & cells) <= len(names & used):
        return ""
    return skip_advice("Row", number)


def read(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> Iterator[Records]:
    """The records of the sheet; yields at least once if it has a header."""
    with _open_sheet(path, spec, limits) as (stream, sheet):
        rows = _FilledRows(path, sheet, spec.skip_lines)
        cells, names = _header(rows, path, spec, limits)
        mapped = [names.index(name) for name in _mapped(spec, names)]
        _check_formulas(path, stream, sheet, {place + 1: names[place] for place in mapped}, spec.skip_lines)
        is_first, n_rows = True, min(ROWS, max(1, CELLS // max(1, len(names))))
        while (block := list(islice(rows, n_rows))) or (is_first and names):
            yield _records(block, cells, names, mapped, spec)
            is_first = False


def _check_formulas(path: Path, stream: IO[bytes], sheet: Any, mapped: dict[int, str], n_skipped: int) -> None:
    """Raise a `UserError` if a mapped column (its number -> name) holds formulas that no program has computed.

    The first `n_skipped` rows are not read, so that their formulas do not count.

    openpyxl reads such cells as blank. They are looked for in the sheet's XML, as a second reading takes as long as the
    first.
    """
    from openpyxl.utils import column_index_from_string

    with ZipFile(stream).open(sheet._worksheet_path) as xml:
        tail = b""
        while block := xml.read(XML_BLOCK):
            for match in UNCOMPUTED.finditer(tail + block):
                name = mapped.get(column_index_from_string(match[1].decode()))
                if name and int(match[2]) > n_skipped:
                    raise UserError(
                        f"{path}: column '{name}' holds formulas without a result, first in {match[1].decode()}"
                        f"{match[2].decode()}. Open the workbook in Excel and save it: this computes them."
                    )
            tail = (tail + block)[-XML_CELL:]


def _mapped(spec: Table, names: list[str]) -> list[str]:
    """The delivered columns that the table maps, in the words of the sheet."""
    wanted = [name for theirs in spec.columns.values() for name in spec.flags.get(theirs, [theirs])]
    delivered = {ours: theirs for theirs, ours in headers.aliases(names, wanted).items()}
    return [name for name in (delivered.get(name, name) for name in wanted) if name in names]


def _header(rows: _FilledRows, path: Path, spec: Table, limits: Ingest) -> tuple[list[str], list[str]]:
    """The cells of the header as text, and the unique names of the columns; further rows have as many cells."""
    cells = spec.header or [_text(value, spec) or "" for value in next(rows, (0, []))[1]]
    check_width(path, len(cells), limits)
    rows.width = len(cells)
    return cells, headers.unique(cells)


def _records(block: list[Row], cells: list[str], names: list[str], mapped: list[int], spec: Table) -> Records:
    good, rejects = [], []
    for number, values in block:
        # a cell beyond the header belongs to a column without a name
        values = [*values[: len(names)], *[None] * (len(names) - len(values))]
        texts = [_text(value, spec) for value in values]
        if problem := _problem(values, texts, cells, names, mapped, spec):
            rejects.append((number, json.dumps(dict(zip(names, texts, strict=True)), ensure_ascii=False), problem))
        else:
            good.append((number, values, texts))
    columns = [_column(name, place, good) for place, name in enumerate(names)]
    return Records(pl.DataFrame(columns), pl.Series([number for number, *_ in good], dtype=pl.Int64), rejects)


def _problem(
    values: list[Any], texts: list[str | None], cells: list[str], names: list[str], mapped: list[int], spec: Table
) -> str | None:
    """Why a row is rejected: it repeats the header, or a mapped cell shows an error that is no declared null."""
    if [text or "" for text in texts] == cells:
        return "the header again, as where several files were put together"
    for place in mapped:
        if isinstance(values[place], ExcelError) and values[place] not in spec.nulls:
            return f"column '{names[place]}' shows the error {values[place]}"
    return None


def _column(name: str, place: int, good: list[tuple[int, list[Any], list[str | None]]]) -> pl.Series:
    """Times or truth values if all cells of the column are such, else text."""
    values = [values[place] for _, values, _ in good]
    for kind, dtype in ((datetime, pl.Datetime("us")), (bool, pl.Boolean)):
        if any(isinstance(value, kind) for value in values) and all(isinstance(v, kind | None) for v in values):
            return pl.Series(name, values, dtype=dtype)
    return pl.Series(name, [texts[place] for _, _, texts in good], dtype=pl.String)


def _text(value: Any, spec: Table) -> str | None:
    """A cell as text; numbers as the table's other text writes them, with its `decimal` mark."""
    if value is None or isinstance(value, str):
        return None if isinstance(value, ExcelError) else value
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | float):
        if abs(value) >= EXACT:
            return f"{float(value):.16e}".replace(".", spec.decimal)
        return str(int(value)) if float(value).is_integer() else repr(value).replace(".", spec.decimal)
    return value.isoformat() if isinstance(value, date | time) else str(value)


@contextmanager
def _open_sheet(path: Path, spec: Table, limits: Ingest) -> Iterator[tuple[IO[bytes], Any]]:
    """The bytes of the workbook, and the sheet of the table.

    Raises
    ------
    UserError
        If the file is no workbook, is damaged, or has several sheets and the shop file does not say which.
    """
    import openpyxl  # takes 0.3 s: only where workbooks are read

    warnings.filterwarnings("ignore", module="openpyxl")  # about styles and other things that no cell depends on
    with formats.open_workbook(path, limits.max_file_bytes) as stream:
        try:
            workbook = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
        except DAMAGED as problem:
            raise _damaged(path, problem) from None
        yield stream, _sheet(path, workbook, spec)


def _damaged(path: Path, problem: Exception) -> UserError:
    return UserError(
        f"{path} is a damaged workbook ({str(problem)[:MAX_SHOWN]}). Open it in Excel, save it again, or deliver "
        "it as CSV."
    )


def _sheet(path: Path, workbook: Workbook, spec: Table) -> Any:
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    names = ", ".join(f"'{name}'" for name in sheets)
    if spec.sheet is None and len(sheets) > 1:
        raise UserError(f"{path} has {len(sheets)} sheets: {names}. Say which one in the table's `sheet`.")
    sheet = sheets.get(spec.sheet) if spec.sheet is not None else next(iter(sheets.values()), None)
    if sheet is None:
        raise UserError(f"{path} has no sheet {spec.sheet or 'with cells'}; it has {names or 'none'}.")
    sheet.reset_dimensions()  # programs that write workbooks often state them wrongly
    return sheet


class _FilledRows:
    """The rows of a sheet that are not blank, with their first `width` cells (None: with all), below the skipped ones.

    A sheet of a few bytes can claim a cell in its last column, or in a row with a number of twenty digits.
    """

    def __init__(self, path: Path, sheet: Any, n_skipped: int = 0) -> None:
        self._path, self._rows, self.width = path, enumerate(sheet.iter_rows(), start=1), None
        self._cost, self._n_skipped, self._last = 0, n_skipped, 0

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        try:
            for number, row in self._rows:
                if number > LAST_ROW:
                    raise UserError(f"{self._path}: the sheet goes beyond row {LAST_ROW:,}, where sheets of Excel end.")
                values = [_value(cell) for cell in row[: self.width]]
                is_blank = all(value is None for value in values)
                # the last cell of a row is one that the file has
                more = reversed(row[len(values) :]) if is_blank else ()
                self._count(COST * len(values) + len(row))
                if not is_blank or any(_value(cell) is not None for cell in more):
                    self._last = number
                    if number > self._n_skipped:
                        return number, values
        except DAMAGED as problem:
            raise _damaged(self._path, problem) from None
        if 0 < self._last < self._n_skipped:
            raise headers.too_short(self._path, self._last, self._n_skipped, "row")
        raise StopIteration

    def _count(self, cost: int) -> None:
        self._cost += cost
        if self._cost > COST * MAX_CELLS:
            raise UserError(
                f"{self._path}: the sheet has more than {MAX_CELLS:,} cells, or cells far beyond its table: "
                "deliver the table as CSV."
            )


def _value(cell: ReadOnlyCell) -> Any:
    """What a cell holds; blank text is nothing."""
    value = cell.value
    if cell.data_type == "e":
        return ExcelError(value)
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, int) and not isinstance(value, bool) and PADDED.fullmatch(cell.number_format):
        return str(value).zfill(len(cell.number_format))
    return value
