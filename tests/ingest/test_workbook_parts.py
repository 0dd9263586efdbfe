"""A workbook that would fill the memory, or take hours, is refused."""

from __future__ import annotations

import io
import zipfile

import openpyxl
import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import unpacked, workbook_parts, xlsx_reader

SPEC = Table(kind="xlsx", path="*", columns={"user_id": "user"})
SHEET, TEXTS, STYLES = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"
TYPES = "[Content_Types].xml"
TYPE_OF_TEXTS = (
    b'<Override PartName="/xl/sharedStrings.xml" '
    b'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>'
)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>user</t></is></c></row>'


@pytest.fixture
def file(tmp_path):
    """`file(**parts)`: a workbook with other content of some parts."""

    def written(parts: dict[str, str]):
        book, buffer = openpyxl.Workbook(), io.BytesIO()
        book.active.append(["user"])
        book.save(buffer)
        with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(tmp_path / "f", "w", zipfile.ZIP_DEFLATED) as target:
            content = {name: source.read(name) for name in source.namelist()}
            if TEXTS in parts:
                content[TYPES] = content[TYPES].replace(b"</Types>", TYPE_OF_TEXTS + b"</Types>")
            for name, part in (content | parts).items():
                target.writestr(name, part)
        return tmp_path / "f"

    return written


def sheet(rows: str, before: str = "") -> dict[str, str]:
    start = f'<?xml version="1.0"?>{before}<worksheet xmlns="{MAIN}"><sheetData>'
    return {SHEET: f"{start}{HEAD}{rows}</sheetData></worksheet>"}


def read(path, limits: Ingest = xlsx_reader.DEFAULTS) -> list[tuple[str, ...]]:
    assert xlsx_reader.header(path, SPEC, limits)
    return [row for part in xlsx_reader.read(path, SPEC, limits) for row in part.cells.rows()]


def test_a_part_that_grows_beyond_measure_is_refused(file, monkeypatch):
    monkeypatch.setattr(unpacked, "LARGE", 100_000)
    with pytest.raises(UserError, match=r"its file xl/sharedStrings\.xml grows from [\d,]+ to [\d,]+ bytes or more"):
        read(file({TEXTS: f'<sst xmlns="{MAIN}">{"<si/>" * 50_000}</sst>'}))


def test_texts_and_styles_that_are_read_as_a_whole_have_a_size(file, monkeypatch):
    monkeypatch.setattr(workbook_parts, "MAX_TEXTS", 30_000)
    monkeypatch.setattr(workbook_parts, "MAX_PART", 20_000)
    with pytest.raises(UserError, match=r"whose part xl/sharedStrings\.xml has [\d,]+ bytes, unpacked, more than"):
        read(file({TEXTS: f'<sst xmlns="{MAIN}">{"<si/>" * 10_000}</sst>'}))
    with pytest.raises(UserError, match=r"whose part xl/styles\.xml has [\d,]+ bytes, unpacked, more than 20,000"):
        read(file({STYLES: f'<styleSheet xmlns="{MAIN}">{"<x/>" * 10_000}</styleSheet>'}))


@pytest.mark.parametrize(
    "cells",
    [
        '<c r="A2" t="inlineStr"><is><t>' + "a" * 500_000 + "</t></is></c>",
        '<c r="A2" t="' + "a" * 500_000 + '"/>',
        "<c/>" * 1_000_000,
        "<c>" * 600_000 + "</c>" * 600_000,
        "<c/><!-- <row -->" * 250_000,
    ],
    ids=["text", "attribute", "cells", "nested", "comments"],
)
def test_a_row_without_end_is_refused_before_it_is_read(file, cells):
    with pytest.raises(UserError, match=r"f: a cell or a row of the sheet is far longer than Excel writes any"):
        xlsx_reader.header(file(sheet(f'<row r="2">{cells}</row>')), SPEC)


def test_rows_end_in_sheets_with_a_prefix_too(monkeypatch, tmp_path):
    monkeypatch.setattr(workbook_parts, "MAX_ROW", 10_000)
    monkeypatch.setattr(workbook_parts, "BLOCK", 1_000)
    rows = "".join(f'<x:row r="{n}"><x:c/></x:row>' for n in range(2_000))
    workbook_parts.check_rows(tmp_path, io.BytesIO(f'<?xml version="1.0"?><x:worksheet>{rows}'.encode()))


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ('<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">', "&b;"),
        ('<!ENTITY a SYSTEM "file:///etc/hostname">', "&a;"),
    ],
    ids=["repeated", "of another file"],
)
def test_entities_are_refused(file, declared, text):
    cells = f'<row r="2"><c r="A2" t="inlineStr"><is><t>{text}</t></is></c></row>'
    with pytest.raises(UserError, match="f is a damaged workbook"):
        read(file(sheet(cells, f"<!DOCTYPE x [{declared}]>")))


def test_a_cell_in_the_last_column_widens_no_row(file):
    rows = "".join(f'<row r="{n}"><c r="XFD{n}"><v>1</v></c></row>' for n in range(2, 50))
    assert read(file(sheet(rows))) == [(None,)] * 48


def test_a_sheet_of_too_many_cells_is_refused(file, monkeypatch):
    monkeypatch.setattr(xlsx_reader, "MAX_CELLS", 100)
    rows = "".join(f'<row r="{n}"><c r="A{n}"><v>1</v></c></row>' for n in range(2, 200))
    with pytest.raises(UserError, match="f: the sheet has more than 100 cells, or cells far beyond"):
        read(file(sheet(rows)))


def test_a_row_beyond_the_last_one_is_refused(file, monkeypatch):
    monkeypatch.setattr(xlsx_reader, "LAST_ROW", 1_000)
    with pytest.raises(UserError, match="f: the sheet goes beyond row 1,000, where sheets of Excel end"):
        read(file(sheet('<row r="99999999999999"><c r="A99999999999999"><v>1</v></c></row>')))


@pytest.mark.parametrize("row", ['<row r="{}"/>', '<row r="2"><c r="A2"><v>{}</v></c></row>'], ids=["row", "value"])
def test_numbers_of_any_length_end_in_a_sentence(file, row):
    with pytest.raises(UserError) as refused:
        read(file(sheet(row.format("9" * 5_000))))
    assert "f is a damaged workbook" in str(refused.value)
    assert len(str(refused.value)) < 600


def test_too_many_columns_are_refused(file):
    with pytest.raises(UserError, match=r"has 16,384 columns, more than ingest\.max_columns = 16,000"):
        read(file({SHEET: sheet("")[SHEET].replace('"A1"', '"XFD1"')}), Ingest(max_columns=16_000))


@pytest.mark.parametrize(
    "xml",
    [
        b'<c r="A2"><f/>' + b" " * 10**6 + b"</x>",
        b'<c r="A2" ' * 10**5,
        b'<c r="A2"><f' + b" " * 10**6,
        b'<c r="A2"><f>' * 10**5,
        b'<c r="' + b"A" * 10**6,
    ],
    ids=["blanks", "tags", "blank tag", "formulas", "letters"],
)
def test_formulas_are_looked_for_in_linear_time(xml):
    assert xlsx_reader.UNCOMPUTED.search(xml) is None  # minutes, if a part could take back what it has matched
