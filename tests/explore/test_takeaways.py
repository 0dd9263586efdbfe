"""Takeaways of stage `explore`: their sentences follow the numbers."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib.core import text
from recomart_lib.core.outlying_days import Bulk
from recomart_lib.explore import summaries, takeaways


def test_the_narrowest_step_is_named_and_a_lone_step_not_compared():
    events = [{"user_id": "u", "item_id": item, "event_type": "view"} for item in "abcd"]
    bought = {"user_id": "u", "item_id": "a", "event_type": "purchase"}
    assert "narrowest step is purchase: 25 %" in takeaways.funnel(summaries.funnel(rows("events", *events, bought)))
    rated = bought | {"event_type": "rating"}
    assert "records no step of the funnel" in takeaways.funnel(summaries.funnel(rows("events", rated)))
    assert "only one step of the funnel (purchase)" in takeaways.funnel(summaries.funnel(rows("events", bought)))


def test_the_busiest_hour_is_local():
    late, early = {"timestamp": utc(2024, 1, 1, 23)}, {"timestamp": utc(2024, 1, 3, 5)}
    takeaway = takeaways.busiest_hour(summaries.week_hours(rows("events", late, late, early), "Europe/Berlin"))
    assert "The busiest hour is Tue 0:00 with 67 % of all events" in takeaway
    assert "166 of 168 hours of the week have none" in takeaway
    assert takeaway.endswith("Nothing happens on Mondays and Thursdays and Fridays and Saturdays and Sundays.")


def test_events_far_from_all_others_are_named_on_both_sides():
    daily = [{"timestamp": utc(2024, month, day)} for month in range(1, 7) for day in range(1, 29)]
    far = [{"timestamp": utc(2019, 1, 1)}, {"timestamp": utc(2025, 6, 28, 23, 30)}]
    sentence = takeaways.far_days(summaries.bulk_of_days(rows("events", *daily, *daily, *far), "Europe/Berlin"))
    assert "1 event at least 1,826 days before all others, the first of which is on 2024-01-01" in sentence
    assert "1 event at least 366 days after all others, the last of which is on 2024-06-28" in sentence
    assert takeaways.far_days(summaries.bulk_of_days(rows("events", *daily), "UTC")) == ""


def test_category_and_currency_are_escaped():
    columns = {"category": ["<b>x", "y"], "revenue": [30.0, 10.0], "n": [3, 1], "items": [1, 1]}
    table = pl.DataFrame(columns | {"median_price": [2.0, 1.0]})
    sentence = takeaways.category_structure(table, "<EUR>")
    assert "&lt;b&gt;x has the most revenue: 30 &lt;EUR&gt;, 75 % of the categories" in sentence
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
    assert takeaways.prices(items, "EUR") == "**All products with a price cost 2.50 EUR**. 33 % have no price."


def counts(*numbers: int) -> pl.DataFrame:
    """`summaries.per_key` of users with so many events."""
    events = [{"user_id": f"u{n}", "item_id": "a"} for n, times in enumerate(numbers) for _ in range(times)]
    return summaries.per_key(rows("events", *events), "user_id")


def concentration(*numbers: int) -> str:
    table = counts(*numbers)
    return takeaways.concentration(table, "users", 0.1, summaries.head_share(table, 0.1))


def weeks(*numbers: int, skip: int = 0) -> pl.DataFrame:
    """Weeks from a Monday on; one, of which there is no row, is left out."""
    days = [date(2024, 1, 1) + timedelta(weeks=n + (n > 0) * skip) for n in range(len(numbers))]
    return pl.DataFrame({"week": days, "n": numbers}, {"week": pl.Date, "n": pl.Int64})


def grid(*moments: tuple[int, int]) -> pl.DataFrame:
    """`summaries.week_hours` of one event per day (1: a Monday) and hour."""
    events = [{"timestamp": utc(2024, 1, day, hour)} for day, hour in moments]
    return summaries.week_hours(rows("events", *events), "UTC")


def funnel(*types: str) -> pl.DataFrame:
    return summaries.funnel(rows("events", *({"user_id": "u", "item_id": "a", "event_type": name} for name in types)))


def priced(*prices: float | None) -> pl.DataFrame:
    return rows("items", *({"item_id": str(n), "price": price} for n, price in enumerate(prices)))


NO_STARS = pl.DataFrame(schema={"stars": pl.Float64, "n": pl.Int64})
CATEGORIES = {
    "category": pl.String,
    "revenue": pl.Float64,
    "n": pl.Int64,
    "items": pl.Int64,
    "median_price": pl.Float64,
}
ONE_CATEGORY = pl.DataFrame([("<b>", 9.0, 1, 1, 9.0)], schema=CATEGORIES, orient="row")


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (concentration(), "*Not applicable: there are fewer than 10 users, too few to say how uneven they are.*"),
        (concentration(7), "*Not applicable: there are fewer than 10 users"),
        (concentration(*[1] * 9), "*Not applicable: there are fewer than 10 users"),
        (concentration(*[3] * 10), "**All 10 users have equally many events**: 3."),
        (takeaways.funnel(funnel()), "records no step"),
        (takeaways.funnel(funnel("cart")), "*Not applicable: this shop records only one step of the funnel (cart)"),
        (takeaways.season(weeks()), "*Not applicable: no full weeks with events"),
        (takeaways.season(weeks(5)), "*Not applicable: 1 full week with events"),
        (takeaways.season(weeks(5, 5, 5, 5)), "**Each of 4 full weeks has equally many events**: 5."),
        (takeaways.season(weeks(4, 8, 8, 4)), "; the last quarter of the weeks has as many events as the first."),
        (takeaways.season(weeks(4, 8, 8, 5, skip=1)), " 1 week has no events at all."),
        (takeaways.season(weeks(4, 8, 8, 5, skip=2)), " 2 weeks have no events at all."),
        (takeaways.busiest_hour(grid()), "*Not applicable: there are no relevant events.*"),
        (takeaways.busiest_hour(grid((1, 9))), "**All events are in one hour of the week**, Mon 9:00."),
        (
            takeaways.busiest_hour(grid(*((day, hour) for day in range(1, 8) for hour in range(24)))),
            "**All hours of the week are equally busy.**",
        ),
        (takeaways.repeats(summaries.repeats(rows("events"))), "*Not applicable: there are no relevant events.*"),
        (takeaways.stars(NO_STARS), "*Not applicable: this shop has no ratings"),
        (takeaways.stars(pl.DataFrame({"stars": [5.0], "n": [9]})), "**All 9 ratings have 5 stars**"),
        (takeaways.category_structure(ONE_CATEGORY.clear(), "EUR"), "*Not applicable: this shop has no categories"),
        (
            takeaways.category_structure(ONE_CATEGORY, "EUR"),
            "*Not applicable: all products with a category are of one, &",
        ),
        (takeaways.prices(priced(), "EUR"), "*Not applicable: this shop has no prices.*"),
        (takeaways.prices(priced(None), "EUR"), "*Not applicable: this shop has no prices.*"),
        (
            takeaways.prices(priced(2.0), "EUR"),
            "**All products with a price cost 2.00 EUR**. Every product has a price.",
        ),
        (
            text.density({"users": 0, "items": 0, "pairs": 0, "density": 0.0}, "purchases"),
            "*Not applicable: no user has chosen",
        ),
        (
            text.density({"users": 1, "items": 3, "pairs": 3, "density": 1.0}, "purchases"),
            "*Not applicable: every user has chosen every",
        ),
    ],
)
def test_nothing_is_said_without_a_base_and_equal_numbers_are_called_equal(sentence, expected):
    assert expected in sentence


def test_uneven_numbers_are_compared_with_an_even_share():
    assert concentration(11, *[1] * 9) == (
        "**The top 10 % of users have 55 % of the events** (a few account for most of them); the median has 1, and "
        "90 % have just one."
    )
    assert "have 25 % of the events** (2.5 times an even share)" in concentration(3, *[1] * 9)


def test_idle_days_dominant_users_and_far_days_warn():
    every_day = [(day, 12) for day in range(1, 8)]
    busy, without_sunday, some = grid(*every_day), grid(*every_day[:6]), weeks(1, 2, 3, 4)
    assert takeaways.warning(busy, some, "", "") == ""
    assert takeaways.warning(without_sunday, some, "") == (
        "Nothing happens on Sundays: is the shop closed then, or are sales missing?"
    )
    assert takeaways.warning(without_sunday, weeks(1, 2, 3)) == ""  # too short a time to say so
    assert takeaways.warning(grid(), weeks()) == ""
    robot = takeaways.dominant(counts(90, *[1] * 10), "user")
    far = takeaways.far_days(Bulk(date(2024, 1, 1), date(2024, 6, 1), 1, 0, 900, 0))
    assert takeaways.warning(busy, some, robot, far) == (
        "One user, u0, has 90 % of the events (90). 1 event at least 900 days before all others, the first of which is "
        "on 2024-01-01."
    )


def test_sentences_name_what_is_counted():
    of = takeaways.kind(["purchase"])
    table = counts(*range(1, 21))
    sentences = [
        takeaways.concentration(table, "users", 0.1, 0.6, of),
        takeaways.dominant(counts(40, *[1] * 9), "user", of),
        takeaways.season(weeks(4, 8, 8, 4, skip=1), of),
        takeaways.busiest_hour(grid((1, 9), (2, 9), (2, 9)), of),
        text.density({"users": 9, "items": 9, "pairs": 9, "density": 1 / 9}, of),
    ]
    for sentence in sentences:
        assert "purchases" in sentence, sentence
        assert "event" not in sentence, sentence
    assert takeaways.kind(["purchase", "rating"]) == "purchases and ratings"


def test_repeats_say_what_follows_for_both_kinds_of_lists():
    n_days = {"n_days": [2, *[1] * 9], "gap_days": [30.0, *[None] * 9]}
    few, many = pl.DataFrame(n_days), pl.DataFrame(n_days).head(4)
    assert takeaways.repeats(few).endswith(
        "most choices are new products; those who choose again can be served from their history."
    )
    assert takeaways.repeats(many).endswith(
        "the user's purchase history is a strong list, and lists of discovery have to find the rest."
    )
