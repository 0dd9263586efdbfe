"""ISO 8601 is read whole: moments with an offset, local times without one."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.ingest.sources import iso_8601


def read(text: str) -> datetime | None:
    """The time in a cell: with a zone if it has an offset."""
    absolute, local = iso_8601.times(pl.Series([text])).row(0)
    assert absolute is None or local is None
    return absolute or local


def time(*parts: int) -> datetime:
    return datetime(2025, 1, *parts)


def moment(*parts: int) -> datetime:
    return datetime(2025, 1, *parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-01 05:58:00.120000+00", moment(1, 5, 58, 0, 120_000)),
        ("2025-01-01T05:58Z", moment(1, 5, 58)),
        ("2025-01-01t05:58:00z", moment(1, 5, 58)),
        ("2025-01-01T05:58:00+0530", moment(1, 0, 28)),
        ("2025-01-01T05:58:00 -08:00", moment(1, 13, 58)),
        ("2025-01-01T05:58:00\u221208", moment(1, 13, 58)),
        ("2025-01-01T05:58:00+00:00:30", moment(1, 5, 57, 30)),
        ("2025-01-01T05:58:00+01:00[Europe/Berlin]", moment(1, 4, 58)),
        ("2025-01-01 05:58:00 UTC", moment(1, 5, 58)),
        ("20250101T055800Z", moment(1, 5, 58)),
        ("20250101T0558", time(1, 5, 58)),
        ("2025-01-01T05", time(1, 5)),
        ("2025-01-01 05:58", time(1, 5, 58)),
        ("2025-01-01   05:58:00", time(1, 5, 58)),
        ("2025-01-01", time(1)),
        ("20250101", time(1)),
        ("2025-002", time(2)),
        ("2025-W01-3", time(1)),
        ("2025W013T05:58Z", moment(1, 5, 58)),
        ("2025-01-01T05:58:00,12", time(1, 5, 58, 0, 120_000)),
        ("2025-01-01T05:58:00,12Z", moment(1, 5, 58, 0, 120_000)),
        ("2025-01-01T05:58:00.123456789Z", moment(1, 5, 58, 0, 123_456)),
        ("2025-01-01T24:00:00", time(2)),
        ("20250101T235960Z", moment(2)),
    ],
)
def test_every_form_is_read(text, expected):
    assert read(text) == expected
    assert (read(text).tzinfo is None) == (expected.tzinfo is None)


@pytest.mark.parametrize(
    "text",
    [
        "2025-02-30",
        "2025-366",
        "2025-W53-1",
        "2025-01-01T25:00",
        "20250101T2401",
        "20250101T0560Z",
        "20250101T055861Z",
        "2025-01-01T05:58:00+24:00",
        "2025-01-01T05:58:00 EST",
        "2025-01-01Z",
        "2025-01",
        "2025",
        "202501",
        "1735732680",
        "20250101055800",
        "31.12.2025",
        "now",
    ],
)
def test_anything_else_is_not_guessed(text):
    assert read(text) is None


def test_many_forms_in_one_column():
    cells = pl.Series(["2025-01-01", None, "20250101T0500Z", "x", "2025-01-01T06:00:00"])
    assert iso_8601.times(cells).rows() == [
        (None, time(1)),
        (None, None),
        (moment(1, 5), None),
        (None, None),
        (None, time(1, 6)),
    ]


def test_a_cell_is_read_alike_alone_and_among_others():
    forms = ["2025-01-01T05:58:00Z", "2025-01-01 05:58:00", "2025-01-01", None, "2025W013T05:58Z", "x", "2025-1-1T5:58"]
    cells = pl.Series([*forms, *reversed(forms), *forms[::2]] * 30)  # more than `FEW`, and fewer in the end
    read_alone = {cell: iso_8601.times(pl.Series([cell], dtype=pl.String)).row(0) for cell in forms}
    alone = [read_alone[cell] for cell in cells]
    assert iso_8601.times(cells).rows() == alone
    nothing = iso_8601.times(pl.Series([None, None], dtype=pl.String))
    assert nothing.rows() == [(None, None)] * 2
    assert nothing.schema == iso_8601.times(cells).schema == {"absolute": TIMESTAMP, "local": pl.Datetime("us")}
