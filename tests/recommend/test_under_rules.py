"""The lists of all users under the shop's rules."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recomart_lib import models
from recomart_lib.core.schemas import INTERACTIONS, RANKED_LISTS
from recomart_lib.core.shop_lists import Lists, Products
from recomart_lib.lists.catalogue import Context
from recomart_lib.lists.rules import Applied
from recomart_lib.recommend import suggestions, takeaways, under_rules
from recomart_lib.train import train_data

CUT = datetime(2026, 1, 31, tzinfo=UTC)
CATALOGUE = pl.DataFrame({"item_id": list("abcdn"), "category": ["tea", "tea", "cup", "cup", "tea"], "brand": "x"})
USERS = pl.DataFrame({"user_id": ["u", "v", "w", "x"]})  # x has no history
PURCHASES = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "d"), ("w", "a"), ("w", "c"), ("w", "b"), ("w", "d")]


def window() -> dict[str, pl.DataFrame]:
    users = pl.DataFrame({"user_id": ["u", "v", "w"], "user_idx": pl.Series([0, 1, 2], dtype=pl.Int32)})
    items = pl.DataFrame({"item_id": list("abcd"), "item_idx": pl.Series([0, 1, 2, 3], dtype=pl.Int32)})
    rows = pl.DataFrame(PURCHASES, schema=["user_id", "item_id"], orient="row").with_columns(
        [pl.lit(1).alias(name) for name in ("n_events", "n_relevant", "n_orders", "weight")]
        + [
            pl.lit(datetime(2026, 1, 1, tzinfo=UTC)).alias(name)
            for name in ("last_timestamp", "last_relevant_timestamp")
        ]
        + [pl.lit(None).alias("rating")]
    )
    pairs = rows.join(users, on="user_id").join(items, on="item_id").select("user_id", "item_id", *INTERACTIONS)
    return {"users": users, "items": items, "interactions": pairs.cast(INTERACTIONS)}


def lists(rules: Lists, protocol: str = "all", k: int = 2) -> tuple[Applied, pl.DataFrame]:
    """The lists under the rules, and those that stage 08 makes without them."""
    tables = window()
    data = train_data.from_window(tables, CUT)
    model, popular = models.create("own_history").fit(data), models.create("popularity").fit(data)
    known = Context(CATALOGUE, tables["interactions"], CUT)
    applied = under_rules.lists_for_all_users(rules, model, popular, data, tables, USERS, known, protocol, k)
    return applied, suggestions.lists_for_all_users(model, popular, data, tables, USERS, protocol, k)


def test_without_rules_the_lists_are_those_of_the_model():
    for protocol in ("all", "novel"):
        applied, plain = lists(Lists(), protocol)
        assert applied.lists.equals(plain) and applied.lists.schema == RANKED_LISTS


def test_a_blocked_product_is_on_no_list_and_is_counted_on_the_lists_of_the_model():
    for protocol in ("all", "novel"):
        applied, plain = lists(Lists(block=Products(items=["a"])), protocol)
        assert "a" not in applied.lists.get_column("item_id")
        assert applied.lists.get_column("user_id").unique().sort().to_list() == list("uvwx")
        assert applied.counts.row(0, named=True)["removed"] == plain.filter(item_id="a").height > 0


def test_novel_fills_with_new_products_only():
    applied, _ = lists(Lists(block=Products(items=["c"])), "novel")
    assert applied.lists.filter(user_id="u").get_column("item_id").to_list() == ["d"]
    assert applied.lists.filter(user_id="v").get_column("item_id").to_list() == ["b"]


def test_who_has_every_product_gets_what_is_not_new():
    applied, plain = lists(Lists(max_per_category=1), "novel")
    assert applied.lists.filter(user_id="w").height == plain.filter(user_id="w").height == 2


def test_rules_hold_for_cold_users_and_in_the_default_list():
    rules = Lists(max_per_category=1, pinned={1: "d"})
    applied, _ = lists(rules)
    assert applied.lists.filter(user_id="x").get_column("item_id").to_list() == ["d", "a"]
    tables = window()
    ranked = pl.DataFrame({"item_id": list("abcd"), "score": [3.0, 2.0, 1.0, 1.0], "rank": [1, 2, 3, 4], "model": "p"})
    known = Context(CATALOGUE, tables["interactions"], CUT)
    assert under_rules.default_list(rules, ranked, known, 2).get_column("item_id").to_list() == ["d", "a"]
    assert under_rules.default_list(Lists(), ranked, known, 2).get_column("item_id").to_list() == ["a", "b"]


def test_the_takeaway_says_what_the_rules_did():
    assert "no rules of its own" in takeaways.rules(lists(Lists())[0], "popularity")
    text = takeaways.rules(lists(Lists(block=Products(items=["a"])))[0], "popularity")
    assert "without rules, of 100 %" in text and "no list stays short" in text
