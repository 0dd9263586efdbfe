"""Sentences and the table of stage 02 about drift."""

from __future__ import annotations

from datetime import date

import polars as pl
from drift_data import drift_table

from recomart_lib.validate import drift_takeaways
from recomart_lib.validate.drift import MIN_PRECEDING


def test_flagged_deliveries_are_counted_and_the_worst_named():
    normal = [(9, "volume", 1.0, 3.0, "x"), (10, "volume", 1.0, 3.0, "x")]
    assert drift_takeaways.sentence(drift_table(*normal), "EUR") == (
        "**None of 2 compared deliveries differs significantly from the deliveries before it** (volume)."
    )
    bad = [(9, "nulls", 0.5, 0.1, "price missing 0 % -> 50 %"), (9, "category", 0.3, 0.25, "<b>Books")]
    takeaway = drift_takeaways.sentence(drift_table(*normal, *bad), "EUR")
    assert takeaway == (
        "**1 of 2 compared deliveries differs significantly from the deliveries before it**: 1 by missing values, 1 by "
        "mix of categories (1 day by two or more). The largest differences: 2024-01-09 (missing values: price missing "
        "0 % -&gt; 50 %); 2024-01-09 (mix of categories: &lt;b&gt;Books)."
    )
    worse = [(day, "price", day / 10, 0.25, "y") for day in (11, 14, 12, 13)]
    takeaway = drift_takeaways.sentence(drift_table(*normal, *worse), "EUR")
    assert takeaway.startswith(
        "**4 of 6 compared deliveries differ significantly from the deliveries before them**: 4 by prices."
    )
    assert [takeaway.index(f"2024-01-{day}") for day in (14, 13, 12)] == sorted(
        takeaway.index(f"2024-01-{day}") for day in (14, 13, 12)
    )
    assert "2024-01-11" not in takeaway


def test_drift_that_was_not_checked_is_reported_as_such():
    assert MIN_PRECEDING == 7
    assert drift_takeaways.sentence(drift_table(), "EUR").startswith("*Not applicable: ")
    assert "it needs at least seven" in drift_takeaways.sentence(drift_table(), "EUR")


def test_prices_that_drift_have_a_currency():
    table = drift_table((9, "price", 0.5, 0.25, "median price 2 -> 9"))
    assert "(prices: median price 2 -&gt; 9 &lt;EUR&gt;)" in drift_takeaways.sentence(table, "<EUR>")


def test_only_the_largest_differences_are_named():
    table = drift_table((9, "volume", 4.0, 3.0, "x"), (10, "volume", 5.0, 3.0, "y"))
    assert drift_takeaways.sentence(table, "EUR", 1).endswith("The largest difference: 2024-01-10 (volume: y).")


def test_the_table_of_flagged_deliveries_has_plain_words_and_the_currency():
    normal, bad = (9, "volume", 1.0, 3.0, "x"), (10, "price", 0.5, 0.25, "median price 2 -> 9")
    table = drift_takeaways.flagged(drift_table(normal, bad).with_columns(usual=pl.lit(2.0)), "EUR")
    assert table.rows()[0][:3] == (date(2024, 1, 10), "prices", "median price 2 -> 9 EUR")
    assert table.height == 1
    assert drift_takeaways.flagged(drift_table(normal).with_columns(usual=pl.lit(2.0)), "EUR").is_empty()
