"""Rules that can never be met are refused, with the count."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_lists import Days, Lists, Products
from recomart_lib.lists import feasibility
from recomart_lib.lists.catalogue import Context

AT = datetime(2026, 1, 31, tzinfo=UTC)
ITEMS = pl.DataFrame(
    {
        "item_id": list("abcdef"),
        "category": ["tea", "tea", "tea", "cup", "cup", "cup"],
        "brand": "x",
        "available": pl.Series([None] * 6, dtype=pl.Boolean),
        "stock": pl.Series([1.0, 1.0, 1.0, 0.0, None, None]),
    }
)
CHOSEN = pl.DataFrame(
    {"user_id": list("uuuuu"), "item_id": list("abcde"), "n_relevant": [100, 1, 1, 1, 1]}
).with_columns(last_relevant_timestamp=pl.lit(AT))


def check(rules: Lists, k: int = 4) -> None:
    feasibility.check(rules, Context(ITEMS, CHOSEN, AT), k, 10, "corner")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (Lists(block=Products(categories=["teas"])), "lists.block.categories: no product has 'teas'.*'tea'"),
        (Lists(not_bought_within_days=Days(category={"cups": 3})), "lists.not_bought_within_days.category.*'cup'"),
        (Lists(block=Products(items=["A"])), "none of the 1 ids is in the catalogue"),
        (Lists(allow=Products(categories=["tea"])), "leave 3 of 6 products, fewer than the 4.*allow takes out 3"),
        (Lists(only_available=True), "the column available of the items is empty"),
        (Lists(only_in_stock=True), "only_in_stock takes out 3"),
        (Lists(pinned={9: "a"}), "lists.pinned.9: a list has 4 places"),
        (Lists(pinned={1: "z"}), "there is no product 'z'"),
        (Lists(pinned={1: "a"}, block=Products(items=["a"])), "takes 'a' out of all lists"),
        (Lists(max_per_category=1), "lists.max_per_category: .* fill 2 of the 4 places.*at least 2"),
        (Lists(max_share_of_users=0.5), "6 products, each for at most 5 of 10 users, cannot fill 4 places"),
    ],
)
def test_what_can_never_be_met_is_refused(rules, message):
    with pytest.raises(UserError, match=r"^shops/corner.yaml: .*" + message):
        check(rules)


def test_what_can_be_met_is_accepted():
    check(Lists())
    check(Lists(max_per_category=2, max_share_of_users=0.7, pinned={1: "a"}, block=Products(items=["b", "gone"])))
    check(Lists(only_in_stock=True), k=3)
