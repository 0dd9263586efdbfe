"""Parquet keeps types: values of a type that is not the column's, and times that no calendar has."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest
from conftest import utc
from delivered import COLUMNS, deliver, reasons, shop

DAY = 86_400_000_000  # microseconds
NOON = utc(1970, 1, 1, 12)


def delivered_times(folder, times: pl.Series):
    table = pl.DataFrame({"user": "u", "item": "a", "at": times})
    return deliver(folder, table, shop(events={"kind": "parquet"}))


@pytest.mark.parametrize(
    ("number", "dtype", "shown"),
    [
        (-719_163 * DAY, pl.Datetime("us"), "-62135683200000000 us since 1970"),
        (2**60, pl.Datetime("us", "UTC"), "1152921504606846976 us since 1970"),
        (2**60, pl.Datetime("ms"), "1152921504606846976 ms since 1970"),
        (-719_162 * DAY, pl.Datetime("us", "America/New_York"), "-62135596800000000 us since 1970"),
    ],
)
def test_a_time_that_no_calendar_has_rejects_its_record_only(tmp_path, number, dtype, shown):
    half_a_day = 43_200_000 if dtype.time_unit == "ms" else DAY // 2
    delivered = delivered_times(tmp_path, pl.Series([half_a_day, number, None], dtype=pl.Int64).cast(dtype))
    assert reasons(delivered) == {2: f"timestamp: '{shown}' is not a time of the form ISO 8601"}
    assert delivered.rows["timestamp"].to_list() == [NOON, None]


def test_a_day_that_no_calendar_has_rejects_its_record_only(tmp_path):
    delivered = delivered_times(tmp_path, pl.Series([0, 2**30], dtype=pl.Int32).cast(pl.Date))
    assert reasons(delivered) == {2: "timestamp: '1073741824 days since 1970' is not a time of the form ISO 8601"}
    assert delivered.rows["timestamp"].to_list() == [utc(1970, 1, 1)]


@pytest.mark.parametrize("cell", [date(2025, 5, 1), datetime(2025, 5, 1)])
def test_a_day_is_no_number(tmp_path, cell):
    table = pl.DataFrame({"user": ["u"], "item": ["a"], "at": [datetime(2024, 1, 1)], "price": [cell]})
    columns = COLUMNS | {"price": "price"}
    delivered = deliver(tmp_path, table, shop(events={"kind": "parquet", "columns": columns}))
    assert delivered.rows.is_empty()
    assert reasons(delivered)[1].startswith("price: '2025-05-01")
