"""The tables of stage 08 as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recomart_lib.core.schemas import CUSTOMERS, SEGMENTS
from recomart_lib.recommend import shown

DAY = datetime(2026, 1, 5, 9, tzinfo=UTC)
ITEMS = pl.DataFrame({"item_id": ["a"], "name": ["Apple"]})
SEGMENT_OF = pl.DataFrame(
    [
        {"user_id": "u", "segment": "champions", "last_order": DAY, "n_orders": 3},
        {"user_id": "v", "segment": "at risk", "last_order": DAY, "n_orders": 1},
        {"user_id": "w", "segment": "no order", "n_orders": 0},
    ],
    schema=SEGMENTS,
)


def test_customers_without_ids_are_told_apart_by_segment_and_last_order():
    rows = [("a", 1, "u", 4.7, 1, DAY), ("a", 2, "w", 2.0, 0, None)]
    table = pl.DataFrame(rows, schema=CUSTOMERS, orient="row")
    found = shown.customers(table, ITEMS, ["a"], 5, SEGMENT_OF, show_ids=False)
    assert found.drop("affinity (orders customers)").rows() == [
        ("Apple", 1, "champions", DAY.date(), 1, DAY.date()),
        ("Apple", 2, "no order", None, 0, None),
    ]
    assert shown.customers(table, ITEMS, ["a"], 5, SEGMENT_OF, show_ids=True)["customer"].to_list() == ["u", "w"]


def test_shares_of_segments_are_of_all_customers():
    found = shown.by_segment(SEGMENT_OF, "EUR")
    assert found["share of all customers"].to_list() == ["33 %", "33 %", "33 %"]
