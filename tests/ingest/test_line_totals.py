"""A price that is delivered as the total of its line."""

from __future__ import annotations

import pytest
from delivered import COLUMNS, deliver, reasons, shop

TOTAL = COLUMNS | {"quantity": "n", "price": {"total": "sum"}}


def lines(*cells: str) -> str:
    return "\n".join(["user,item,at,sum,n", *(f"u,a,2024-01-01,{cell}" for cell in cells)])


@pytest.mark.parametrize(
    ("cells", "price"),
    [
        ("5.97,3", 1.99),
        ("1.05,0.53", 1.981132),
        ("5,", 5.0),
        (",3", None),
        ("0,2", 0.0),
        ("-10,-2", 5.0),
        ("0,-1", 0.0),
    ],
)
def test_the_price_of_one_unit_is_the_total_by_the_quantity(tmp_path, cells, price):
    delivered = deliver(tmp_path, lines(cells), shop(events={"columns": TOTAL, "negative_quantity": "return"}))
    assert delivered.rows["price"].to_list() == [price]
    assert str(delivered.rows["price"][0]) != "-0.0"


def test_a_total_of_nothing_has_no_price(tmp_path):
    delivered = deliver(tmp_path, lines("5,0", "0,0", ",0"), shop(events={"columns": TOTAL}))
    assert reasons(delivered) == {
        2: "price: '5.0' is the total of a line whose quantity is 0: it gives no price",
        3: "price: '0.0' is the total of a line whose quantity is 0: it gives no price",
    }
    assert delivered.rows["price"].to_list() == [None]


def test_a_price_is_never_infinite(tmp_path):
    delivered = deliver(tmp_path, lines("1e300,1e-300", "5,1"), shop(events={"columns": TOTAL}))
    assert reasons(delivered) == {2: "price: '1e+300' is the total of a line whose quantity is almost 0"}
    assert delivered.rows["price"].to_list() == [5.0]


def test_derived_products_have_the_price_of_one_unit(tmp_path):
    events = {"columns": COLUMNS | {"quantity": "n"}}
    items = {"kind": "derived", "columns": {"price": {"total": "sum"}}}
    rows = deliver(tmp_path, lines("6,3"), shop(events=events, items=items)).rows
    assert rows.select("items.price", "price").rows() == [(2.0, None)]
