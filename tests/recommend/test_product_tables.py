"""The stored tables of products: contents by hand, schemas, and the shop's rules."""

from __future__ import annotations

import polars as pl
import pytest
from model_data import CUT, interactions, pair

from recomart_lib import models
from recomart_lib.core import schemas
from recomart_lib.core.shop_lists import Lists
from recomart_lib.models.base import TrainData
from recomart_lib.recommend import customers, orders, product_tables, product_takeaways

# users 0 to 3 chose a and b, user 4 chose b and c
HISTORY = [*[pair(user, item) for user in range(4) for item in (0, 1)], pair(4, 1), pair(4, 2, n_orders=3)]
DATA = TrainData.of(interactions(HISTORY), 5, 3, CUT)
WINDOW = {
    "users": pl.DataFrame({"user_idx": pl.Series(range(5), dtype=pl.Int32), "user_id": [f"u{n}" for n in range(5)]}),
    "items": pl.DataFrame({"item_idx": pl.Series(range(3), dtype=pl.Int32), "item_id": ["a", "b", "c"]}),
}
WINDOW["interactions"] = DATA.interactions.join(WINDOW["users"], on="user_idx").join(WINDOW["items"], on="item_idx")
ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "name": ["Red axe", "Bow", "Blue cup", "Green cup"],
        "category": ["tools", "toys", "kitchen", "kitchen"],
        "brand": "unknown",
        "price": [1.0, 2.0, 3.0, 3.0],
    }
)
EVENTS = WINDOW["interactions"].select(
    "user_id",
    "item_id",
    event_id=pl.int_range(pl.len()).cast(pl.String),
    event_type=pl.lit("purchase"),
    timestamp="last_timestamp",
    order_id="user_id",
)
ORDERS = orders.of_events(EVENTS, WINDOW, ["purchase"])
SCHEMAS = {
    "similar": schemas.SIMILAR,
    "bought_together": schemas.BOUGHT_TOGETHER,
    "trending": schemas.TRENDING,
    "customers": schemas.CUSTOMERS,
    "category_customers": schemas.CATEGORY_CUSTOMERS,
}


def build(rules: Lists | None = None, items: pl.DataFrame = ITEMS) -> dict[str, pl.DataFrame]:
    model = models.create("item_knn").fit(DATA)
    return product_tables.build(model, DATA, ORDERS, WINDOW, items, rules or Lists())


@pytest.mark.parametrize("name", SCHEMAS)
def test_tables_have_their_schema(name):
    assert build()[name].schema == SCHEMAS[name]


def test_similar_products_by_users_or_by_attributes():
    rows = build()["similar"].select("item_id", "other_item_id", "support", "model", "reason").rows()
    assert rows[:2] == [
        ("a", "b", 4, "item_knn", "4 of 4 customers who chose Red axe chose Bow too."),
        ("b", "a", 4, "item_knn", "4 of 5 customers who chose Bow chose Red axe too."),
    ]
    assert rows[2:] == [
        ("c", "d", 0, "content", "Similar to Blue cup by name, category, brand or price."),
        ("d", "c", 0, "content", "Similar to Green cup by name, category, brand or price."),
    ]


def test_customers_are_ordered_by_the_models_score_and_marked():
    best = build()["customers"].filter(item_id="c")
    score = models.create("item_knn").fit(DATA).score(DATA.interactions["user_idx"].unique().to_numpy())[:, 2]
    assert best["user_id"].to_list() == ["u4", "u0", "u1", "u2", "u3"]
    assert best["affinity"].to_list() == pytest.approx(sorted(score, reverse=True))
    assert best["n_orders"].to_list() == [3, 0, 0, 0, 0]
    assert best["last"].is_null().to_list() == [False, True, True, True, True]


def test_customers_of_a_category_add_up_its_products():
    kitchen = build()["category_customers"].filter(category="kitchen")
    assert kitchen["affinity"].to_list() == build()["customers"].filter(item_id="c")["affinity"].to_list()


def test_unknown_categories_are_not_alike():
    items = ITEMS.with_columns(category=pl.lit("unknown"))
    made = build(items=items)
    assert not made["category_customers"].height
    assert "*Not applicable: whether similar products share the category" in product_takeaways.similar(
        made["similar"], items
    )


@pytest.mark.parametrize("blocked", ["a", "b", "c", "d"])
def test_a_blocked_product_is_never_shown(blocked):
    made = build(Lists.model_validate({"block": {"items": [blocked]}}))
    for name in ("similar", "bought_together"):
        assert blocked not in made[name]["other_item_id"]
    for name in ("trending", "customers"):
        assert blocked not in made[name]["item_id"]


def test_the_table_of_customers_is_bounded():
    assert customers.users_per_product(4_000, 100) == 100
    assert customers.users_per_product(1_000_000, 100) * 1_000_000 <= customers.MAX_ROWS


def test_the_gallery_names_products_in_the_order_asked_for():
    rows = product_tables.gallery(build()["similar"], ITEMS, ["b", "a"], 1)
    assert rows.select("product", "other").rows() == [("Bow", "Red axe"), ("Red axe", "Bow")]


def test_takeaways_of_tables():
    made = build()
    assert "**4 of 4 products have similar products**: 2 by the users" in product_takeaways.similar(
        made["similar"], ITEMS
    )
    assert "0 % of the similar products share the category" in product_takeaways.similar(made["similar"], ITEMS)
    assert product_takeaways.together(made["bought_together"], 4).startswith("*Not applicable: no two products")
    assert product_takeaways.trending(made["trending"]).startswith("*Not applicable: no product clearly sells")
    assert product_takeaways.customers(made["customers"], ITEMS, 5).startswith("**3 of 4 products have customers")
    assert product_takeaways.similar(made["similar"].clear(), ITEMS).startswith(
        "*Not applicable: no product has similar"
    )
    assert product_takeaways.customers(made["customers"].clear(), ITEMS, 5).startswith(
        "*Not applicable: no product was chosen"
    )
