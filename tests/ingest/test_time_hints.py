"""A cell that is no time: the message says which timestamp_format reads it."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.core import time_formats
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources import time_hints, timestamps

SUGGESTED = [
    ("31.12.2025 12:00", "%d.%m.%Y %H:%M"),
    ("31.12.25", "%d.%m.%y"),
    ("31/12/2025 9:05", "%d/%m/%Y %H:%M"),
    ("12/31/2025 5:58:00 PM", "%m/%d/%Y %I:%M:%S %p"),
    ("2025/01/01 05:58:00,120", "%Y/%m/%d %H:%M:%S,%3f"),
    ("2025-01-01 05:58:00 EST", "%Y-%m-%d %H:%M:%S %Z"),
    ("Wed, 01 Jan 2025 05:58:00 +0000", "%a, %d %b %Y %H:%M:%S %#z"),
    ("Wed Jan  1 05:58:00 UTC 2025", "%a %b %d %H:%M:%S %Z %Y"),
    ("01/Jan/2025:05:58:00 +0100", "%d/%b/%Y:%H:%M:%S %#z"),
    ("Jan 1, 2025", "%b %d, %Y"),
    ("20250101055800", "%Y%m%d%H%M%S"),
    ("1735732680", "epoch_s"),
    ("1735732680.12", "epoch_s"),
    ("1735732680123", "epoch_ms"),
    ("1735732680123456", "epoch_us"),
    ("1735732680123456789", "epoch_ns"),
]


@pytest.mark.parametrize(("cell", "suggested"), SUGGESTED)
def test_the_format_that_reads_the_cell_is_suggested(cell, suggested):
    assert time_hints.reason(cell, None) == (
        f"is not a time of the form ISO 8601; it looks like timestamp_format: '{suggested}'"
    )
    assert time_formats.problem(suggested) is None
    spec = Table(kind="csv", path="*", timestamp_format=suggested)
    assert timestamps.moments(pl.Series([cell]), spec, "UTC")["moment"].null_count() == 0


@pytest.mark.parametrize(
    ("cell", "time_format", "end"),
    [
        ("03/04/2025", None, "; it looks like timestamp_format: '%d/%m/%Y' or '%m/%d/%Y'"),
        ("2025-02-30", None, ": there is no such day or time"),
        ("31.02.2025", "%d.%m.%Y", ": there is no such day or time"),
        ("2025-01-01T05:58:00Z", "%d.%m.%Y", "; it looks like ISO 8601: leave timestamp_format out"),
        ("2025-01-01", "epoch_s", "; it looks like ISO 8601: leave timestamp_format out"),
        ("1735732680123", "epoch_s", "; it looks like timestamp_format: 'epoch_ms'"),
        ("0001-01-01T00:00:00Z", None, "list it in `nulls` to read it as missing"),
        ("0000-00-00 00:00:00", None, "list it in `nulls` to read it as missing"),
        ("9999-12-31", "%Y-%m-%d", "list it in `nulls` to read it as missing"),
        ("45658.25", None, "deliver the workbook (kind: xlsx), or dates as text"),
        ("1. Januar 2025", "%d. %B %Y", "; names of months and weekdays are English (Dec, December)"),
        ("Large anvil 2025", None, "is not a time of the form ISO 8601"),
        ("soon", "epoch_s", " of the form epoch_s"),
        ("20250101558", "%Y%m%d%H%M", " of the form %Y%m%d%H%M"),
        ("1.73573E+12", "epoch_ms", "deliver all digits"),
        ("2025-01-01 05:58 CST", "%Y-%m-%d %H:%M %Z", "unless they belong to the shop's time_zone)"),
    ],
)
def test_other_cells_are_explained(cell, time_format, end):
    assert time_hints.reason(cell, time_format).endswith(end)
