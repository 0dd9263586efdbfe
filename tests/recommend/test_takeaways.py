"""Takeaways of stage `recommend`: their content, and that it follows the numbers."""

from __future__ import annotations

import polars as pl
import pytest

from recomart_lib.core import text
from recomart_lib.core.schemas import BOUGHT_TOGETHER, CUSTOMERS, SEGMENTS, SIMILAR, TRENDING
from recomart_lib.lists.rules import COUNTS, Applied
from recomart_lib.recommend import product_takeaways, reasons, takeaways


def lists(*kinds: str) -> pl.DataFrame:
    """One recommendation for u per kind but the last, which is for v."""
    users = ["u"] * (len(kinds) - 1) + ["v"] * bool(kinds)
    columns = {"user_id": users, "item_id": [f"i{n % 2}" for n in range(len(kinds))], "reason_kind": list(kinds)}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def test_full_and_short_lists_are_counted():
    three = lists("a", "b", "a")
    assert takeaways.full_lists(three, 2, 2) == ("**1 of 2 users get 2 recommendations**, 2 distinct products in all.")
    assert takeaways.short_lists(three, 3, 2) == 2, "a user without any list counts"
    assert takeaways.warning(three, 4, 2, 1) == ""
    assert takeaways.warning(three, 4, 3, 2).startswith("2 lists are shorter than 2 (67 % of the users)")
    assert takeaways.warning(lists(), 0, 0, 2) == ""


@pytest.mark.parametrize(
    ("n_items", "n_users", "shown", "alike"),
    [(100, 20, 11, True), (100, 20, 10, False), (20, 20, 20, False), (100, 9, 9, False)],
)
def test_one_product_on_most_lists_is_a_warning(n_items, n_users, shown, alike):
    same = [(f"u{n}", "a" if n < shown else f"b{n}", place) for n in range(n_users) for place in range(1)]
    others = [(f"u{n}", f"c{n}-{place}", place) for n in range(n_users) for place in range(1, 10)]
    table = pl.DataFrame([*same, *others], ["user_id", "item_id", "rank"], orient="row")
    said = takeaways.warning(table, n_items, n_users, 10)
    share = text.percent(shown / n_users)
    limit = "the rule max_share_of_users (lists of the shop file) can limit that."
    expected = f"Lists are much alike: one product is on those of {share} of the users; {limit}"
    assert said == (expected if alike else "")


def test_users_who_have_every_product_are_counted():
    said = takeaways.full_lists(lists(reasons.NOTHING_NEW, reasons.NOTHING_NEW, reasons.POPULAR), 2, 2)
    assert said.endswith("1 user has every product already: the list shows what to choose again.")


def test_kinds_of_reasons_in_shares():
    kinds = pl.DataFrame({"reason_kind": ["bought", "popular", None], "n": [3, 1, 0]})
    assert takeaways.reason_kinds(kinds.head(2)) == "**Reasons**: bought 75 %, popular 25 %."
    assert takeaways.reason_kinds(kinds.with_columns(n=pl.lit(2))).endswith("popular 33 %, none 33 %.")
    assert takeaways.reason_kinds(kinds.head(1)) == "All 3 recommendations have the same kind of reason: **bought**."


def test_main_contribution():
    rows = [("u", "a", 1, "x"), ("u", "a", 2, "y"), ("u", "b", 1, "x"), ("u", "c", 1, "<b>")]
    table = pl.DataFrame(rows, ["user_id", "item_id", "rank", "cause"], orient="row")
    assert "(`ease`): x** (the largest one in 2 of 3)" in takeaways.contributions(table, "ease")
    assert "&lt;b&gt;** (the largest one in 1 of 1)" in takeaways.contributions(table.filter(item_id="c"), "ease")


def test_the_lists_say_up_to_when_they_know_what_users_did():
    assert takeaways.as_of("2011-12-09T13:50:00+01:00").startswith(
        "**The lists know events up to 2011-12-09 12:50 UTC**"
    )
    assert takeaways.as_of(None).startswith("*Not applicable")


def test_who_gets_what():
    said = takeaways.who_gets_what(5, 1, "two_stage", "recent_popularity")
    assert said.endswith(
        "Two-step ranker (`two_stage`)**; 1 cold user, of whom the models know nothing: *Recent bestsellers*."
    )
    assert "there is no cold user" in takeaways.who_gets_what(5, 0, "two_stage", "recent_popularity")


NAMES = pl.DataFrame({"item_id": ["i0", "i1", "i2", "i3"], "name": ["A <b>", None, "C", "D"]})


def test_spread_over_the_catalogue():
    assert takeaways.spread(lists("a", "b", "a"), NAMES, 2) == (
        "**50 % of the catalogue is recommended at least once**; the most recommended product, A &lt;b&gt;, is on the "
        "lists of 100 % of the users."
    )


NO_COUNTS = Applied(lists(), pl.DataFrame(schema=COUNTS), 0.0, 0.0)
ITEMS = pl.DataFrame({"item_id": ["a", "b"], "category": ["unknown", "unknown"]})
PAIR = pl.DataFrame(
    [{"item_id": "a", "rank": 1, "other_item_id": "b", "similarity": 0.5, "support": 2, "model": "item_knn"}]
)
ONE_SEGMENT = pl.DataFrame(
    [{"user_id": "u", "segment": "hibernating", "n_orders": 1}], schema_overrides=SEGMENTS
).select(
    *(
        pl.col(name) if name in ("user_id", "segment", "n_orders") else pl.lit(None, dtype).alias(name)
        for name, dtype in SEGMENTS.items()
    )
)


@pytest.mark.parametrize(
    "sentence",
    [
        lambda: takeaways.full_lists(lists(), 0, 10),
        lambda: takeaways.who_gets_what(0, 0, "ease", "popularity"),
        lambda: takeaways.rules(NO_COUNTS, "popularity"),
        lambda: takeaways.spread(lists(), NAMES.clear(), 0),
        lambda: takeaways.gallery([]),
        lambda: takeaways.reason_kinds(reasons.reason_kinds(lists())),
        lambda: takeaways.contributions(pl.DataFrame(schema={"cause": pl.String}), "als"),
        lambda: product_takeaways.similar(pl.DataFrame(schema=SIMILAR), ITEMS),
        lambda: product_takeaways.similar(PAIR, ITEMS).split("\n- ")[1],
        lambda: product_takeaways.similar(PAIR, ITEMS.with_columns(category=pl.lit("tea"))).split("\n- ")[1],
        lambda: product_takeaways.together(pl.DataFrame(schema=BOUGHT_TOGETHER), 0),
        lambda: product_takeaways.trending(pl.DataFrame(schema=TRENDING)),
        lambda: product_takeaways.customers(pl.DataFrame(schema=CUSTOMERS), ITEMS, 10),
        lambda: product_takeaways.segments(pl.DataFrame(schema=SEGMENTS)),
        lambda: product_takeaways.segments(ONE_SEGMENT),
    ],
)
def test_a_statement_without_a_base_is_not_applicable(sentence):
    assert sentence().startswith("*Not applicable: ")
