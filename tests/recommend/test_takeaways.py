"""Takeaways of stage `recommend`: their content, and that it follows the numbers."""

from __future__ import annotations

import polars as pl

from recomart_lib.recommend import reasons, takeaways


def test_full_lists_and_missing_reasons_are_counted():
    lists = pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "reason": ["x", "y", None]})
    lists = lists.with_columns(reason_kind=pl.lit("popular"))
    assert takeaways.reasons(lists, 2, 2).startswith(
        "**1 of 2 users get 2 recommendations**, 2 distinct products in all; 33 %"
    )
    assert "75 % of the recommendations" in takeaways.most_frequent_reason(
        pl.DataFrame({"reason_kind": ["bought", "popular"], "n": [3, 1]})
    )


def test_users_who_have_every_product_are_counted():
    kinds = [reasons.NOTHING_NEW, reasons.NOTHING_NEW, reasons.POPULAR]
    lists = pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "reason": "x", "reason_kind": kinds})
    assert takeaways.reasons(lists, 2, 2).endswith(
        "1 user has every product already: the list shows what to choose again."
    )


def test_main_contribution():
    rows = [("u", "a", 1, "x"), ("u", "a", 2, "y"), ("u", "b", 1, "x"), ("u", "c", 1, "<b>")]
    table = pl.DataFrame(rows, ["user_id", "item_id", "rank", "cause"], orient="row")
    assert "scores: x** (the largest one in 2 of 3)" in takeaways.contributions(table, "ease")
    assert "&lt;b&gt;** (the largest one in 1 of 1)" in takeaways.contributions(table.filter(item_id="c"), "ease")
    assert "als cannot be explained as a sum of contributions" in takeaways.contributions(table.clear(), "als")
