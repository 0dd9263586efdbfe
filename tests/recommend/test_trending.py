"""Growth against a product's own past, by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from recomart_lib.models.base import BASKETS
from recomart_lib.recommend.orders import Orders
from recomart_lib.recommend.trending import trending, window_days

CUT = datetime(2025, 1, 31, tzinfo=UTC)
ALL = np.ones(5, dtype=bool)


def orders(ages: dict[int, list[float]]) -> Orders:
    """Per product, the ages of its orders in days before the cut."""
    rows = [(0, item, n, CUT - timedelta(days=age)) for item, days in ages.items() for n, age in enumerate(days)]
    return Orders(pl.DataFrame(rows, BASKETS, orient="row"), 5, have_ids=True)


STEADY = [float(day) for day in range(1, 141)]  # every day
GROWS = [140.0, *[100.0] * 3, *[5.0] * 20]  # 4 in 112 days, 20 in 28
NEW = [40.0, *[3.0] * 6]
RARE = [140.0, *[2.0] * 4]


def test_growth_and_its_interval_are_the_exact_ones():
    table = trending(orders({0: STEADY, 1: GROWS, 2: NEW, 3: RARE}), CUT, ALL)
    assert table["item_idx"].to_list() == [1, 2], "steady sales do not trend, four orders are too few; new ones follow"
    first = table.row(0, named=True)
    assert (first["rank"], first["recent"], first["before"]) == (1, 20, 4)
    share = binomtest(20, 24).proportion_ci(method="exact")
    ratios = [p / (1 - p) * 112 / 28 for p in (share.low, share.high)]
    assert first["growth"] == pytest.approx(20 / 4 * 4)
    assert [first["growth_low"], first["growth_high"]] == pytest.approx(ratios)
    new = table.row(1, named=True)
    assert (new["recent"], new["before"], new["growth"], new["growth_low"]) == (6, 1, None, None)


def test_a_product_that_was_away_for_a_year_has_no_upper_end():
    row = trending(orders({0: STEADY, 1: [500.0, *[1.0] * 9]}), CUT, ALL).row(0, named=True)
    assert (row["item_idx"], row["before"], row["growth"], row["growth_high"]) == (1, 0, None, None)
    assert row["growth_low"] > 1


def test_excluded_products_are_left_out():
    assert not trending(orders({0: STEADY, 1: GROWS}), CUT, np.array([True, False, True, True, True])).height


@pytest.mark.parametrize(("length", "days"), [(140, 28), (84, 28), (83, 7), (21, 7), (20, None)])
def test_the_window_fits_the_history(length, days):
    some = orders({0: [float(length), *[1.0] * 9]})
    assert window_days(some, CUT) == days
    assert days is not None or not trending(some, CUT, ALL).height


def test_without_orders_nothing_trends():
    none = Orders(pl.DataFrame(schema=BASKETS), 5, have_ids=True)
    assert window_days(none, CUT) is None and not trending(none, CUT, ALL).height
