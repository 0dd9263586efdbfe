"""The day from which a delivered file holds, as its name says."""

from __future__ import annotations

from datetime import date

import pytest

from recomart_lib.ingest.deliveries import day_in_name

INGESTED = date(2025, 6, 15)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("items_2025-03-01.csv", date(2025, 3, 1)),
        ("items_2025_03_01.csv", date(2025, 3, 1)),
        ("items.2025.03.01.csv", date(2025, 3, 1)),
        ("items_20250301.csv", date(2025, 3, 1)),
        ("artikel_01.03.2025.csv", date(2025, 3, 1)),
        ("2024/01/artikel_31.03.2025.csv.gz", date(2025, 3, 31)),
        ("items_20250301T0615.csv", date(2025, 3, 1)),
        ("items_20250301061500.csv", date(2025, 3, 1)),
        ("items_2025-03-01_2.csv", date(2025, 3, 1)),
        ("items-2025-03.csv", date(2025, 3, 1)),  # a month is its first day
        ("2025/03/02/items.csv", date(2025, 3, 2)),
        ("2025/03/items.csv", date(2025, 3, 1)),
        ("year=2025/month=3/day=2/part-0.parquet", date(2025, 3, 2)),
        ("2024-12/items_2025-01-07.csv", date(2025, 1, 7)),  # the last day in the path
        ("items_2025-01-01_to_2025-01-31.csv", date(2025, 1, 31)),
        ("items_2025-07-01.csv", date(2025, 7, 1)),  # a price list may come before it holds
    ],
)
def test_a_name_says_the_day(name, day):
    assert day_in_name(name, INGESTED) == day


@pytest.mark.parametrize(
    "name",
    [
        "items.csv",
        "items_2025.csv",
        "items_202503.csv",  # six digits may be anything
        "items_01-03-2025.csv",  # the first of March, or the third of January?
        "items_03.31.2025.csv",
        "items_2025-13-01.csv",
        "items_20250230.csv",
        "items_4006381333931.csv",  # an article number
        "items_1745678901.csv",  # seconds since 1970
        "items_1989-12-31.csv",
        "items_2031-01-01.csv",
        "v20250301" + "9" * 10 + ".csv",
    ],
)
def test_other_digits_are_no_day(name):
    assert day_in_name(name, INGESTED) is None


def test_an_implausible_day_does_not_hide_a_plausible_one():
    assert day_in_name("2025-03-01/items_2099-01-01.csv", INGESTED) == date(2025, 3, 1)
