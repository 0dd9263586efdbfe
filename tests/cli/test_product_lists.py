"""`recomart recommend` for products, categories and trends: tables, and errors that say what to do."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.core import schemas

ROWS = {
    "similar": (schemas.SIMILAR, [("a", 1, "b", 0.5, 3, "item_knn", "why b"), ("a", 2, "c", 0.4, 3, "item_knn", "x")]),
    "bought_together": (schemas.BOUGHT_TOGETHER, [("a", 1, "c", 5, 10, 0.5, 3.0, 2.0, "why c")]),
    "trending": (schemas.TRENDING, [("b", 1, 9, 3, 4.0, 2.0, 8.0, "9 orders")]),
    "customers": (schemas.CUSTOMERS, [("a", 1, "u1", 2.0, 1, None)]),
    "category_customers": (schemas.CATEGORY_CUSTOMERS, [("tools", 1, "u2", 2.0, 0, None)]),
}


@pytest.fixture
def stored(finished):
    for name, (schema, rows) in ROWS.items():
        table = pl.DataFrame(rows, schema, orient="row")
        table.write_parquet(finished / f"data/recommendations/{name}.parquet")
    return finished


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        (["--item", "a", "-k", "1"], ["1", "b", "Bow"]),
        (["--item", "a", "--bought-together"], ["1", "c", "Cup"]),
        (["--item", "a", "--customers"], ["1", "u1", "2"]),
        (["--category", "tools", "--customers"], ["1", "u2", "2"]),
        (["--trending"], ["1", "b", "Bow"]),
    ],
)
def test_tables(stored, call, arguments, cells):
    status, output, _ = call("recommend", *arguments)
    _, row = output.splitlines()
    assert (status, row.split()[:3]) == (0, cells)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--item", "A"], "Unknown product 'A'. Use an id of the shop."),
        (["--item", "axe"], "Unknown product 'axe'. Did you mean 'a'?"),
        (["--item", "b"], "No product is similar to 'b'"),
        (["--item", "b", "--bought-together"], "No product is bought together with 'b'"),
        (["--item", "b", "--customers"], "There are no customers for 'b'"),
        (["--category", "tool", "--customers"], "Unknown category 'tool'. Did you mean 'tools'?"),
        (["--category", "x", "--customers"], "Unknown category 'x'. Known: tools."),
    ],
)
def test_errors_say_what_is_wrong(stored, call, arguments, message):
    status, _, error = call("recommend", *arguments)
    assert status == 1 and message in error


def test_nothing_trends(stored, call):
    pl.DataFrame(schema=schemas.TRENDING).write_parquet(stored / "data/recommendations/trending.parquet")
    status, _, error = call("recommend", "--trending")
    assert status == 1 and "Nothing is trending" in error


def test_a_run_of_an_earlier_version_has_no_tables(finished, call):
    status, _, error = call("recommend", "--trending")
    assert status == 1 and "Run: dvc repro 08_recommend" in error


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--user", "u0", "--item", "a"],
        ["--user", "u0", "--customers"],
        ["--item", "a", "--customers", "--bought-together"],
        ["--category", "tools"],
        ["--trending", "--why"],
    ],
)
def test_options_that_do_not_go_together(stored, call, arguments):
    assert call("recommend", *arguments)[0] == 2
