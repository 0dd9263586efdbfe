"""Features: every value worked by hand, for a shop with everything and for shops that lack something."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from conftest import rows, utc
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib import features, prepare
from recomart_lib.errors import UserError
from recomart_lib.params import Features, Prepare

AS_OF = utc(2024, 2, 1)
PARAMS = Features(half_life_days=10, n_price_tiers=2, rating_prior=5)
USERS = [
    {"user_id": "u1", "signup_date": date(2024, 1, 1), "age": 30, "gender": "F", "country": "DE"},
    {"user_id": "u2"},
]
ITEMS = [
    {"item_id": "a", "category": "tools", "brand": "Acme", "price": 10.0},
    {"item_id": "b", "category": "tools", "price": 20.0},
    {"item_id": "c", "category": "food", "price": 7.0},
]
HISTORY = [
    ("u1", "a", "view", utc(2024, 1, 2), {}),
    ("u1", "a", "purchase", utc(2024, 1, 12), {"price": 12.0}),
    ("u1", "b", "view", utc(2024, 1, 2), {}),
    ("u1", "c", "cart", utc(2024, 1, 3), {}),
    ("u1", "a", "rating", utc(2024, 1, 20), {"rating": 5.0}),
    ("u2", "a", "view", utc(2024, 1, 22), {}),
    ("u2", "c", "purchase", utc(2024, 1, 31), {"quantity": 1}),
    ("u2", "c", "return", utc(2024, 1, 31, 12), {"quantity": 1}),
    ("u2", "c", "rating", utc(2024, 1, 31, 13), {"rating": 2.0}),
]


def compute(history, users=USERS, items=ITEMS, params=PARAMS, as_of=AS_OF) -> dict[str, pl.DataFrame]:
    """Feature tables of (user, item, type, time, more) events, prepared as 04_prepare does."""
    records = [
        {"event_id": f"e{n}", "user_id": user, "item_id": item, "event_type": kind, "timestamp": moment} | more
        for n, (user, item, kind, moment, more) in enumerate(history)
    ]
    catalogue = rows("items", *items)
    events = prepare.clean_events(rows("events", *records), catalogue, Prepare())
    people = prepare.clean_users(rows("users", *users))
    return features.compute(events, people, prepare.clean_items(catalogue), as_of, params)


def row(tables: dict[str, pl.DataFrame], entity: str, *key: str) -> dict:
    """One row of a feature table by its key, without its moment."""
    wanted = [pl.col(name) == value for name, value in zip(features.KEYS[entity], key, strict=True)]
    return tables[entity].drop("event_timestamp").filter(*wanted).row(0, named=True)


@pytest.fixture(scope="module")
def made() -> dict[str, pl.DataFrame]:
    return compute(HISTORY)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("u1", {"activity_count": 5, "average_rating": 5.0, "purchase_ratio": 1 / 4, "preferred_category": "tools",
                "age_group": "25-34", "gender": "f", "country": "DE", "tenure_days": 31.0}),
        ("u2", {"activity_count": 4, "average_rating": 2.0, "purchase_ratio": 1 / 2, "preferred_category": "food",
                "age_group": "unknown", "gender": "unknown", "country": "unknown", "tenure_days": 10.0}),
    ],
)  # fmt: skip
def test_user_features(made, key, expected):
    assert row(made, "user", key) == pytest.approx(expected | {"user_id": key})


@pytest.mark.parametrize(
    ("key", "expected"),
    [  # the shop's mean rating is 3.5; prices are medians of the events: a 10, b 20, c 7
        ("a", {"popularity": 1, "average_rating": (5 + 5 * 3.5) / 6, "price_tier": 1, "conversion_rate": 1 / 2,
               "category": "tools", "brand": "Acme"}),
        ("b", {"popularity": 0, "average_rating": 3.5, "price_tier": 2, "conversion_rate": 0.0, "category": "tools",
               "brand": "unknown"}),
        ("c", {"popularity": 1, "average_rating": (2 + 5 * 3.5) / 6, "price_tier": 2, "conversion_rate": None,
               "category": "food", "brand": "unknown"}),
    ],
)  # fmt: skip
def test_item_features(made, key, expected):
    assert row(made, "item", key) == pytest.approx(expected | {"item_id": key})


@pytest.mark.parametrize(
    ("user", "item", "score", "days", "affinity"),
    [
        ("u1", "a", 1 + 5 + 0, 12, 7 / 10),
        ("u1", "b", 1, 30, 7 / 10),
        ("u1", "c", 3, 29, 3 / 10),
        ("u2", "a", 1, 10, 1 / 6),
        ("u2", "c", 5, 11 / 24, 5 / 6),
    ],
)
def test_interaction_features(made, user, item, score, days, affinity):
    found = row(made, "interaction", user, item)
    assert found["implicit_score"] == pytest.approx(score)
    assert found["recency_weight"] == pytest.approx(0.5 ** (days / 10))
    assert found["affinity"] == pytest.approx(affinity)


def test_tables_hold_keys_moment_and_the_defined_features_in_order(made):
    for entity, table in made.items():
        assert table.columns == [*features.KEYS[entity], "event_timestamp", *features.names(entity)]
        assert table.equals(table.sort(features.KEYS[entity]))
        assert set(table["event_timestamp"]) == {AS_OF}
        assert not table.select(features.KEYS[entity]).is_duplicated().any()
        for definition in features.DEFINITIONS:
            if definition.entity == entity and definition.null == "never":
                assert table[definition.name].null_count() == 0
    assert {d.entity for d in features.DEFINITIONS} == set(made)


@pytest.mark.parametrize(("moment", "used"), [(AS_OF - timedelta(microseconds=1), 1), (AS_OF, 0)])
def test_an_event_at_the_moment_itself_is_not_used(moment, used):
    event = ("u9", "a", "view", moment, {})
    assert compute([*HISTORY, event])["user"].filter(user_id="u9").height == used


LATER = st.tuples(
    st.sampled_from(["u1", "u2", "u9"]),
    st.sampled_from(["a", "c", "z"]),
    st.sampled_from(["view", "purchase", "return", "rating"]),
    st.timedeltas(timedelta(0), timedelta(days=99)).map(lambda later: AS_OF + later),
    st.fixed_dictionaries({"price": st.none() | st.floats(1, 99), "rating": st.none() | st.floats(1, 5)}),
)


@given(st.lists(LATER, max_size=6))
@settings(max_examples=25, deadline=None)
def test_nothing_from_the_cut_on_changes_a_feature(later):
    made, again = compute(HISTORY), compute([*HISTORY, *later])
    assert all(made[entity].equals(again[entity]) for entity in made)


def test_the_same_comparison_catches_a_feature_that_leaks(monkeypatch):
    monkeypatch.setattr(features, "before", lambda events, as_of: events.filter(pl.col("timestamp") <= as_of))
    with_later = compute([*HISTORY, ("u1", "a", "view", AS_OF, {})])
    assert [entity for entity, table in compute(HISTORY).items() if not table.equals(with_later[entity])] == [
        "user", "interaction",
    ]  # fmt: skip


def test_the_latest_event_used_is_before_the_moment(monkeypatch):
    events = rows("events", {"timestamp": AS_OF - timedelta(days=1)}, {"timestamp": AS_OF})
    assert features.latest_event_used(events, AS_OF) == AS_OF - timedelta(days=1)
    with pytest.raises(UserError, match="No event lies before 2024-01-31 00:00"):
        features.latest_event_used(events, AS_OF - timedelta(days=1))
    monkeypatch.setattr(features, "before", lambda events, as_of: events)
    with pytest.raises(UserError, match="Leak"):
        features.latest_event_used(events, AS_OF)


def test_the_first_of_equal_categories_by_name_is_preferred():
    made = compute([("u", "a", "view", utc(2024, 1, 1), {}), ("u", "c", "view", utc(2024, 1, 2), {})])
    assert row(made, "user", "u")["preferred_category"] == "food"


@pytest.mark.parametrize(
    ("prices", "tiers"),
    [
        ([1, 2, 3, 4], [1, 1, 2, 2]),
        ([1, 2, 3], [1, 2, 2]),
        ([5], [2]),
        ([5, 5, 5], [2, 2, 2]),
        ([None, 1, 9], [None, 1, 2]),
    ],
)
def test_price_tiers_split_a_category_by_rank(prices, tiers):
    items = [{"item_id": f"i{n}", "category": "x", "price": price} for n, price in enumerate(prices)]
    made = compute([("u", item["item_id"], "view", utc(2024, 1, 1), {}) for item in items], items=items)
    assert made["item"]["price_tier"].to_list() == tiers


def test_a_price_tier_goes_by_the_median_price_of_the_events():
    sold = [
        ("u", "a", "purchase", utc(2024, 1, day), {"price": price}) for day, price in ((1, 1.0), (2, 50.0), (3, 60.0))
    ]
    made = compute([*sold, ("u", "b", "purchase", utc(2024, 1, 1), {"price": 49.0})])
    assert made["item"].select("item_id", "price_tier").rows() == [("a", 2), ("b", 1)]


def test_no_prior_leaves_ratings_as_they_are():
    made = compute(HISTORY, params=Features(rating_prior=0))
    assert made["item"]["average_rating"].to_list() == [5.0, None, 2.0]


def test_a_shop_without_views_ratings_prices_and_categories_has_nulls_and_no_failure():
    made = compute([("u", "a", "purchase", utc(2024, 1, 1), {})], users=[], items=[{"item_id": "a"}])
    item, user, pair = (made[entity].row(0, named=True) for entity in ("item", "user", "interaction"))
    assert (item["popularity"], item["category"], pair["affinity"]) == (1, "unknown", 1.0)
    assert [item[name] for name in ("average_rating", "price_tier", "conversion_rate")] == [None] * 3
    assert (user["average_rating"], user["purchase_ratio"], user["preferred_category"]) == (None, 1.0, "unknown")


def test_feature_types_do_not_depend_on_the_shop(made):
    bare = compute([("u", "a", "purchase", utc(2024, 1, 1), {})], users=[{"user_id": "u"}], items=[{"item_id": "a"}])
    assert {entity: table.schema for entity, table in bare.items()} == {
        entity: table.schema for entity, table in made.items()
    }


def test_a_rating_shop_counts_raters():
    made = compute([(user, "a", "rating", utc(2024, 1, 1), {"rating": 4.0}) for user in ("u1", "u2")])
    item, user, pair = (made[entity].row(0, named=True) for entity in ("item", "user", "interaction"))
    assert (item["popularity"], item["average_rating"]) == (2, 4.0)
    assert (user["purchase_ratio"], user["preferred_category"], user["average_rating"]) == (None, "tools", 4.0)
    assert pair["implicit_score"] == 5.0


def test_a_user_with_returns_only_has_no_taste_and_no_pair():
    made = compute([("u1", "a", "return", utc(2024, 1, 1), {})])
    user = row(made, "user", "u1")
    assert (user["activity_count"], user["purchase_ratio"], user["preferred_category"]) == (1, None, None)
    assert made["interaction"].is_empty()


def test_the_affinity_of_a_user_whose_score_is_zero_is_null():
    rated = ("u1", "a", "rating", utc(2024, 1, 1), {"rating": 4.0})
    made = compute([rated, ("u2", "a", "purchase", utc(2024, 1, 1), {})])
    assert row(made, "interaction", "u1", "a")["affinity"] is None


def test_no_history_gives_empty_tables():
    assert all(table.is_empty() for table in compute([]).values())
