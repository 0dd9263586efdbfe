"""Takeaways of stage `explore`: their sentences follow the numbers."""

from __future__ import annotations

import polars as pl
from conftest import rows, utc

from recomart_lib.explore import summaries, takeaways


def test_the_narrowest_step_is_named_and_a_lone_step_not_compared():
    events = [{"user_id": "u", "item_id": item, "event_type": "view"} for item in "abcd"]
    bought = {"user_id": "u", "item_id": "a", "event_type": "purchase"}
    assert "narrowest step is purchase: 25 %" in takeaways.funnel(summaries.funnel(rows("events", *events, bought)))
    rated = bought | {"event_type": "rating"}
    assert "records no step of the funnel" in takeaways.funnel(summaries.funnel(rows("events", rated)))
    assert "only one step of the funnel (purchase)" in takeaways.funnel(summaries.funnel(rows("events", bought)))


def test_the_busiest_hour_is_local():
    grid = summaries.week_hours(rows("events", {"timestamp": utc(2024, 1, 1, 23)}), "Europe/Berlin")
    assert "The busiest hour is Tue 0:00 with 100 % of all events" in takeaways.busiest_hour(grid)
    assert "167 of 168 hours" in takeaways.busiest_hour(grid)


def test_events_far_from_all_others_are_named_on_both_sides():
    daily = [{"timestamp": utc(2024, month, day)} for month in range(1, 7) for day in range(1, 29)]
    far = [{"timestamp": utc(2019, 1, 1)}, {"timestamp": utc(2025, 6, 28, 23, 30)}]
    sentence = takeaways.far_days(summaries.bulk_of_days(rows("events", *daily, *daily, *far), "Europe/Berlin"))
    assert "1 event at least 1,826 days before all others, the first of which is on 2024-01-01" in sentence
    assert "1 event at least 366 days after all others, the last of which is on 2024-06-28" in sentence
    assert takeaways.far_days(summaries.bulk_of_days(rows("events", *daily), "UTC")) == ""


def test_category_and_currency_are_escaped():
    table = pl.DataFrame({"category": ["<b>x"], "revenue": [10.0], "n": [3], "items": [1], "median_price": [2.0]})
    sentence = takeaways.category_structure(table, "<EUR>")
    assert "&lt;b&gt;x has the most revenue: 10 &lt;EUR&gt;, 100 % of the categories" in sentence
    assert "with 1 product at a median price of 2.00" in sentence


def test_categories_without_prices_are_described_by_relevant_events():
    table = pl.DataFrame({"category": ["x", "y"], "revenue": [0.0, 0.0], "n": [3, 1], "items": [2, 1]})
    priced = table.with_columns(median_price=pl.Series([2.5, None]))
    assert takeaways.category_structure(priced, "EUR") == (
        "**x is the most popular: 3 relevant events, 75 % of the categories shown**, with 2 products at a median "
        "price of 2.50 EUR."
    )
    free = table.with_columns(median_price=pl.lit(None, pl.Float64))
    assert takeaways.category_structure(free, "EUR").endswith("with 2 products.")


def test_prices_name_the_half_and_the_missing():
    items = rows("items", *({"item_id": str(n), "price": price} for n, price in enumerate([1.0, 2.0, 9.0, None])))
    assert "Half of the products cost less than 2.00 EUR" in takeaways.prices(items, "EUR")
    assert "25 % have no price" in takeaways.prices(items, "EUR")


def test_one_user_with_a_large_part_of_the_events_is_named():
    events = [{"user_id": "robot", "item_id": "a"}] * 4 + [{"user_id": user, "item_id": "a"} for user in "abcd"]
    by_user = summaries.per_key(rows("events", *events), "user_id")
    assert takeaways.dominant(by_user, "user").startswith("**One user, robot, has 50 % of the events (4)**")
    assert "**One product, a, has 100 %" in takeaways.dominant(
        summaries.per_key(rows("events", *events), "item_id"), "product"
    )
    few = summaries.per_key(rows("events", *events[3:6]), "user_id")  # a third of the events is an even share
    assert takeaways.dominant(few, "user") == takeaways.dominant(few.clear(), "user") == ""


def test_one_price_is_no_spread():
    items = rows("items", *({"item_id": str(n), "price": price} for n, price in enumerate([2.5, 2.5, None])))
    assert takeaways.prices(items, "EUR") == "**All products with a price cost 2.50 EUR**; 33 % have no price."
