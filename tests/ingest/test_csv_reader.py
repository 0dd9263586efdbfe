"""CSV as it comes: headers with blank and repeated names, trailing separators, repeated headers, Excel's first line."""

from __future__ import annotations

import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources import reader

NAMES = "id,who,what,at,price"
ROWS = ["e1,u1,a,2024-01-01,2.5", "e2,u2,b,2024-01-02,3"]
COLUMNS = {"event_id": "id", "user_id": "who", "item_id": "what", "timestamp": "at", "price": "price"}
AGAIN = "the header again, as where several files were put together"


def shop(**spec: object) -> Shop:
    events = {"kind": "csv", "path": "*.csv", "columns": COLUMNS, "event_type": "purchase"} | spec
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    return Shop(**keys, horizon_days="auto", relevant_events=["purchase"], tables={"events": events})


@pytest.fixture
def read(tmp_path):
    """`read(*lines, **spec)`: what the reader makes of a file with these lines."""

    def delivered(*lines: str, **spec: object) -> reader.Chunk:
        path = tmp_path / "f.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        if names := reader.header(path, shop(**spec).table("events")):
            reader.check_columns(path, shop(**spec), "events", names)
        return reader.read(path, shop(**spec), "events")

    return delivered


def events(delivered: reader.Chunk) -> list[tuple]:
    return delivered.rows.select("event_id", "user_id", "price").rows()


def reasons(delivered: reader.Chunk) -> dict[int, str]:
    return dict(delivered.rejects.select("source_line", "reason").iter_rows())


def with_end(end: str) -> list[str]:
    return [row + end for row in ROWS]


@pytest.mark.parametrize(
    ("lines", "spec"),
    [
        ([NAMES + ",,", *with_end(",,")], {}),
        ([NAMES + ",,", *with_end(",x,y")], {}),
        ([NAMES + ",,", *ROWS], {}),
        ([NAMES, *with_end(",, ")], {}),
        ([NAMES + ",n,n", *with_end(",1,2")], {}),
        (["," + NAMES, *(f"{n},{row}" for n, row in enumerate(ROWS))], {}),
        (with_end(",1,2"), {"header": [*NAMES.split(","), "", ""]}),
        (with_end(",1,2"), {"header": [*NAMES.split(","), "n", "n"]}),
        ([NAMES.replace("who", " who\u200b"), *ROWS], {}),
        ([NAMES.replace("who", '"\ufeffwho"'), *ROWS], {}),
        ([NAMES, *ROWS], {"columns": COLUMNS | {"user_id": " who "}}),
        ([NAMES + ",who ", *with_end(",x")], {}),
        (["sep=;", NAMES.replace(",", ";"), *(row.replace(",", ";") for row in ROWS)], {}),
        (["\ufeffSEP=,", NAMES, *ROWS], {"separator": ";"}),
    ],
    ids=[
        "blank names",
        "nameless columns with cells",
        "rows without the nameless columns",
        "separators at the end of rows",
        "repeated names",
        "an index without a name",
        "blank names in `header`",
        "repeated names in `header`",
        "white space and zero width",
        "a mark in quotes",
        "white space in the shop file",
        "one name as written",
        "Excel's separator",
        "a mark before Excel's separator",
    ],
)
def test_what_is_not_mapped_does_no_harm(read, lines, spec):
    delivered = read(*lines, **spec)
    assert events(delivered) == [("e1", "u1", 2.5), ("e2", "u2", 3.0)]
    assert delivered.rejects.is_empty()


@pytest.mark.parametrize("spec", [{}, {"header": [*NAMES.split(","), "price"]}])
def test_a_mapped_name_that_is_repeated_is_reported_with_its_columns_and_may_be_chosen(read, spec):
    lines = with_end(",9") if spec else [NAMES + ",price", *with_end(",9")]
    with pytest.raises(UserError, match=r"f.csv .*'price' \(for price\): columns 5, 6 all have this name\. Map one of"):
        read(*lines, **spec)
    chosen = read(*lines, **spec, columns=COLUMNS | {"price": "price (column 6)"})
    assert events(chosen) == [("e1", "u1", 9.0), ("e2", "u2", 9.0)]


def test_cells_beyond_the_header_that_hold_something_and_missing_cells_reject_their_row(read):
    delivered = read(NAMES, ROWS[0] + ",x", "e2,u2,b", ROWS[1])
    assert reasons(delivered) == {2: "6 cells where the header has 5", 3: "3 cells where the header has 5"}
    assert events(delivered) == [("e2", "u2", 3.0)]


@pytest.mark.parametrize("again", [NAMES, NAMES.replace("who", '"who"'), "\ufeff" + NAMES])
def test_a_header_in_the_middle_of_a_file_is_no_record(read, again):
    delivered = read(NAMES, ROWS[0], again, ROWS[1])
    assert reasons(delivered) == {3: AGAIN}
    assert events(delivered) == [("e1", "u1", 2.5), ("e2", "u2", 3.0)]


def test_a_mark_in_the_middle_of_a_file_is_no_part_of_an_id(read):
    assert events(read(ROWS[0], "\ufeff" + ROWS[1], header=NAMES.split(","))) == [("e1", "u1", 2.5), ("e2", "u2", 3.0)]


def test_nul_bytes_reject_their_row(read):
    assert reasons(read(NAMES, ROWS[0].replace("u1", "u1\0\0"), ROWS[1], "\0" * 20)) == {
        2: "a NUL byte",
        4: "1 cells where the header has 5",
    }


ABOVE = ["Sales report, 1 Jan 2025 to 31 Jan 2025", 'Generated by "Ada', "", "a,b,c,d,e"]


def test_lines_above_the_header_are_not_read(read):
    delivered = read(*ABOVE, NAMES, *ROWS, "e3,u3,c,2024-01-03,three", skip_lines=4)
    assert events(delivered) == [("e1", "u1", 2.5), ("e2", "u2", 3.0)]
    assert delivered.rows["source_line"].to_list() == [6, 7]
    assert reasons(delivered) == {8: "price: 'three' is not a number"}


def test_with_a_declared_header_the_skipped_lines_are_above_the_first_record(read):
    delivered = read(*ABOVE, *ROWS, skip_lines=4, header=NAMES.split(","))
    assert delivered.rows["source_line"].to_list() == [5, 6]
    assert delivered.rejects.is_empty()


@pytest.mark.parametrize(("lines", "skip_lines"), [(["sep=;", "Report"], 2), (["Report", "sep=;"], 1)])
def test_the_separator_may_be_stated_first_or_right_above_the_header(read, lines, skip_lines):
    delivered = read(*lines, NAMES.replace(",", ";"), ROWS[0].replace(",", ";"), skip_lines=skip_lines)
    assert (events(delivered), delivered.rows["source_line"].to_list()) == ([("e1", "u1", 2.5)], [4])


def test_blank_lines_below_the_skipped_ones_are_no_header(read):
    assert read("Report", "", "", NAMES, *ROWS, skip_lines=1).rows["source_line"].to_list() == [5, 6]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Report", "x"], "f.csv has 2 lines, but the table's `skip_lines` is 3: all of them would be skipped"),
        (["Report"], "f.csv has 1 line, but the table's `skip_lines` is 3"),
    ],
)
def test_a_file_that_ends_above_its_header_is_refused(read, lines, message):
    with pytest.raises(UserError) as refused:
        read(*lines, skip_lines=3)
    assert message in str(refused.value)


@pytest.mark.parametrize("lines", [[], ["", ""], ["Report", "x", "y"]])
def test_a_file_without_lines_below_the_skipped_ones_has_no_rows(read, lines):
    assert read(*lines, skip_lines=3).rows.is_empty()


def test_many_lines_may_be_skipped(read, monkeypatch):
    monkeypatch.setattr("recomart_lib.ingest.sources.csv_reader.BLOCK", 100)
    delivered = read(*["x" * 50] * 3_000, NAMES, *ROWS, skip_lines=3_000)
    assert delivered.rows["source_line"].to_list() == [3_002, 3_003]
