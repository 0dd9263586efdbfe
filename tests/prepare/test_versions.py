"""Statements about products over time: which held at a moment."""

from __future__ import annotations

import polars as pl
import pytest
from conftest import utc

from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.prepare import versions

HISTORY = pl.DataFrame(
    [
        ("a", "tools", 10.0, utc(2024, 1, 1)),
        ("a", "garden", 15.0, utc(2024, 3, 1)),
        ("b", "food", 5.0, utc(2024, 2, 1)),
        ("b", None, None, utc(2024, 4, 1)),
        ("c", "food", 7.0, versions.ALWAYS),
    ],
    schema={"item_id": pl.String, "category": pl.String, "price": pl.Float64, "valid_from": TIMESTAMP},
    orient="row",
)


@pytest.mark.parametrize(
    ("moment", "a", "b"),
    [
        (utc(2023, 12, 1), ("tools", 10.0), ("food", 5.0)),  # before the first statement: the first
        (utc(2024, 2, 29, 23, 59, 59), ("tools", 10.0), ("food", 5.0)),
        (utc(2024, 3, 1), ("garden", 15.0), ("food", 5.0)),  # a statement holds from its moment on
        (utc(2024, 4, 1), ("garden", 15.0), (None, None)),  # a null is a statement, too
        (None, ("garden", 15.0), (None, None)),
    ],
)
def test_the_statement_that_held_at_the_moment_counts(moment, a, b):
    table = versions.as_of(HISTORY, "item_id", moment)
    assert table.rows() == [("a", *a), ("b", *b), ("c", "food", 7.0)]


def test_a_table_that_was_stated_once_is_itself_at_every_moment():
    table = HISTORY.drop("valid_from").unique("item_id", keep="first", maintain_order=True)
    for moment in (utc(1980, 1, 1), utc(2024, 3, 1), None):
        assert versions.as_of(versions.always(table), "item_id", moment).equals(table)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([0, 1], True),  # two statements about a
        ([0, 2], True),  # at two moments, about different products
        ([0, 4], False),  # c is in no delivery
        ([4], False),
        ([], False),
    ],
)
def test_a_history_is_repeated_if_statements_came_at_several_moments(rows, expected):
    assert versions.is_repeated(HISTORY[rows], "item_id") == expected


def test_a_statement_that_has_always_held_and_a_newer_one_are_a_repeated_history():
    history = HISTORY[[0, 1]].with_columns(valid_from=pl.Series([versions.ALWAYS, utc(2024, 3, 1)]))
    assert versions.is_repeated(history, "item_id")
