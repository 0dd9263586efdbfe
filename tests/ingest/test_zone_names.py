"""Names of zones become offsets where they mean one."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.ingest.sources import zone_names


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("05:58:00 EST", "Europe/Berlin", "05:58:00 -0500"),
        ("05:58:00 UTC", "Europe/Berlin", "05:58:00 +0000"),
        ("05:58:00Z", "Europe/Berlin", "05:58:00+0000"),
        ("Wed Jan 1 05:58:00 CEST 2025", "UTC", "Wed Jan 1 05:58:00 +0200 2025"),
        ("05:58:00 CST", "UTC", None),
        ("05:58:00 CST", "Asia/Shanghai", "05:58:00 +0800"),
        ("05:58:00 CST", "America/Chicago", "05:58:00 -0600"),
        ("05:58:00 IST", "UTC", None),
        ("05:58:00 IST", "Asia/Kolkata", "05:58:00 +0530"),
        ("05:58:00 PST", "Asia/Manila", "05:58:00 +0800"),
        ("05:58:00 MSK", "Europe/Moscow", None),  # three hours ahead of UTC, and four from 2011 to 2014
        ("05:58:00", "UTC", None),
        ("05:58:00 BEST", "UTC", None),
    ],
)
def test_a_name_is_replaced_by_its_offset(text, zone, expected):
    cells = pl.DataFrame({"text": [text]})
    assert cells.select(zone_names.with_offsets(pl.col("text"), zone)).item() == expected
