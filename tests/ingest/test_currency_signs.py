"""Prices with the sign of a currency: all accepted forms give the number, and no other sign is taken for it."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recomart_lib.core import currency_signs
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources import reader

SIGNS = ["$", "€", "R$", "EUR", "kr", "kr.", "S/.", "zł"]
SPACES = ["", " ", "\u00a0", "\u202f"]
FORMS = [
    "{minus}{sign}{space}{number}",
    "{sign}{space}{minus}{number}",
    "{minus}{number}{space}{sign}",
    "{minus}{number}",
]
COLUMNS = {"user_id": "who", "item_id": "what", "timestamp": "at", "price": "price", "quantity": "n"}
MARKS = [(".", ""), (".", ","), (",", ""), (",", "."), (",", " "), (".", "'")]


def read(path, *prices: str, columns: dict | None = None, **spec: object) -> reader.Chunk:
    events = {"kind": "csv", "path": "*", "separator": "|", "columns": columns or COLUMNS, "event_type": "purchase"}
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    keys |= {"horizon_days": "auto", "relevant_events": ["purchase"]}
    items = {"items": {"kind": "derived", "columns": {"price": "listed"}}}
    shop = Shop(**keys, tables={"events": events | spec} | items)
    lines = [f"u1|a|2024-01-01|{price}|2|{price}" for price in prices]
    path.write_text("\n".join(["who|what|at|price|n|listed", *lines]), encoding="utf-8")
    return reader.read(path, shop, "events")


def reasons(delivered: reader.Chunk) -> list[str]:
    return delivered.rejects["reason"].to_list()


@st.composite
def prices(draw: st.DrawFn) -> tuple[str, str, str, str, float]:
    """(sign, decimal mark, thousands mark, text, number) of a price in one of the accepted forms."""
    cents, sign = draw(st.integers(-(10**9), 10**9)), draw(st.sampled_from(SIGNS))
    decimal, thousands = draw(st.sampled_from(MARKS))
    number = f"{abs(cents) / 100:,.2f}".translate(str.maketrans({",": thousands, ".": decimal}))
    minus = "-" if cents < 0 else draw(st.sampled_from(["", "+"]))
    form = draw(st.sampled_from(FORMS))
    text = form.format(minus=minus, sign=sign, space=draw(st.sampled_from(SPACES)), number=number)
    return sign, decimal, thousands, text, cents / 100


@given(prices())
def test_every_accepted_form_is_read_as_its_number(tmp_path_factory, price):
    sign, decimal, thousands, text, number = price
    keys = {"decimal": decimal, "currency_sign": sign} | ({"thousands": thousands} if thousands else {})
    delivered = read(tmp_path_factory.mktemp("f") / "f.csv", text, **keys)
    assert reasons(delivered) == []
    assert delivered.rows["price"].to_list() == delivered.rows["items.price"].to_list() == [number]


@pytest.mark.parametrize("text", ["$5$", "-$-5", "$", "$inf", "($5)", "$1,299.00", "1.299,-$", "$ five", "$5 (net)"])
def test_other_texts_with_the_sign_are_no_numbers(tmp_path, text):
    delivered = read(tmp_path / "f.csv", text, "$5", currency_sign="$")
    assert delivered.rows["price"].to_list() == [5.0]
    assert reasons(delivered) == [f"price: '{text}' is not a number"]


@pytest.mark.parametrize(
    ("text", "found"), [("€5", "€"), ("5.00 EUR", "EUR"), ("R$ 5", "R$"), ("-£5", "£"), ("5 kr", "kr")]
)
def test_another_sign_is_rejected_and_named(tmp_path, text, found):
    delivered = read(tmp_path / "f.csv", text, "5", "$5", currency_sign="$")
    assert delivered.rows["price"].to_list() == [5.0, 5.0]
    assert reasons(delivered) == [f"price: '{text}' has another sign than the table's currency_sign '$': '{found}'"]


@pytest.mark.parametrize(("text", "sign"), [("$5", "$"), ("12.50 €", "€"), ("EUR 5", "EUR"), ("R$ 5", "R$")])
def test_without_the_key_the_reason_proposes_it(tmp_path, text, sign):
    delivered = read(tmp_path / "f.csv", text)
    assert reasons(delivered) == [f"price: '{text}' is not a number; it looks like currency_sign: '{sign}'"]


def test_units_and_other_columns_are_no_prices(tmp_path):
    assert reasons(read(tmp_path / "f.csv", "5 kg")) == ["price: '5 kg' is not a number"]
    rejected = read(tmp_path / "f.csv", "$5", columns=COLUMNS | {"quantity": "price", "price": "n"}, currency_sign="$")
    assert reasons(rejected) == ["quantity: '$5' is not a number"]


def test_totals_of_lines_may_have_the_sign(tmp_path):
    columns = COLUMNS | {"price": {"total": "price"}}
    delivered = read(tmp_path / "f.csv", "$5", "-$5", columns=columns, currency_sign="$")
    assert delivered.rows["price"].to_list() == [2.5, -2.5]


def test_a_sign_is_found_in_time_that_grows_with_the_text():
    assert currency_signs.found_in("5" + " " * 10**6 + "x") is None
    cells = pl.DataFrame({"cell": ["$5" + " " * 10**6 + "x", "5" + " " * 10**6 + "$"]})
    assert cells.select(currency_signs.without(pl.col("cell"), "$"))["cell"].to_list()[1] == "5"
