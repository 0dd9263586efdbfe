"""Ids are text as the shop means it; what is no id is refused with what it looks like."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest
from delivered import deliver, reasons, shop

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import ids


def read_ids(folder, *written: str, **events: object):
    """A CSV file with these user ids, and enough plain ones that the column as a whole is right."""
    cells = [*written, *(f"u{n}" for n in range(len(written) + 1))]
    events = {"kind": "csv", "separator": ";", **events}
    return deliver(
        folder, "\n".join(["user;item;at", *(f"{cell};a;2024-01-01" for cell in cells)]), shop(events=events)
    )


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("007", "007"),
        ("12345678901234567890", "12345678901234567890"),
        ("17850.0", "17850"),
        ("-1.0", "-1"),
        ("17850.00", "17850.00"),
        ("9007199254740991.0", "9007199254740991"),
        ("1E5", "1E5"),
        ("3E-10", "3E-10"),
        ("{3f2504e0-4f89-11d3-9a0c-0305e82c3301}", "{3f2504e0-4f89-11d3-9a0c-0305e82c3301}"),
        ("[A]", "[A]"),
        ("Nan", "Nan"),
        ("NA", "NA"),
        ("Infinity Ltd", "Infinity Ltd"),
        ("#1", "#1"),
        ("2024-01-05", "2024-01-05"),
        ("A,0", "A,0"),
        ('="00123"', "00123"),
    ],
)
def test_ids_are_kept_as_they_are(tmp_path, written, kept):
    delivered = read_ids(tmp_path, written)
    assert delivered.rows["user_id"][0] == kept
    assert delivered.rejects.is_empty()


@pytest.mark.parametrize("word", ["nan", "NaN", "<NA>", "None", " nan "])
def test_what_data_frames_write_for_a_missing_id_is_null(tmp_path, word):
    assert read_ids(tmp_path, word).rows["user_id"][0] is None


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("1.23457E+12", "is a number that lost digits: export the column as text"),
        ("1E+11", "is a number that lost digits"),
        ("1,23457E+12", "is a number that lost digits"),
        ("1.2345678E7", "is a number that lost digits"),
        ("9007199254740993.0", "is a number that lost digits"),
        ("123456789012345678901.0", "is a number that lost digits"),
        ("inf", "is infinity, not an id"),
        ("-Infinity", "is infinity"),
        ("true", "is not an id"),
        ("FALSE", "is not an id"),
        ('{"id": "C011"}', "is an object or a list written as text"),
        ("{'id': 'C011', 'tier': 'gold'}", "is an object or a list written as text"),
        ("{}", "is an object or a list written as text"),
        ('["C011"]', "is an object or a list written as text"),
        ("[1, 2]", "is an object or a list written as text"),
        ("[object Object]", "is an object or a list written as text"),
        ("#N/A", "is the error of a spreadsheet formula"),
        ("#NAME?", "is the error of a spreadsheet formula"),
        ("########", "is the error of a spreadsheet formula"),
    ],
)
def test_what_is_no_id_is_rejected_with_what_it_looks_like(tmp_path, written, reason):
    text = f'"{written.replace(chr(34), chr(34) * 2)}"'
    delivered = read_ids(tmp_path, text)
    assert reasons(delivered)[2].startswith(f"user_id: '{written}' {reason}")


def test_the_decimal_mark_of_the_shop_ends_whole_numbers(tmp_path):
    assert read_ids(tmp_path, "17850,0", decimal=",").rows["user_id"][0] == "17850"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (pl.Series([1.0, None, 2.5, 2.0**53], dtype=pl.Float64), ["1", None, "2.5", None]),
        (pl.Series([1.0, 2.0**24], dtype=pl.Float32), ["1", None]),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), ["18446744073709551615"]),
        (pl.Series([-(2**63)], dtype=pl.Int64), ["-9223372036854775808"]),
        (pl.Series([Decimal("12345678901234567890.00"), Decimal("5.50")]), ["12345678901234567890", "5.50"]),
    ],
)
def test_numeric_ids_are_exact_or_refused(cells, expected):
    frame = cells.alias("id").to_frame()
    assert frame.select(ids.text(pl.col("id"), cells.dtype, ".")).to_series().to_list() == expected


def test_nan_and_infinity_in_parquet(tmp_path):
    users = [float("nan"), float("inf"), 1.0, 2.0, 3.0]
    table = pl.DataFrame({"user": users, "item": ["a"] * 5, "at": ["2024-01-01"] * 5})
    delivered = deliver(tmp_path, table, shop(events={"kind": "parquet"}))
    assert delivered.rows["user_id"].to_list() == [None, "1", "2", "3"]
    assert reasons(delivered) == {2: "user_id: 'inf' is infinity, not an id"}


def test_a_column_that_a_spreadsheet_wrote_as_numbers_is_one_message(tmp_path):
    text = "user,item,at\n" + "".join(f"{user},a,2024-01-01\n" for user in ("1.2E+12", "1.3E+12", "u1"))
    with pytest.raises(UserError) as caught:
        deliver(tmp_path, text, shop())
    assert str(caught.value) == (
        "f.csv: 'user' (for user_id) holds numbers that lost digits, as Excel and data frames write long ids "
        "(2 of 3 cells, such as '1.2E+12'). Export the column as text."
    )
