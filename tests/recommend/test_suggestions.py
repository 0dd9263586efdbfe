"""What is shown to whom, and what stands beside it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from recomart_lib import models
from recomart_lib.core.schemas import INTERACTIONS
from recomart_lib.recommend import suggestions, takeaways
from recomart_lib.recommend.reasons import with_reasons
from recomart_lib.train import train_data

CUT = datetime(2024, 3, 1, tzinfo=UTC)
ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "name": ["Apple", "Bread", "<b>Cheese</b>", "Dates"],
        "category": ["fruit", "bakery", "dairy", "fruit"],
        "price": [1.0, 2.0, 3.0, 4.0],
    }
)
USERS = pl.DataFrame({"user_id": ["u", "v", "w", "x"]})
TAKEN = [("u", "a", 1), ("u", "b", 9), ("u", "d", 5), ("v", "a", 2), ("v", "d", 3), ("w", "a", 4)]


def window() -> dict[str, pl.DataFrame]:
    users = pl.DataFrame({"user_id": ["u", "v", "w"], "user_idx": pl.Series([0, 1, 2], dtype=pl.Int32)})
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "item_idx": pl.Series([0, 1, 2, 3], dtype=pl.Int32)})
    rows = []
    for user, item, day in TAKEN:
        when = datetime(2024, 2, day, tzinfo=UTC)
        rows.append(
            {
                "user_id": user,
                "item_id": item,
                "n_events": 1,
                "n_relevant": 1,
                "n_orders": 1,
                "weight": 1.0,
                "quantity": 1.0,
                "first_timestamp": when,
                "last_timestamp": when,
                "last_relevant_timestamp": when,
                "rating": None,
            }
        )
    pairs = pl.DataFrame(rows).join(users, on="user_id").join(items, on="item_id")
    schema = {name: dtype for name, dtype in INTERACTIONS.items() if name in pairs.columns}
    return {"users": users, "items": items, "interactions": pairs.cast(schema)}


def shown(k: int = 3) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    tables = window()
    data = train_data.data_of(tables, CUT)
    popular = models.create("popularity").fit(data)
    own = models.create("own_history").fit(data)
    lists = suggestions.for_everybody(own, popular, data, tables, USERS, "all", k)
    named = with_reasons(lists, data, tables, ITEMS).join(ITEMS, on="item_id", maintain_order="left")
    return named, tables


def test_everybody_gets_a_list_and_every_suggestion_a_reason():
    named, _ = shown()
    assert named.group_by("user_id").len().sort("user_id").rows() == [("u", 3), ("v", 3), ("w", 3), ("x", 3)]
    reasons = {(row["user_id"], row["item_id"]): row["reason"] for row in named.iter_rows(named=True)}
    assert reasons["u", "b"] == "You chose this once before, last on 2024-02-09."
    assert reasons["w", "d"] == "2 customers who chose Apple chose this too."
    assert reasons["x", "a"] == "Popular in the shop: 3 customers chose it."


def test_the_history_stands_beside_the_list_the_last_first():
    named, tables = shown()
    page = suggestions.beside("u", named, tables, ITEMS)
    assert page.select("rank", "history", "last").rows() == [
        (1, "Bread", "2024-02-09"),
        (2, "Dates", "2024-02-05"),
        (3, "Apple", "2024-02-01"),
    ]
    assert page["suggestion"].to_list() == ["Apple", "Dates", "Bread"]  # one order each: the popular ones first


def test_a_short_history_leaves_gaps_and_no_history_only_the_list():
    named, tables = shown()
    assert suggestions.beside("w", named, tables, ITEMS)["history"].to_list() == ["Apple", None, None]
    page = suggestions.beside("x", named, tables, ITEMS)
    assert (page.height, page["history"].null_count()) == (3, 3)


def test_the_gallery_has_a_heavy_a_light_and_a_cold_user():
    assert suggestions.gallery(window(), USERS) == {"heavy": "u", "light": "w", "cold": "x"}
    assert suggestions.gallery(window(), USERS.head(3))["cold"] == "w"


def test_products_are_similar_by_who_takes_them():
    tables = window()
    knn = models.create("item_knn").fit(train_data.data_of(tables, CUT))
    found = suggestions.look_alikes(knn, ["a", "nobody knows it"], tables, ITEMS, 2)
    assert found.select("product", "similar", "same_category").row(0) == ("Apple", "Dates", True)
    assert "c" not in found["similar"].to_list()
    assert (
        takeaways.look_alikes(found)
        == "**1 of 2 similar products share the category** of the product they are similar to."
    )
    assert takeaways.look_alikes(found.clear()).startswith("**No product has a similar one**")
    assert np.all(np.diff(found["similarity"].to_numpy()) <= 0)


def test_the_takeaway_counts_what_comes_from_the_own_history():
    named, tables = shown()
    text = takeaways.pages(
        {kind: suggestions.beside(user, named, tables, ITEMS) for kind, user in (("heavy", "u"), ("cold", "x"))}
    )
    assert "The **heavy** user has 3 products beside the list and gets 3 of 3 suggestions from the own history" in text
    assert "The **cold** user has 0 products beside the list and gets 0 of 3" in text
    assert takeaways.pages({"cold": suggestions.beside("u", named, tables, ITEMS)}).endswith("a light one stands in.")
