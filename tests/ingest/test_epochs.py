"""Numbers since 1970 become moments exactly, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recomart_lib.ingest.sources import epochs

START = datetime(1970, 1, 1, tzinfo=UTC)
NOON = 1_735_732_680  # 2025-01-01 11:58:00 UTC


def read(cells: pl.Series, time_format: str) -> list[timedelta | None]:
    """The time since 1970."""
    return [None if moment is None else moment - START for moment in epochs.moments(cells.alias("cell"), time_format)]


def micros(number: int) -> timedelta:
    return timedelta(microseconds=number)


@pytest.mark.parametrize(
    ("cell", "time_format", "expected"),
    [
        (f"{NOON}", "epoch_s", NOON * 10**6),
        (f"{NOON}.12", "epoch_s", NOON * 10**6 + 120_000),
        (f"{NOON},1234567", "epoch_s", NOON * 10**6 + 123_456),
        (f"{NOON}.", "epoch_s", NOON * 10**6),
        ("-1.5", "epoch_s", -1_500_000),
        (f"{NOON}123.5", "epoch_ms", NOON * 10**6 + 123_500),
        (f"{NOON}123456", "epoch_us", NOON * 10**6 + 123_456),
        (f"{NOON}123456789", "epoch_ns", NOON * 10**6 + 123_456),
    ],
)
def test_text_is_read_exactly(cell, time_format, expected):
    assert read(pl.Series([cell]), time_format) == [micros(expected)]


@pytest.mark.parametrize(
    "cell", ["1.73573E+12", "1e9", "1,735,732,680", "x", "", "nan", "99999999999999999999", "1 000"]
)
def test_text_that_is_no_exact_number_is_nothing(cell):
    assert read(pl.Series([cell]), "epoch_s") == [None]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (pl.Series([NOON]), NOON * 10**6),
        (pl.Series([NOON], dtype=pl.UInt32), NOON * 10**6),
        (pl.Series([NOON + 0.12]), NOON * 10**6 + 120_000),
        (pl.Series([Decimal("1735732680.120")]), NOON * 10**6 + 120_000),
        (pl.Series([float(NOON)], dtype=pl.Float32), None),
        (pl.Series([float("nan")]), None),
        (pl.Series([float("inf")]), None),
        (pl.Series([2**60]), None),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), None),
    ],
)
def test_numbers_of_parquet_are_read_exactly_or_not_at_all(cells, expected):
    assert read(cells, "epoch_s") == [None if expected is None else micros(expected)]


def test_nanoseconds_in_a_float_have_lost_digits():
    assert read(pl.Series([NOON * 1e9]), "epoch_ns") == [None]


@given(st.integers(-(10**15), 10**16))
def test_all_units_agree(number):
    seconds = f"{'-' if number < 0 else ''}{abs(number) // 10**6}.{abs(number) % 10**6:06}"
    assert (
        read(pl.Series([seconds]), "epoch_s")
        == read(pl.Series([str(number)]), "epoch_us")
        == read(pl.Series([number]), "epoch_us")
        == [micros(number)]
    )
