"""Advice about lines that cannot be read: by column and cause, and no word of an id or a text is shown."""

from __future__ import annotations

from types import SimpleNamespace

import polars as pl
import pytest
from conftest import full_shop

from recomart.dry_run import unreadable
from recomart.dry_run.finding import Context
from recomart.dry_run.table_reader import Reading
from recomart_lib.core.schemas import REJECTS


def found(*reasons: str, n_rows: int = 90) -> list[tuple[str, str]]:
    """(finding, advice) about events whose lines are rejected for these reasons."""
    rejects = pl.DataFrame([("f", n, "raw", reason) for n, reason in enumerate(reasons)], schema=REJECTS, orient="row")
    reading = Reading(n_rows=n_rows, n_rejects=len(reasons), rejects=rejects)
    counts = {
        "good": n_rows,
        "history": 0,
        "quarantined": 0,
        "rejected": len(reasons),
        "delivered": n_rows + len(reasons),
    }
    report = SimpleNamespace(report={"tables": {"events": counts}})
    context = Context(full_shop("Europe/Berlin"), "events", report, pl.DataFrame(), 1.0)
    return [(finding.finding, finding.advice) for finding in unreadable.findings(context, reading)]


@pytest.mark.parametrize("column", ["order_id", "Auftragsnr", "orders.account"])
@pytest.mark.parametrize(
    ("problem", "finding"),
    [
        ("'O9' is in no row of orders.csv", "an id in {} is in no row of orders.csv"),
        ("blank is in no row of orders.csv", "an id in {} is in no row of orders.csv"),
        ("'O9' has rows with different values of customer in o.csv", "an id in {} has rows with different values of"),
        ("'O9' has a 'customer' that is a list: map one of its entries in o.csv", "an id in {} has a 'customer' that"),
        ("its cell is a list: map one of its entries", "an id in {} is a list"),
    ],
)
def test_rows_that_cannot_be_joined(column, problem, finding):
    [(text, advice)] = found(f"{column}: {problem}", f"{column}: {problem}")
    assert finding.format(column) in text
    assert "O9" not in text
    assert advice == "tables.events.joins: is `by` right? `complete: false` keeps rows without one, with blanks"


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("price: '1.234,50' is not a number", 'tables.events.decimal: ","'),
        ("price: '1.234,50 €' is not a number", 'tables.events.decimal: ","'),
        (
            "price: '12,50 €' is not a number; it looks like currency_sign: '€'",
            'tables.events.currency_sign: "€", and tables.events.decimal: ","',
        ),
        ("price: '$5.00' is not a number; it looks like currency_sign: '$'", 'tables.events.currency_sign: "$"'),
        (
            "price: '€5.00' has another sign than the table's currency_sign '$': '€'",
            "tables.events.currency_sign: is it right? Else convert these prices",
        ),
        (
            "quantity: 'k.A.' is not a number",
            'tables.events.nulls: ["k.A."], or tables.events.values: {quantity: {k.A.: ...}}',
        ),
        (
            "timestamp: '31.12.2025' is not a time of the form ISO 8601; it looks like timestamp_format: '%d.%m.%Y'",
            'tables.events.timestamp_format: "%d.%m.%Y"; words that mean no time: tables.events.nulls',
        ),
        (
            "timestamp: '2025-03-30 02:30:00' does not exist in Europe/Berlin: the clocks go forward",
            "time_zone: is Europe/Berlin right? Its clocks never show these times",
        ),
        ("3 cells where the header has 6", "tables.events.separator, tables.events.encoding: are they right?"),
    ],
)
def test_the_advice_names_the_key(reason, advice):
    [(_, given)] = found(reason, reason)
    assert given.startswith(advice)


def test_causes_are_grouped_and_the_most_frequent_come_first():
    sentences = [
        sentence
        for sentence, _ in found(
            *["price: 'x' is not a number"] * 7, "3 cells where the header has 6", "4 cells where the header has 6"
        )
    ]
    assert sentences == [
        "7.1 % of events cannot be read: price: 'x' is not a number",
        "2 % of events cannot be read: 3 cells where the header has 6",
    ]


def test_no_word_of_an_id_or_a_text_is_shown():
    [(sentence, advice)] = found("user_id: 'jane@example.org' is an error of a spreadsheet")
    assert "jane" not in sentence + advice
    assert "tables.events.columns.user_id: is it the right column?" in advice
