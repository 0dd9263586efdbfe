"""Segments by hand: scores against all customers, every pair of scores in one segment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import polars as pl
import pytest

from recomart_lib.core.schemas import SEGMENTS
from recomart_lib.models.base import BASKETS
from recomart_lib.recommend import product_takeaways, segments
from recomart_lib.recommend.orders import Orders

AS_OF = datetime(2025, 1, 31, tzinfo=UTC)
EVENTS = {"user_id": pl.String, "event_type": pl.String, "price": pl.Float64, "quantity": pl.Float64}


def table(ages: list[list[float]], spend: list[tuple] = ()) -> pl.DataFrame:
    """Per user u0, u1, ..., the ages of the orders in days; besides a user without an order; lines of EVENTS."""
    rows = [
        (user, item, 100 * user + n, AS_OF - timedelta(days=age))
        for user, days in enumerate(ages)
        for n, age in enumerate(days)
        for item in (0, 1)  # two lines are one order
    ]
    found = Orders(pl.DataFrame(rows, BASKETS, orient="row"), 2, have_ids=True)
    index = pl.Series(range(len(ages)), dtype=pl.Int32)
    names = pl.Series([f"u{n}" for n in range(len(ages))], dtype=pl.String)
    known = pl.DataFrame({"user_idx": index, "user_id": names})
    users = pl.DataFrame({"user_id": ["x", *known["user_id"]]})
    events = pl.DataFrame(list(spend), EVENTS, orient="row")
    return segments.build(found, events, users, {"users": known}, AS_OF)


def test_every_pair_of_scores_is_in_one_segment():
    found = [pair for pair_of in segments.SEGMENT_SCORES.values() for pair in product(*pair_of)]
    assert sorted(found) == list(product(range(1, 6), repeat=2))


def test_scores_count_the_customers_below():
    rows = table([[1.0] * 6, [2.0] * 5, [3.0], [4.0], [5.0]], [("u2", "purchase", 9.99, 2), ("u3", "return", 5, 1)])
    assert rows.schema == SEGMENTS
    first = rows.select("user_id", "recency", "frequency", "monetary", "n_orders", "spend").rows()
    assert first == [
        ("u0", 5, 5, None, 6, None),
        ("u1", 4, 4, None, 5, None),
        ("u2", 3, 1, 1, 1, 19.98),  # the only one with a known spend
        ("u3", 2, 1, None, 1, None),  # three customers ordered once: none of them has more than another
        ("u4", 1, 1, None, 1, None),
        ("x", None, None, None, 0, None),
    ]
    names = ["champions", "loyal customers", "about to sleep", "hibernating", "hibernating", "no order"]
    assert rows["segment"].to_list() == names
    assert rows["last_order"][0] == AS_OF - timedelta(days=1) and set(rows["as_of"]) == {AS_OF}


def test_the_summary_and_the_takeaway():
    rows = table([[1.0] * 6, [2.0], [3.0], [4.0], [5.0]], [("u0", "purchase", 3, 1), ("u4", "purchase", 1, 1)])
    shown = segments.summary(rows)
    assert shown["segment"].to_list() == ["champions", "promising", "about to sleep", "hibernating", "no order"]
    assert shown["share_of_spend"][0] == 0.75 and shown["days_since_order_median"][3] == 4.5
    text = product_takeaways.segments(rows)
    assert "5 customers fall into 4 segments" in text and "the largest is hibernating (33 % of all customers)" in text
    assert "are 17 % of all customers (1)" in text, "the same base as in the table"
    assert "2025-01-31" in text and "1 user has no order." in text and "75" in text


def test_without_prices_and_without_orders():
    rows = table([[1.0], [2.0]])
    assert "share_of_spend" not in segments.summary(rows).columns
    assert "Champions" not in product_takeaways.segments(rows)
    assert product_takeaways.segments(table([])).startswith("*Not applicable: nobody has ordered yet")
    assert not segments.summary(table([]).clear()).height


@pytest.mark.parametrize("n", [1, 2, 7])
def test_equal_customers_are_in_one_segment(n):
    rows = table([[3.0]] * n)
    assert set(rows["segment"]) == {"hibernating", "no order"}
