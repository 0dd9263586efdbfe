"""The shop's rules for one user's live list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from recomart_lib.core.schemas import RANKED_LISTS
from recomart_lib.core.shop_lists import Lists, Products
from recomart_lib.features import online_events
from recomart_lib.recommend import live_lists, live_rules, reasons

NOW = datetime(2026, 1, 31, tzinfo=UTC)
ITEMS = pl.DataFrame({"item_id": list("abcdef"), "name": list("ABCDEF"), "category": "tea", "brand": "x"})
RANKED = pl.DataFrame({"item_id": list("abcd"), "score": [4.0, 3.0, 2.0, 1.0], "rank": [1, 2, 3, 4]})
FRESH = pl.DataFrame(
    {"event_type": ["view", "purchase"], "item_id": ["a", "b"], "timestamp": [NOW, NOW - timedelta(hours=1)]}
).select(
    pl.lit(None, dtype).alias(n) if n not in ("event_type", "item_id", "timestamp") else n
    for n, dtype in online_events.FRESH.items()
)


def listed(tmp_path, rules: Lists, protocol: str = "all", user: str = "u") -> str:
    """The list of user u, who bought a long ago and b an hour ago; stored lists show c to three of four users."""
    (tmp_path / "data/prepared/live").mkdir(parents=True, exist_ok=True)
    (tmp_path / "data/recommendations").mkdir(exist_ok=True)
    pairs = {"user_id": ["u"], "item_id": ["a"], "n_relevant": [1], "last_relevant_timestamp": [NOW - timedelta(99)]}
    pl.DataFrame(pairs).write_parquet(tmp_path / "data/prepared/live/interactions.parquet")
    ITEMS.write_parquet(tmp_path / "data/prepared/items.parquet")
    stored = [(user, item, 1.0, 1, "als") for user, item in ("ua", "vc", "wc", "xc")]
    pl.DataFrame(stored, RANKED_LISTS, orient="row").write_parquet(
        tmp_path / "data/recommendations/recommendations.parquet"
    )
    known = live_rules.context(user, FRESH, ["purchase"], protocol, tmp_path)
    return "".join(
        live_rules.apply(live_rules.for_user(rules, user, tmp_path), user, RANKED, ITEMS["item_id"], known, 3)[
            "item_id"
        ]
    )


def test_a_live_list_obeys_the_rules(tmp_path):
    assert listed(tmp_path, Lists(block=Products(items=["b"]))) == "acd"
    assert listed(tmp_path, Lists(pinned={2: "f"})) == "afb"


def test_new_events_count_as_purchases(tmp_path):
    assert listed(tmp_path, Lists(not_bought_within_days={"default": 30.0})) == "acd"
    assert listed(tmp_path, Lists(only_new=True)) == "cde"
    assert listed(tmp_path, Lists(block=Products(items=["c"])), "novel") == "def"


def test_a_product_at_its_limit_is_shown_to_its_stored_users_only(tmp_path):
    assert listed(tmp_path, Lists(max_share_of_users=0.75)) == "abd"
    assert listed(tmp_path, Lists(max_share_of_users=0.75), user="v") == "abc"


def test_what_the_rules_put_in_has_a_reason_of_its_own():
    rows = [(1, "f", None, None, None, None), (2, "e", None, None, None, None), (3, "d", 1.0, None, None, None)]
    ranked = pl.DataFrame(rows, live_lists.RANKED, orient="row")
    with_reasons = live_lists.with_reasons(ranked, ITEMS, Lists(pinned={1: "f"}))
    kinds = with_reasons.get_column("reason_kind").to_list()
    assert kinds == [reasons.SHOP_CHOICE, reasons.NEW_IN_SHOP, reasons.POPULAR]
    assert with_reasons.get_column("reason")[0] == "Chosen by the shop."
