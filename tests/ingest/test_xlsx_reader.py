"""Sheets of Excel workbooks: each row becomes a typed row, or a rejected row with its number and reason."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import date, datetime

import openpyxl
import pytest
from conftest import utc

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources import reader

NAMES = ["id", "who", "what", "at", "price"]
COLUMNS = {"event_id": "id", "user_id": "who", "item_id": "what", "timestamp": "at", "price": "price"}
NOON = datetime(2024, 1, 1, 12)
ROW = ["e1", "u1", "a", NOON, 2.5]


def shop(**spec: object) -> Shop:
    events = {"kind": "xlsx", "path": "*.xlsx", "columns": COLUMNS, "event_type": "purchase"} | spec
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    return Shop(**keys, horizon_days="auto", relevant_events=["purchase"], tables={"events": events})


def workbook(*rows: list, number_formats: dict[str, str] | None = None, more_sheets: tuple[str, ...] = ()) -> bytes:
    book, buffer = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    for cell, number_format in (number_formats or {}).items():
        book.active[cell].number_format = number_format
    for name in more_sheets:
        book.create_sheet(name).append(["x"])
    book.save(buffer)
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path):
    """`read(content, **spec)`: what the reader makes of a workbook."""

    def delivered(content: bytes, **spec: object) -> reader.Chunk:
        path = tmp_path / "f.xlsx"
        path.write_bytes(content)
        if names := reader.header(path, shop(**spec).table("events")):
            reader.check_columns(path, shop(**spec), "events", names)
        return reader.read(path, shop(**spec), "events")

    return delivered


def reasons(delivered: reader.Chunk) -> dict[int, str]:
    return dict(delivered.rejects.select("source_line", "reason").iter_rows())


def values(delivered: reader.Chunk, column: str) -> list:
    return delivered.rows.get_column(column).to_list()


def test_text_ids_stay_text_numbers_are_whole_and_dates_are_local_times(read):
    delivered = read(workbook(NAMES, ["00123", 17850.0, "a", NOON, 2.5], ["e2", 7, "b", date(2024, 1, 2), 3]))
    assert delivered.rows.select("event_id", "user_id", "timestamp", "price", "source_line").rows() == [
        ("00123", "17850", utc(2024, 1, 1, 12), 2.5, 2),
        ("e2", "7", utc(2024, 1, 2), 3.0, 3),
    ]


def test_numbers_that_excel_pads_with_zeros_keep_them(read):
    delivered = read(workbook(NAMES, [123, 45, "a", NOON, 2.5], number_formats={"A2": "00000"}))
    assert delivered.rows.select("event_id", "user_id").rows() == [("00123", "45")]


def test_numbers_of_more_digits_than_excel_keeps_are_no_ids_but_prices(read):
    delivered = read(workbook(NAMES, [10**15, *ROW[1:]], ["e2", "u1", "a", NOON, 10**15], [10**15 - 1, *ROW[1:]]))
    assert list(reasons(delivered)) == [2]
    assert "lost digits" in reasons(delivered)[2]
    assert values(delivered, "price") == [1e15, 2.5]
    assert values(delivered, "event_id") == ["e2", "999999999999999"]


def test_line_numbers_are_those_of_the_sheet_and_blank_rows_are_no_records(read):
    delivered = read(workbook([], NAMES, [], ROW, [None, " "], ["e2", *ROW[1:]]))
    assert values(delivered, "source_line") == [4, 6]
    assert delivered.rejects.is_empty()


def test_errors_of_mapped_columns_reject_their_row_unless_they_are_declared_nulls(read):
    content = workbook([*NAMES, "note"], [*ROW[:4], "#N/A", ""], ["#REF!", *ROW[1:], ""], [*ROW, "#VALUE!"])
    assert reasons(read(content)) == {2: "column 'price' shows the error #N/A", 3: "column 'id' shows the error #REF!"}
    declared = read(content, nulls=["#N/A"])
    assert values(declared, "price") == [None, 2.5]
    assert list(reasons(declared)) == [3]


def test_formulas_without_a_result_are_reported(read):
    with pytest.raises(UserError, match=r"f.xlsx: column 'price' holds formulas without a result, first in E3\. Open"):
        read(workbook(NAMES, ROW, [*ROW[:4], "=1+1"]))
    assert read(workbook([*NAMES, "note"], [*ROW, "=1+1"])).rows.height == 1, "a column that is not mapped"


def test_texts_and_times_may_be_mixed_and_a_format_is_for_texts(read):
    rows = [NAMES, ROW, [*ROW[:3], "13/02/2024", 1]]
    assert list(reasons(read(workbook(*rows)))) == [3]
    assert list(reasons(read(workbook(*rows), timestamp_format="%d/%m/%Y"))) == [2]
    assert values(read(workbook(NAMES, ROW), timestamp_format="%d/%m/%Y"), "timestamp") == [utc(2024, 1, 1, 12)]


def test_numbers_and_texts_with_a_decimal_comma_may_be_mixed(read):
    delivered = read(workbook(NAMES, ROW, [*ROW[:4], "1.000,5"]), decimal=",")
    assert values(delivered, "price") == [2.5, 1000.5]


def test_one_sheet_of_several_is_named(read):
    content = workbook(NAMES, ROW, more_sheets=("Notes", "Old"))
    with pytest.raises(UserError, match=r"f.xlsx has 3 sheets: 'Sheet', 'Notes', 'Old'\. Say which one in .*`sheet`"):
        read(content)
    with pytest.raises(UserError, match=r"f.xlsx has no sheet Sales; it has 'Sheet', 'Notes', 'Old'"):
        read(content, sheet="Sales")
    assert read(content, sheet="Sheet").rows.height == 1
    with pytest.raises(ValueError, match="`sheet` is for tables of kind xlsx; this one is of kind csv"):
        shop(kind="csv", sheet="Sheet")


@pytest.mark.parametrize(
    ("rows", "spec", "events"),
    [
        ([[*NAMES, None, "n", "n"], [*ROW, 1, 2, 3, "beyond"]], {}, ["e1"]),
        ([NAMES, ROW[:4]], {}, ["e1"]),
        ([[f" {name}\u200b" for name in NAMES], ROW], {}, ["e1"]),
        ([ROW], {"header": NAMES}, ["e1"]),
        ([[*NAMES, "price"], [*ROW, 9]], {"columns": COLUMNS | {"price": "price (column 6)"}}, ["e1"]),
        ([NAMES], {}, []),
        ([], {}, []),
    ],
    ids=["nameless and repeated", "short row", "spaces", "no header", "a repeated name", "header only", "empty"],
)
def test_the_many_ways_to_write_a_sheet(read, rows, spec, events):
    delivered = read(workbook(*rows), **spec)
    assert values(delivered, "event_id") == events
    assert delivered.rejects.is_empty()


def test_a_header_that_is_repeated_is_no_record(read):
    assert reasons(read(workbook(NAMES, ROW, NAMES, ROW))) == {
        3: "the header again, as where several files were put together"
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["Sales report"], [], NAMES, ROW], "Row 3 looks like the header: set the table's `skip_lines: 2`"),
        ([["ID", *NAMES[1:]], ROW], "'id' (for event_id). Did you mean 'ID'?"),
        ([[*NAMES, "price"], ROW], "'price' (for price): columns 5, 6 all have this name"),
    ],
)
def test_columns_that_are_missing_are_explained(read, rows, message):
    with pytest.raises(UserError) as caught:
        read(workbook(*rows))
    assert message in str(caught.value)


def archive(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"id,who\n", "is no Excel workbook, but starts with 'id,who': if this is text, set the table's `kind`"),
        (b"", "is empty, and no Excel workbook: deliver it again"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "is an old Excel workbook (.xls), or one with a password: save it as .xlsx",
        ),
        (workbook(NAMES, ROW)[:900], "is damaged, perhaps cut short"),
        (archive("a.csv"), "is a ZIP archive, but no Excel workbook (.xlsx)"),
        (archive("xl/workbook.xml"), "is a damaged workbook"),
    ],
    ids=["CSV", "empty", "xls", "cut", "ZIP", "damaged"],
)
def test_a_file_that_is_no_workbook_is_one_sentence(read, content, message):
    with pytest.raises(UserError) as caught:
        read(content)
    assert f"f.xlsx {message}" in str(caught.value)


def test_a_gzipped_workbook_is_read(read):
    assert read(gzip.compress(workbook(NAMES, ROW))).rows.height == 1


def test_rows_above_the_header_are_not_read(read):
    above = [["Sales report", "January"], [], [None, None, "=TODAY()"]]
    delivered = read(workbook(*above, NAMES, ROW, ["e2", "u2", "b", NOON, 3]), skip_lines=3)
    assert delivered.rows.select("event_id", "price", "source_line").rows() == [("e1", 2.5, 5), ("e2", 3.0, 6)]
    assert delivered.rejects.is_empty()
    assert read(workbook(*above, ROW), skip_lines=3, header=NAMES).rows["source_line"].to_list() == [4]


def test_a_sheet_that_ends_above_its_header_is_refused(read):
    with pytest.raises(UserError, match="has 2 rows, but the table's `skip_lines` is 4"):
        read(workbook(["Sales report"], ["x"]), skip_lines=4)
    assert read(workbook(), skip_lines=4).rows.is_empty()


def test_prices_with_a_currency_sign_stand_beside_numbers(read):
    delivered = read(workbook(NAMES, [*ROW[:4], "$2.50"], ROW, [*ROW[:4], "€3"]), currency_sign="$")
    assert values(delivered, "price") == [2.5, 2.5]
    assert reasons(delivered) == {4: "price: '€3' has another sign than the table's currency_sign '$': '€'"}
