"""Delivered times in any declared format: moments that do not depend on the shop's zone, and local days."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from conftest import utc

from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources import timestamps

ZONE = "Europe/Berlin"


def spec(time_format: str | None) -> Table:
    return Table(kind="csv", path="*", timestamp_format=time_format)


@pytest.mark.parametrize(
    ("cell", "time_format", "expected"),
    [
        ("2025-01-01 05:58:00 EST", "%Y-%m-%d %H:%M:%S %Z", utc(2025, 1, 1, 10, 58)),
        ("2025-01-01 17:10:00 UTC", "%Y-%m-%d %H:%M:%S %Z", utc(2025, 1, 1, 17, 10)),
        ("2025-07-01 05:58:00 CEST", "%Y-%m-%d %H:%M:%S %Z", utc(2025, 7, 1, 3, 58)),
        ("2025-01-01 05:58:00 +0530 IST", "%Y-%m-%d %H:%M:%S %z %Z", utc(2025, 1, 1, 0, 28)),
        ("2025-01-01T05:58:00Z", "%Y-%m-%dT%H:%M:%SZ", utc(2025, 1, 1, 5, 58)),
        ("2025-01-01 05:58:00 UTC", "%Y-%m-%d %H:%M:%S UTC", utc(2025, 1, 1, 5, 58)),
        ("1735732680", "%s", utc(2025, 1, 1, 11, 58)),
        ("1735732680.5", "epoch_s", utc(2025, 1, 1, 11, 58, 0, 500_000)),
        ("2025-01-01 05:58:00", "%Y-%m-%d %H:%M:%S", utc(2025, 1, 1, 4, 58)),
        ("2025-01-01 05:58:00+00", None, utc(2025, 1, 1, 5, 58)),
    ],
)
def test_a_time_with_a_zone_is_that_moment_in_any_shop(cell, time_format, expected):
    moment = timestamps.moments(pl.Series([cell]), spec(time_format), ZONE)["moment"][0]
    assert moment == expected


@pytest.mark.parametrize("cell", ["2025-01-01 05:58:00 CST", "2025-01-01 05:58:00", "2025-01-01 05:58:00 Europe/Paris"])
def test_a_zone_that_is_not_known_is_not_guessed(cell):
    assert timestamps.moments(pl.Series([cell]), spec("%Y-%m-%d %H:%M:%S %Z"), ZONE)["moment"].to_list() == [None]


@pytest.mark.parametrize(
    ("cell", "time_format", "is_read"),
    [
        ("010125", "%d%m%y", True),
        ("10125", "%d%m%y", False),  # a spreadsheet has dropped the zero: it is not the tenth of December 2005
        ("1012025", "%d%m%Y", False),
        ("01012025 0558", "%d%m%Y %H%M", True),
        ("01012025 558", "%d%m%Y %H%M", False),
        ("20250101055800120", "%Y%m%d%H%M%S%3f", True),
        ("2025010105580012", "%Y%m%d%H%M%S%3f", False),
        ("01.02.25", "%d.%m.%y", True),
        ("1.2.25 5:58", "%d.%m.%y %H:%M", True),
        ("01.02.5", "%d.%m.%y", False),
        ("1.2.2025 5:58", "%d.%m.%Y %H:%M", True),
        ("25001", "%y%j", True),
        ("01.02.25  05:58 PM +0100", "%d.%m.%y %I:%M %p %z", True),
    ],
)
def test_digits_without_marks_are_complete(cell, time_format, is_read):
    assert (timestamps.days(pl.Series([cell]), spec(time_format), ZONE)[0] is not None) == is_read


@pytest.mark.parametrize(
    ("cell", "time_format", "expected"),
    [
        ("2025-01-01 23:30:00 UTC", "%Y-%m-%d %H:%M:%S %Z", date(2025, 1, 2)),
        ("1735732680", "epoch_s", date(2025, 1, 1)),
        ("1424615980123", "epoch_s", None),  # in the year 47,114
        ("0000-01-01", None, None),
    ],
)
def test_days_are_local_and_within_the_calendar(cell, time_format, expected):
    assert timestamps.days(pl.Series([cell]), spec(time_format), ZONE).to_list() == [expected]
