"""The tables behind the figures: computed by hand, and empty where a shop lacks the data."""

from __future__ import annotations

from datetime import date, timedelta
from math import isnan

import pytest
from conftest import rows, utc

from recomart_lib.core.errors import UserError
from recomart_lib.explore import summaries

NOTHING = rows("events")


def events(*records: tuple):
    """Events from (user, item, type, time, rest)."""
    names = ("user_id", "item_id", "event_type", "timestamp")
    return rows(
        "events",
        *({**dict(zip(names, record[:4], strict=True)), **(record[4] if record[4:] else {})} for record in records),
    )


DAY = utc(2024, 1, 1)
FUNNEL = [
    ("u", "a", "view"),
    ("u", "a", "view"),
    ("u", "b", "view"),
    ("v", "a", "view"),
    ("u", "a", "cart"),
    ("w", "z", "cart"),
    ("u", "a", "purchase"),
    ("w", "z", "purchase"),
]


def funnel(*steps: str):
    return summaries.funnel(events(*((*record, DAY) for record in FUNNEL if record[2] in steps)))


def test_only_relevant_events_are_kept():
    table = events(("u", "a", "view", DAY), ("u", "a", "rating", DAY))
    assert summaries.relevant(table, ["rating"])["event_type"].to_list() == ["rating"]


def test_a_shop_without_relevant_events_is_a_mistake_of_its_file():
    viewed = events(("u", "a", "view", DAY))
    with pytest.raises(UserError, match=r"relevant_events: \[purchase\].*validated: 1 event of type view\)\. Correct"):
        summaries.relevant(viewed, ["purchase"])
    with pytest.raises(UserError, match="no events at all"):
        summaries.relevant(viewed.clear(), ["purchase"])


def test_the_head_of_a_long_tail():
    counts = summaries.per_key(events(*(("u", item, "view", DAY) for item in "aaabbc")), "item_id")
    assert counts.rows() == [("a", 3, 0.5), ("b", 2, pytest.approx(5 / 6)), ("c", 1, 1.0)]
    assert summaries.head_share(counts, 0.01) == 0.5
    assert summaries.head_share(counts, 1) == 1.0


def test_a_funnel_counts_the_pairs_that_completed_every_step():
    assert funnel("view", "cart", "purchase").rows() == [
        ("view", 4, 3, 3, None),
        ("cart", 2, 2, 1, pytest.approx(1 / 3)),
        ("purchase", 2, 2, 1, 1.0),
    ]


@pytest.mark.parametrize(
    ("steps", "shares"),
    [
        (("view", "purchase"), [None, None, 1 / 3]),
        (("cart", "purchase"), [None, None, 1.0]),
        (("purchase",), [None] * 3),
        ((), [None] * 3),
    ],
)
def test_a_funnel_compares_the_steps_that_the_shop_records(steps, shares):
    assert funnel(*steps)["share_of_previous"].to_list() == pytest.approx(shares)


def test_only_full_local_weeks_count():
    monday = utc(2024, 1, 8)
    days = [
        DAY + timedelta(days=1),
        monday,
        monday + timedelta(days=3),
        monday + timedelta(days=6, hours=23),
        monday + timedelta(7),
    ]
    table = events(*(("u", "a", "view", day) for day in days))
    assert summaries.per_week(table, "UTC").rows() == [(date(2024, 1, 8), 3, 1)]
    assert summaries.per_week(table, "Europe/Berlin").rows() == [(date(2024, 1, 8), 2, 1)]


def test_week_hours_are_local_and_sum_to_one():
    grid = summaries.week_hours(
        events(("u", "a", "view", utc(2024, 1, 1, 23)), ("u", "a", "view", utc(2024, 1, 2, 9))), "Europe/Berlin"
    )
    assert grid.shape == (7, 25)
    assert grid["day"].to_list() == list(summaries.WEEKDAYS)
    assert (grid["0"][1], grid["10"][1], grid.drop("day").sum().sum_horizontal()[0]) == (0.5, 0.5, 1.0)


def test_repeats_are_counted_in_days():
    days = [DAY, DAY + timedelta(hours=5), DAY + timedelta(days=4), DAY + timedelta(days=10)]
    table = events(*(("u", "a", "purchase", day) for day in days), ("u", "b", "purchase", DAY))
    assert summaries.repeats(table).rows() == [("u", "a", 3, 5.0), ("u", "b", 1, None)]


def test_ratings_are_counted_by_stars():
    table = events(*(("u", "a", "rating", DAY, {"rating": stars}) for stars in (5.0, 1.0, 5.0, None)))
    assert summaries.ratings(table).rows() == [(1.0, 1), (5.0, 2)]


ITEMS = rows(
    "items", {"item_id": "a", "category": "x", "price": 2.0}, {"item_id": "b", "category": "x"}, {"item_id": "c"}
)
SOLD = [
    ("u", "a", "purchase", DAY, {"price": 2.0, "quantity": 3}),
    ("u", "b", "purchase", DAY, {"price": 1.0}),
    ("u", "c", "purchase", DAY),
]


def test_categories_are_ranked_by_revenue():
    by_category = summaries.categories(events(*SOLD), ITEMS, 5)
    assert by_category.rows() == [("x", 7.0, 2, 2, 2.0)]
    assert summaries.amounts(by_category, "EUR") == ([7.0], "revenue, EUR")


def test_revenue_of_fractions_does_not_depend_on_the_order_of_rows():
    sold = [("u", "a", "purchase", DAY, {"price": 1.99, "quantity": q / 10}) for q in range(1, 31)]
    first, second = (summaries.categories(events(*table), ITEMS, 5) for table in (sold, sold[::-1]))
    assert first["revenue"].to_list() == second["revenue"].to_list() == [92.535]


def test_without_categories_there_is_no_structure():
    items = ITEMS.with_columns(category=None).cast(ITEMS.schema)
    assert summaries.categories(events(*SOLD), items, 5).is_empty()


def test_without_prices_categories_are_ranked_by_relevant_events():
    rated = [("u", item, "rating", DAY) for item in "abca"]
    items = ITEMS.with_columns(price=None, category=ITEMS["item_id"].replace({"a": "x", "b": "y", "c": "y"}))
    by_category = summaries.categories(events(*rated), items, 5)
    assert by_category.rows() == [("x", 0.0, 2, 1, None), ("y", 0.0, 2, 2, None)]
    assert summaries.amounts(by_category, "EUR") == ([2, 2], "relevant events")
    assert summaries.categories(events(*rated), items, 1)["category"].to_list() == ["x"]


def test_sparsity_is_the_filled_share_of_the_matrix():
    table = events(("u", "a", "view", DAY), ("u", "a", "view", DAY), ("v", "b", "view", DAY))
    assert summaries.sparsity(table) == {"users": 2, "items": 2, "pairs": 2, "density": 0.5}


def test_no_events_give_empty_tables():
    assert isnan(summaries.head_share(summaries.per_key(NOTHING, "user_id"), 0.1))
    assert summaries.per_week(NOTHING, "UTC").is_empty()
    assert summaries.week_hours(NOTHING, "UTC").shape == (7, 25)
    assert summaries.repeats(NOTHING).is_empty()
    assert summaries.ratings(NOTHING).is_empty()
    assert summaries.categories(NOTHING, ITEMS, 5).is_empty()
    assert summaries.sparsity(NOTHING)["density"] == 0
