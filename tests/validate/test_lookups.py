"""Rules that need other rows: usual prices, and days of deliveries."""

from __future__ import annotations

import math

import pytest
from check_data import EVENT, failed_rules, good_tables
from conftest import utc

USUAL = [EVENT | {"event_id": f"p{n}", "price": 10.0} for n in range(20)]


@pytest.mark.parametrize(
    ("price", "n_failed"), [(10 * math.exp(0.79), 0), (10 * math.exp(0.81), 1), (4.4, 1), (4.6, 0)]
)
def test_a_price_far_from_the_usual_price_is_an_outlier(price, n_failed):
    """The usual price never varies: its spread counts as 0.1, and 8 spreads are the limit."""
    tables = good_tables(events=[*USUAL, EVENT | {"event_id": "e2", "price": price}])
    assert failed_rules(tables) == ({"price_usual": n_failed} if n_failed else {})


def test_a_few_prices_do_not_make_a_usual_price():
    assert failed_rules(good_tables(events=[*USUAL[:7], EVENT | {"event_id": "e2", "price": 99_999.0}])) == {}


def test_a_late_event_is_reported_where_files_are_daily_deliveries():
    today = [EVENT | {"event_id": f"n{n}", "timestamp": utc(2024, 2, 5)} for n in range(4)]
    tables = good_tables(events=today)  # the first event is on the first of February
    assert failed_rules(tables) == {"event_on_time": 1}
    assert failed_rules(tables, max_late_days=4) == {}
    month = [EVENT | {"event_id": f"n{n}", "timestamp": utc(2024, 2, n + 1)} for n in range(20)]
    assert failed_rules(good_tables(events=month)) == {}
