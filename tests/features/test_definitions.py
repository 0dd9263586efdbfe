"""Features: every value worked by hand, for a shop with everything and for shops that lack something."""

from __future__ import annotations

from datetime import timedelta
from math import hypot, log, sqrt

import narwhals as nw
import polars as pl
import pytest
from conftest import ROOT, utc
from feature_data import AS_OF, BOUGHT, HISTORY, ITEMS, PARAMS, SHOP, USERS, prepared_tables
from hypothesis import given, settings
from hypothesis import strategies as st

from recomart_lib.core.errors import UserError
from recomart_lib.features import compute as computing
from recomart_lib.features import definitions, engine, registry_history
from recomart_lib.features.base import KEYS, whole
from recomart_lib.features.settings import Features
from tools import docs_features


def compute(
    history, users=USERS, items=ITEMS, params=PARAMS, as_of=AS_OF, zone="UTC", pairs=None
) -> dict[str, pl.DataFrame]:
    """The feature tables of such a prepared."""
    return computing.compute(prepared_tables(history, users, items, zone), as_of, params, pairs)


def row(tables: dict[str, pl.DataFrame], entity: str, *key: str) -> dict:
    """One row of a feature table by its key, without its moment."""
    wanted = [pl.col(name) == value for name, value in zip(KEYS[entity], key, strict=True)]
    return tables[entity].drop("event_timestamp").filter(*wanted).row(0, named=True)


@pytest.fixture(scope="module")
def made() -> dict[str, pl.DataFrame]:
    return compute(HISTORY)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "u1",
            {
                "activity_count": 5,
                "average_rating": 5.0,
                "purchase_ratio": 1 / 4,
                "preferred_category": "tools",
                "age_group": "25-34",
                "gender": "f",
                "country": "DE",
                "tenure_days": 31.0,
            },
        ),
        (
            "u2",
            {
                "activity_count": 4,
                "average_rating": 2.0,
                "purchase_ratio": 1 / 2,
                "preferred_category": "food",
                "age_group": "unknown",
                "gender": "unknown",
                "country": "unknown",
                "tenure_days": 10.0,
            },
        ),
    ],
)
def test_user_features(made, key, expected):
    found = row(made, "user", key)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("key", "expected"),
    [  # the shop's mean rating is 3.5; prices are medians of the events: a 10, b 20, c 7
        (
            "a",
            {
                "popularity": 1,
                "average_rating": (5 + 5 * 3.5) / 6,
                "price_tier": 1,
                "conversion_rate": 1 / 2,
                "category": "tools",
                "brand": "Acme",
            },
        ),
        (
            "b",
            {
                "popularity": 0,
                "average_rating": 3.5,
                "price_tier": 2,
                "conversion_rate": 0.0,
                "category": "tools",
                "brand": "unknown",
            },
        ),
        (
            "c",
            {
                "popularity": 1,
                "average_rating": (2 + 5 * 3.5) / 6,
                "price_tier": 2,
                "conversion_rate": None,
                "category": "food",
                "brand": "unknown",
            },
        ),
    ],
)
def test_item_features(made, key, expected):
    found = row(made, "item", key)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


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
        assert table.columns == [*KEYS[entity], "event_timestamp", *definitions.names(entity)]
        assert table.equals(table.sort(KEYS[entity]))
        assert set(table["event_timestamp"]) == {AS_OF}
        assert not table.select(KEYS[entity]).is_duplicated().any()
        for definition in definitions.DEFINITIONS:
            if definition.entity == entity and definition.null == "never":
                assert table[definition.name].null_count() == 0
    assert {d.entity for d in definitions.DEFINITIONS} == set(made)


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
    assert (item["popularity"], item["category"], pair["affinity"]) == (1, "unknown", None)
    assert [item[name] for name in ("average_rating", "price_tier", "conversion_rate")] == [None] * 3
    assert (user["average_rating"], user["purchase_ratio"], user["preferred_category"]) == (None, 1.0, None)
    assert (user["preferred_category_share"], user["category_breadth"], user["preferred_brand"]) == (None, 0, None)


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


def test_a_step_that_the_shop_does_not_have_has_no_rate():
    views = [("u1", "a", "view", utc(2024, 1, 2), {}), ("u1", "a", "cart", utc(2024, 1, 2), {})]
    looking, without_carts = compute(views), compute([views[0], ("u1", "a", "purchase", utc(2024, 1, 3), {})])
    item, user = row(looking, "item", "a"), row(looking, "user", "u1")
    assert (item["conversion_rate"], item["cart_to_purchase_rate"], user["purchase_ratio"]) == (None, None, None)
    assert item["view_to_cart_rate"] == 1
    item = row(without_carts, "item", "a")
    assert (item["conversion_rate"], item["view_to_cart_rate"], item["cart_to_purchase_rate"]) == (1, None, None)


def test_unknown_is_no_category_and_no_brand():
    items = [{"item_id": "a"}, {"item_id": "b", "category": "tools", "brand": "Acme"}]
    made = compute([("u", item, "view", utc(2024, 1, 2), {}) for item in ("a", "a", "a", "b")], items=items)
    user = row(made, "user", "u")
    assert (user["preferred_category"], user["preferred_category_share"]) == ("tools", 0.25)
    assert user["second_category"] is None
    assert (user["preferred_brand"], user["preferred_brand_share"], user["category_breadth"]) == ("Acme", 0.25, 1)
    assert row(made, "interaction", "u", "a")["affinity"] is None
    assert row(made, "interaction", "u", "b")["affinity"] == 0.25


def test_todays_price_of_a_product_is_not_known_at_an_earlier_moment():
    price_by_day = {5: None, 9: 3.0, 12: None}
    sold = [("u", "a", "purchase", utc(2024, 1, day), {"price": price}) for day, price in price_by_day.items()]
    made = compute(sold, items=[{"item_id": "a", "price": 99.0}], as_of=utc(2024, 1, 9))
    assert row(made, "item", "a")["price"] is None
    made = compute(sold, items=[{"item_id": "a", "price": 99.0}])
    assert (row(made, "item", "a")["price"], row(made, "user", "u")["spend"]) == (3.0, 6.0)


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


# what a ranking model lives on, worked by hand ----------------------------------------------------------------------

A1 = 5 * (1 + log(2)) + 5 + 5  # implicit score of u1 and a: three purchases, one of them of two pieces
NORM = hypot(A1 + 5, A1)  # u1: tools and Acme; b's brand is unknown


@pytest.fixture(scope="module")
def bought() -> dict[str, pl.DataFrame]:
    return compute(BOUGHT, users=[{"user_id": user} for user in ("u1", "u2", "u3")], items=SHOP)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (
            "u1",
            {
                "order_count": 3,
                "days_since_last_order": 1,
                "order_interval_days": 30 / 2,
                "basket_size": 4 / 3,
                "spend": 60,
                "price_level": (1 + 2 + 1.2 + 0.8) / 4,
                "return_rate": 1 / 5,
                "days_since_last_event": 0.5,
                "events_30d": 2,
                "weekend_share": 0,
                "item_breadth": 2,
                "category_breadth": 1,
                "preferred_weekday": 1,
                "preferred_hour": 0,
                "preferred_category": "tools",
                "preferred_category_share": 1,
                "second_category": None,
                "second_category_share": None,
                "preferred_brand": "Acme",
                "preferred_brand_share": A1 / (A1 + 5),
                "rating_count": None,
            },
        ),
        (
            "u2",
            {
                "order_count": 1,
                "days_since_last_order": 11,
                "order_interval_days": None,
                "basket_size": 2,
                "spend": 17,
                "price_level": 1,
                "return_rate": 0,
                "weekend_share": 1,
                "preferred_weekday": 7,
                "preferred_category": "food",
                "preferred_category_share": 0.5,
                "second_category": "tools",
                "second_category_share": 0.5,
                "category_breadth": 2,
                "preferred_brand": "Acme",
            },
        ),
        (
            "u3",
            {
                "order_count": 0,
                "days_since_last_order": None,
                "basket_size": None,
                "spend": None,
                "price_level": None,
                "return_rate": None,
                "events_30d": 1,
                "preferred_hour": 13,
            },
        ),
    ],
)
def test_what_a_user_is_like(bought, key, expected):
    found = row(bought, "user", key)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("key", "expected"),
    [  # prices of a: 10, 12, 8, 8 (returned), 10; the last is 8
        (
            "a",
            {
                "order_count": 4,
                "repeat_rate": 1 / 2,
                "repurchase_interval_days": 30 / 2,
                "popularity": 2,
                "popularity_7d": 1,
                "popularity_30d": 2,
                "popularity_90d": 2,
                "popularity_trend": 3,
                "price": 8,
                "price_vs_usual": 0.8,
                "discount": 0.2,
                "price_vs_category": 10 / 15,
                "return_rate": 1 / 5,
                "age_days": 31,
                "days_since_last_event": 0.5,
                "events_30d": 3,
            },
        ),
        (
            "b",
            {
                "order_count": 1,
                "repeat_rate": 0,
                "repurchase_interval_days": None,
                "popularity_30d": 0,
                "popularity_90d": 1,
                "popularity_trend": 0,
                "price_vs_usual": 1,
                "discount": 0,
                "price_vs_category": 20 / 15,
                "return_rate": 0,
                "events_30d": 0,
                "view_to_cart_rate": None,
            },
        ),
        (
            "c",
            {
                "order_count": 1,
                "days_since_last_event": 6 + 11 / 24,
                "conversion_rate": 0,
                "view_to_cart_rate": None,
                "cart_to_purchase_rate": None,
                "rating_count": None,
                "average_rating": None,
            },
        ),
    ],
)
def test_what_an_item_is_like(bought, key, expected):
    found = row(bought, "item", key)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("user", "item", "expected"),
    [
        (
            "u1",
            "a",
            {
                "purchase_count": 3,
                "order_count": 3,
                "days_since_last_order": 1,
                "days_since_last_event": 1,
                "basket_share": 1,
                "cycle_of_pair": 1 / 15,
                "cycle_of_user": 1 / 15,
                "cycle_of_item": 1 / 15,
                "copurchase_similarity": 1 / sqrt(2),
                "view_count": 0,
                "cart_count": None,
                "rating_count": None,
                "content_similarity": (2 * A1 + 5) / (NORM * sqrt(2)),
                "affinity": 1,
            },
        ),
        (
            "u1",
            "b",
            {
                "purchase_count": 1,
                "basket_share": 1 / 3,
                "cycle_of_pair": None,
                "cycle_of_user": 31 / 15,
                "cycle_of_item": None,
                "copurchase_similarity": 1 / sqrt(2),
                "content_similarity": (A1 + 5) / NORM,
            },
        ),
        ("u2", "a", {"cycle_of_pair": None, "cycle_of_user": None, "cycle_of_item": 11 / 15, "affinity": 0.5}),
        (
            "u3",
            "c",
            {
                "view_count": 1,
                "purchase_count": 0,
                "order_count": 0,
                "basket_share": None,
                "copurchase_similarity": None,
                "content_similarity": 1,
            },
        ),
    ],
)
def test_what_is_between_a_user_and_an_item(bought, user, item, expected):
    found = row(bought, "interaction", user, item)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_pairs_without_an_event_can_be_requested():
    asked = pl.DataFrame({"user_id": ["u1", "u1", "ghost"], "item_id": ["c", "a", "a"]})
    made = compute(BOUGHT, items=SHOP, pairs=asked)["interaction"]
    assert made.select("user_id", "item_id").rows() == [("ghost", "a"), ("u1", "a"), ("u1", "c")]
    new = row({"interaction": made}, "interaction", "u1", "c")
    assert (new["purchase_count"], new["implicit_score"], new["affinity"]) == (0, None, 0)
    assert new["copurchase_similarity"] == pytest.approx(1 / sqrt(2))  # through a; nobody has b and c
    assert new["content_similarity"] == 0
    known = compute(BOUGHT, items=SHOP)["interaction"].filter(user_id="u1", item_id="a")
    assert made.filter(user_id="u1", item_id="a").equals(known)
    ghost = row({"interaction": made}, "interaction", "ghost", "a")
    assert (ghost["affinity"], ghost["copurchase_similarity"], ghost["purchase_count"]) == (None, None, 0)


def test_co_purchases_count_the_products_bought_last():
    days = [("u", item, "purchase", utc(2024, 1, day), {}) for day, item in ((1, "a"), (2, "b"), (3, "c"))]
    other = [("v", item, "purchase", utc(2024, 1, 9), {}) for item in ("a", "b")]
    made = compute([*days, *other], items=SHOP, params=Features(n_last=2))["interaction"]
    # u counts for b and c only, v for a and b: buyers a 1, b 2, c 1; common: a-b 1 (v), b-c 1 (u)
    found = {(u, i): value for u, i, value in made.select("user_id", "item_id", "copurchase_similarity").iter_rows()}
    assert found["u", "a"] == pytest.approx(1 / sqrt(2))
    assert found["u", "b"] == pytest.approx(1 / sqrt(2))
    assert found["v", "a"] == pytest.approx(1 / sqrt(2))


@pytest.mark.parametrize(("name", "days"), [("popularity_7d", 7), ("popularity_30d", 30), ("popularity_90d", 90)])
def test_windows_hold_their_first_moment(name, days):
    for moment, counted in ((AS_OF - timedelta(days=days), 1), (AS_OF - timedelta(days=days, microseconds=1), 0)):
        assert compute([("u", "a", "purchase", moment, {})])["item"][name].to_list() == [counted]


@pytest.mark.parametrize(
    ("zone", "weekday", "hour"), [("UTC", 7, 23), ("Europe/Berlin", 1, 0), ("America/New_York", 7, 18)]
)
def test_weekdays_and_hours_are_local(zone, weekday, hour):
    made = compute([("u", "a", "view", utc(2024, 1, 7, 23, 30), {})], zone=zone)
    found = row(made, "user", "u")
    assert (found["preferred_weekday"], found["preferred_hour"]) == (weekday, hour)


def test_of_equally_frequent_days_the_earlier_is_preferred():
    seen = [("u", "a", "view", utc(2024, 1, day, hour), {}) for day, hour in ((3, 20), (2, 9))]
    found = row(compute(seen), "user", "u")
    assert (found["preferred_weekday"], found["preferred_hour"]) == (2, 9)


def test_without_a_kind_of_event_its_features_are_null_for_everybody():
    made = compute([("u", "a", "view", utc(2024, 1, 1), {})], items=[{"item_id": "a"}])
    lacking = {(d.entity, d.name) for d in definitions.DEFINITIONS if d.reads and "view" not in d.reads}
    nulls = {
        (entity, name)
        for entity, table in made.items()
        for name in definitions.names(entity)
        if table[name].null_count() == table.height
    }
    assert lacking <= nulls
    assert {("user", "order_count"), ("item", "popularity"), ("interaction", "purchase_count")} <= nulls
    assert ("user", "activity_count") not in nulls


def test_the_order_of_rows_does_not_matter_to_the_last_bit():
    noisy = [
        (
            f"u{n % 7}",
            "abc"[n % 3],
            ("purchase", "view", "rating", "return")[n % 5 % 4],
            utc(2024, 1, 1 + n % 28, n % 24),
            {
                "price": 0.1 * n + 0.07,
                "quantity": 0.1 + n % 30 / 10,
                "rating": 1 + n % 41 / 10,
                "order_id": f"o{n // 2}",
            },
        )
        for n in range(300)
    ]
    first = prepared_tables(noisy)
    shuffled = first.events.to_native().collect().sample(fraction=1, shuffle=True, seed=3)
    again = engine.PreparedTables(nw.from_native(shuffled.lazy()), first.users, first.items)
    made, other = (computing.compute(one, AS_OF, PARAMS) for one in (first, again))
    assert all(made[entity].equals(other[entity]) for entity in made)


def test_halves_are_rounded_up_on_every_engine():
    amounts = pl.DataFrame({"amount": [0.5, 1.5, 2.5, 2.4, 0.0]})
    assert nw.from_native(amounts).select(whole(nw.col("amount"), 0))["amount"].to_list() == [1, 2, 3, 2, 0]


def test_returned_fractions_are_exact():
    weights = [("u1", "a", kind, utc(2024, 1, 1), {"quantity": 0.1}) for kind in ["purchase"] * 3 + ["return"] * 3]
    made = compute(weights)
    assert made["user"]["return_rate"].to_list() == made["item"]["return_rate"].to_list() == [1.0]


# the catalogue -------------------------------------------------------------------------------------------------------

# Models pin these versions: a definition that they hold must not change. Give the changed feature a new name, or a new
# `since`, which makes the next version; then add its digest here.
RELEASED = {"recommender_v1": "3c005b7b25e2", "recommender_v2": "eb8935fca98b", "recommender_v3": "6d0276306dd9"}


@pytest.mark.parametrize("service", RELEASED)
def test_released_versions_are_frozen(service):
    assert registry_history.digest(definitions.SERVICES[service]) == RELEASED[service]
    assert list(definitions.SERVICES) == list(RELEASED)


def test_every_definition_says_all_and_names_are_unique():
    for d in definitions.DEFINITIONS:
        assert all((d.formula, d.unit, d.null, d.owner))
    refs = [d.ref for d in definitions.DEFINITIONS]
    assert len(refs) == len(set(refs))
    assert len(definitions.SERVICES["recommender_v1"]) == 17


def test_unknown_names_suggest_the_near_ones():
    assert [d.ref for d in definitions.find("average_rating")] == [
        "user.average_rating",
        "item.average_rating",
        "interaction.average_rating",
    ]
    assert [d.ref for d in definitions.find("item.price")] == ["item.price"]
    with pytest.raises(UserError, match="Did you mean 'order_count'"):
        definitions.find("ordercount")
    with pytest.raises(UserError, match=r"Did you mean 'user\.spend'"):
        definitions.find("user.spent")
    with pytest.raises(UserError, match="Did you mean 'recommender_v1'"):
        definitions.definitions("recommender1")


def test_the_document_is_generated_from_the_definitions():
    assert (ROOT / docs_features.FILE).read_text(encoding="utf-8") == docs_features.markdown(), "run: make docs"
