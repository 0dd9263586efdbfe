"""What the parts of an Excel workbook may grow to, checked before a library reads them."""

from __future__ import annotations

from pathlib import Path
from typing import IO
from xml.etree.ElementTree import ParseError, fromstring
from zipfile import ZipFile, ZipInfo

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import unpacked

TYPES = "[Content_Types].xml"
MAX_TEXTS = 150_000_000  # bytes of the part with the texts of all cells, which is read as a whole
MAX_PART = 10_000_000  # ... of any other part that is read as a whole: styles, properties, the list of sheets
READ_AS_WHOLE = (TYPES, "xl/styles.xml", "xl/theme/theme1.xml", "docProps/core.xml", "docProps/custom.xml")
MAX_ROW = 4_000_000  # bytes of a row of a sheet
BLOCK = 200_000  # bytes of a sheet that are searched at once: each has a tag, as cells have 32,767 characters at most
PREFIXES = 100  # bytes at the start of a sheet in which its first tag begins


def check(path: Path, archive: ZipFile) -> None:
    """Raise a `UserError` if a part grows as none does, or is too large to be read as a whole."""
    parts = archive.infolist()
    for part in parts:
        unpacked.check_growth(path, part)
        if part.filename in READ_AS_WHOLE or part.filename.endswith(".rels"):
            _check_size(path, part, MAX_PART)
    types = _described(archive, TYPES, "PartName", "ContentType")
    links = [_described(archive, name, "Target", "Type") for name in archive.namelist() if name.endswith(".rels")]
    kinds = {_name(target): kind for link in links for target, kind in link.items()}
    for part in parts:
        kind = types.get(part.filename, "")
        if "sharedStrings" in kind:
            _check_size(path, part, MAX_TEXTS)
        elif ".main+xml" in kind:  # the list of sheets
            _check_size(path, part, MAX_PART)
        elif kinds.get(_name(part.filename), "").endswith("/worksheet"):
            with archive.open(part) as sheet:
                check_rows(path, sheet)


def _check_size(path: Path, part: ZipInfo, limit: int) -> None:
    if part.file_size > limit:
        raise UserError(
            f"{path} is a workbook whose part {part.filename} has {part.file_size:,} bytes, unpacked, more than "
            f"{limit:,}: deliver the table as CSV."
        )


def _name(part: str) -> str:
    return part.rpartition("/")[2]


def _described(archive: ZipFile, part: str, key: str, value: str) -> dict[str, str]:
    """What a list of parts says about each; empty for a workbook that is damaged, which its reader reports."""
    if part not in archive.namelist():
        return {}
    try:
        root = fromstring(archive.read(part))
    except (ParseError, ValueError):  # ValueError: it declares entities
        return {}
    return {element.get(key, "").lstrip("/"): element.get(value, "") for element in root}


def check_rows(path: Path, sheet: IO[bytes]) -> None:
    """Raise a `UserError` if a cell or a tag of a sheet is longer than any, or one row, or what is around the rows.

    They are read as a whole. Sheets with comments are not what programs write: they can hide where a row ends.
    """
    mark, n_since = None, 0
    while block := sheet.read(BLOCK):
        mark = mark or _row_mark(block)
        starts = mark in block and b"<!" not in block
        n_since = len(block) - block.rindex(mark) if starts else n_since + len(block)
        if n_since > MAX_ROW or (b"<" not in block and len(block) == BLOCK):
            raise UserError(
                f"{path}: a cell or a row of the sheet is far longer than Excel writes any, 32,767 characters per cell "
                "at most. Deliver the table as CSV."
            )


def _row_mark(block: bytes) -> bytes:
    """How rows start in a sheet: `<row`, or `<x:row` if its first tag is `<x:worksheet`."""
    prefix = block.partition(b"worksheet")[0].rpartition(b"<")[2]
    return b"<%brow" % (prefix if prefix.endswith(b":") and len(prefix) < PREFIXES else b"")
