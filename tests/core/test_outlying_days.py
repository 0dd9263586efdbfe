"""Days far away from the bulk: typing errors are found, honest gaps are not."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from recomart_lib.core.outlying_days import bulk

START = date(2024, 1, 1)


def table(counts: dict[int, int]) -> pl.DataFrame:
    """Rows per day, from day number -> rows."""
    days = [START + timedelta(days=number) for number in counts]
    return pl.DataFrame({"day": days, "n": list(counts.values())}, schema={"day": pl.Date, "n": pl.Int64})


def ends(counts: dict[int, int], min_gap: int = 30) -> tuple[int, int]:
    """The numbers of the first and the last day of the bulk."""
    found = bulk(table(counts), min_gap)
    return (found.first - START).days, (found.last - START).days


DAILY = dict.fromkeys(range(150), 6)  # 900 rows
LARGE = dict.fromkeys(range(150), 1_000)
SEASONS = {365 * year + day: 20 for year in range(3) for day in range(90)}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (DAILY, (0, 149)),
        (DAILY | {380: 1}, (0, 149)),
        (DAILY | {380: 2, 600: 2, 9_000: 1}, (0, 149)),
        (DAILY | {-1_800: 1}, (0, 149)),
        (DAILY | {-1_800: 1, 380: 1}, (0, 149)),
        (LARGE | {380: 100, 381: 50}, (0, 149)),
        (DAILY | {179: 1}, (0, 179)),  # a gap of a window's length
        (DAILY | {380: 6}, (0, 380)),  # more than a handful
        (LARGE | {380: 151}, (0, 380)),  # more than 0.1 %
        (dict.fromkeys(range(10), 1) | {500: 1}, (0, 500)),  # a tenth of all rows
        ({day**2: 10 for day in range(30)}, (0, 841)),  # ever longer gaps
        (SEASONS, (0, 819)),
        (SEASONS | {1_095: 3}, (0, 1_095)),  # the first day of the next season
        (SEASONS | {4_000: 3}, (0, 819)),
        (dict.fromkeys(range(0, 9_000, 60), 1), (0, 8_940)),  # one row in two months
        ({0: 1}, (0, 0)),
    ],
)
def test_the_bulk(counts, expected):
    assert ends(counts) == expected


def test_both_sides_are_counted():
    found = bulk(table(DAILY | {-100: 2, 380: 1}), 30)
    assert (found.n_before, found.n_after, found.gap_before, found.gap_after) == (2, 1, 100, 231)


def test_the_order_and_repetition_of_days_do_not_matter():
    days = pl.concat([table(DAILY | {380: 1}), table({3: 0, 999: 0})]).reverse()
    assert bulk(days, 30) == bulk(table(DAILY | {380: 1}), 30)
