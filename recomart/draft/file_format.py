"""What a file is, by its first bytes: a table of some kind, or no data and why."""

from __future__ import annotations

import re
import zlib
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import polars as pl

from recomart.draft import delimited, encodings, header_lines, json_objects, vocabulary
from recomart.draft.layout import Layout
from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources import formats, nested, parquet_reader, xlsx_reader
from recomart_lib.ingest.sources.headers import unique
from recomart_lib.ingest.sources.records import DEFAULTS

HEAD = 262_144  # bytes
MIN_PRINTABLE = 0.99  # of the characters of a text
BLANKS = "\r\n\t\u00a0\u2007\u2009\u202f"  # the last ones are spaces that do not break a line
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
ENDS = re.compile(r"[\r\n]")
UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    BadZipFile,
    UnicodeError,
    ValueError,
    RecursionError,
    pl.exceptions.PolarsError,
)


def layouts(path: Path) -> list[Layout] | str:
    """The tables in a file (the sheets of a workbook), or why it is no table."""
    try:
        return _layouts(path)
    except UserError as problem:
        return _short(str(problem), path)
    except UNREADABLE as problem:
        return f"it cannot be read: {problem}"[:300]


def _short(problem: str, path: Path) -> str:
    """The message of a reader without the path at its start."""
    return re.sub(r"^(is|has), unpacked, ", "", problem.removeprefix(f"{path} ")).removeprefix("is ").rstrip(".")


def _layouts(path: Path) -> list[Layout] | str:
    with path.open("rb") as stream:
        start = stream.read(4)
    if not start:
        return "it is empty"
    if start.startswith(formats.ZIP) and (sheets := _sheets(path)) is not None:
        return sheets
    with formats.open_data(path) as stream:
        head = stream.read(HEAD)
        stream.seek(0)
        if head.startswith(b"PAR1"):
            names = parquet_reader.header(path, Table(kind="parquet", path="*"), DEFAULTS)
            return [Layout("parquet", names, is_packed=formats.is_packed(path))]
        formats.check_text(path, stream)
    layout = _of_text(path, head)
    return layout if isinstance(layout, str) else [layout]


def _sheets(path: Path) -> list[Layout] | None:
    """The sheets of a workbook that have a table; None for another ZIP archive."""
    import openpyxl  # takes 0.3 s

    try:
        with formats.open_workbook(path) as stream:
            workbook = openpyxl.load_workbook(stream, read_only=True, keep_links=False)
            titles = [sheet.title for sheet in workbook.worksheets]
    except UserError as problem:
        if "no Excel workbook" in str(problem):
            return None
        raise
    sheets = (_sheet(path, title, len(titles) > 1) for title in titles)
    return [layout for layout in sheets if len(layout.names) > 1]


def _sheet(path: Path, title: str, is_one_of_several: bool) -> Layout:
    """How a sheet is written; its header is looked for among its first rows."""
    rows = xlsx_reader.first_rows(path, Table(kind="xlsx", path="*", sheet=title), delimited.N_RECORDS)
    width = min(max((len(cells) for _, cells in rows), default=0), header_lines.MAX_COLUMNS)
    records = [[*cells[:width], *[""] * (width - len(cells))] for _, cells in rows]
    start = header_lines.find(records, vocabulary.is_usual)
    place = start.place if start else 0
    names = unique(rows[place][1]) if rows else []
    n_above = rows[place][0] - 1 if place else 0
    sheet = title if is_one_of_several else None
    return Layout("xlsx", names, sheet=sheet, skip_lines=n_above, is_skip_sure=start is None or start.is_sure)


def _of_text(path: Path, head: bytes) -> Layout | str:
    encoding, marked = (
        encodings.of_text(head),
        next((name for m, name in formats.MARKS.items() if head.startswith(m)), ""),
    )
    wide = "" if marked or b"\0" not in head else _wide(path, head)
    if b"\0" in head and not (marked or wide):
        return "binary, and of no known format"
    used = marked or wide or encoding.name
    text = head.decode(used, "replace")
    if len(head) == HEAD:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    text = text.removeprefix("\ufeff")
    n_odd = sum(not (character.isprintable() or character in BLANKS) for character in text[:20_000])
    if n_odd > (1 - MIN_PRINTABLE) * min(len(text), 20_000) + 1:
        return "binary, and of no known format"
    stored = {"encoding": None if marked or used == "utf-8" else used, "is_packed": formats.is_packed(path)}
    stored["other_encodings"] = [] if marked or wide else encoding.others
    if text.lstrip()[:1] in ("{", "["):
        return _json(path, text, stored)
    if not ENDS.search(text) and len(text) >= HEAD // 4:
        return "one line without end: no table"
    found = delimited.of_text(text, vocabulary.is_usual)
    if isinstance(found, str):
        return found
    form = {"separator": found.separator, "has_header": found.has_header, "is_header_sure": found.is_sure}
    form |= {"skip_lines": found.skip_lines, "is_skip_sure": found.is_skip_sure}
    return Layout("csv", found.names, **form, **stored)


def _wide(path: Path, head: bytes) -> str:
    """The encoding of a text with two or four bytes per character and no byte order mark; empty if it is none."""
    for encoding in WIDE:
        try:
            return formats.codec(path, head, encoding)
        except UserError:
            continue
    return ""


def _json(path: Path, text: str, stored: dict) -> Layout | str:
    """JSON objects, one per line or in an array; their names are the paths of the first objects."""
    start = text.strip()
    first, *others = start.splitlines()
    lines = first.startswith("{") and first.rstrip().endswith("}") and len(first) > 2
    kind = "jsonl" if lines else "json"
    stored["records"] = None
    if start.startswith("{") and not (lines and others):
        stored["records"] = json_objects.list_of_objects(path, Layout("json", [], **stored))
        if not lines and not stored["records"]:
            return "one JSON object, not an array of objects or one object per line"
        kind = "json" if stored["records"] else "jsonl"
    layout = Layout(kind, [], **stored)
    records = json_objects.records(path, layout, 100)
    names = nested.names(records) if records else []
    return replace(layout, names=names) if len(names) > 1 else "JSON, but not objects with several keys"
