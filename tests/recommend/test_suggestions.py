"""Lists for all users, their reasons, and the purchase history next to them."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recomart_lib import models
from recomart_lib.core.schemas import INTERACTIONS
from recomart_lib.recommend import reasons, suggestions, takeaways
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
PURCHASES = [("u", "a", 1), ("u", "b", 9), ("u", "d", 5), ("v", "a", 2), ("v", "d", 3), ("w", "a", 4)]


def window() -> dict[str, pl.DataFrame]:
    users = pl.DataFrame({"user_id": ["u", "v", "w"], "user_idx": pl.Series([0, 1, 2], dtype=pl.Int32)})
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "item_idx": pl.Series([0, 1, 2, 3], dtype=pl.Int32)})
    rows = []
    for user, item, day in PURCHASES:
        moment = datetime(2024, 2, day, tzinfo=UTC)
        rows.append(
            {
                "user_id": user,
                "item_id": item,
                "n_events": 1,
                "n_relevant": 1,
                "n_orders": 1,
                "weight": 1.0,
                "quantity": 1.0,
                "first_timestamp": moment,
                "last_timestamp": moment,
                "last_relevant_timestamp": moment,
                "rating": None,
            }
        )
    pairs = pl.DataFrame(rows).join(users, on="user_id").join(items, on="item_id")
    schema = {name: dtype for name, dtype in INTERACTIONS.items() if name in pairs.columns}
    return {"users": users, "items": items, "interactions": pairs.cast(schema)}


def recommended(k: int = 3, protocol: str = "all") -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    tables = window()
    data = train_data.from_window(tables, CUT)
    popular = models.create("popularity").fit(data)
    model = models.create("own_history").fit(data)
    lists = suggestions.lists_for_all_users(model, popular, data, tables, USERS, protocol, k)
    named = reasons.with_reasons(lists, data, tables, ITEMS, protocol).join(ITEMS, on="item_id", maintain_order="left")
    return named, tables


def test_every_user_gets_a_list_and_every_recommendation_a_reason():
    named, _ = recommended()
    assert named.group_by("user_id").len().sort("user_id").rows() == [("u", 3), ("v", 3), ("w", 3), ("x", 3)]
    sentences = {(row["user_id"], row["item_id"]): row["reason"] for row in named.iter_rows(named=True)}
    kinds = {(row["user_id"], row["item_id"]): row["reason_kind"] for row in named.iter_rows(named=True)}
    assert (kinds["u", "b"], kinds["w", "d"], kinds["x", "a"]) == (
        reasons.CHOSEN_BEFORE,
        reasons.CHOSEN_TOGETHER,
        reasons.POPULAR,
    )
    assert sentences["u", "b"] == "You chose this once before, last on 2024-02-09."
    assert sentences["w", "d"] == "2 customers who chose Apple chose this too."
    assert sentences["x", "a"] == "Popular in the shop: 3 customers chose it."


def test_who_has_every_product_gets_what_to_choose_again(monkeypatch):
    monkeypatch.setattr(f"{__name__}.PURCHASES", [*PURCHASES, ("u", "c", 8)])
    named, _ = recommended(protocol="novel")
    assert named.group_by("user_id").len().sort("user_id").rows() == [("u", 3), ("v", 2), ("w", 3), ("x", 3)]
    again = named.filter(user_id="u").row(0, named=True)
    assert again["reason"] == "You have chosen every product: this one once, last on 2024-02-01."
    assert set(named.filter(reason_kind=reasons.NOTHING_NEW)["user_id"]) == {"u"}
    assert reasons.CHOSEN_BEFORE not in named["reason_kind"].to_list()


def test_history_is_next_to_the_list_most_recent_first():
    named, tables = recommended()
    page = suggestions.list_with_history("u", named, tables, ITEMS)
    assert page.select("rank", "history", "last").rows() == [
        (1, "Bread", "2024-02-09"),
        (2, "Dates", "2024-02-05"),
        (3, "Apple", "2024-02-01"),
    ]
    assert page["recommendation"].to_list() == ["Apple", "Dates", "Bread"]  # one order each: the popular ones first


def test_short_history_leaves_nulls_and_no_history_only_the_list():
    named, tables = recommended()
    assert suggestions.list_with_history("w", named, tables, ITEMS)["history"].to_list() == ["Apple", None, None]
    page = suggestions.list_with_history("x", named, tables, ITEMS)
    assert (page.height, page["history"].null_count()) == (3, 3)


def test_examples_are_a_heavy_a_light_and_a_cold_user():
    assert suggestions.example_users(window(), USERS) == {"heavy": "u", "light": "w", "cold": "x"}
    assert suggestions.example_users(window(), USERS.head(3))["cold"] == "w"


def test_takeaway_counts_repeat_recommendations():
    named, tables = recommended()
    text = takeaways.pages(
        {
            kind: suggestions.list_with_history(user, named, tables, ITEMS)
            for kind, user in (("heavy", "u"), ("cold", "x"))
        }
    )
    assert (
        "The **heavy** user's list is shown next to 3 recent products. 3 of 3 recommendations are in the user's history"
        in text
    )
    assert "The **cold** user's list is shown next to 0 recent products. 0 of 3" in text
    assert takeaways.pages({"cold": suggestions.list_with_history("u", named, tables, ITEMS)}).endswith(
        "the light user is shown instead."
    )
