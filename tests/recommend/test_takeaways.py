"""Takeaways of stage `recommend`: what they say, and that they turn with the numbers."""

from __future__ import annotations

import polars as pl

from recomart_lib.recommend import takeaways


def test_lists_and_their_reasons_are_counted():
    lists = pl.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "reason": ["x", "y", None]})
    assert takeaways.reasons(lists, 2, 2).startswith(
        "**1 of 2 users get 2 suggestions**, 2 distinct products in all; 33.3 %"
    )
    assert "75.0 % of the suggestions" in takeaways.commonest_reason(
        pl.DataFrame({"kind": ["bought", "popular"], "n": [3, 1]})
    )


def test_what_scores_are_made_of():
    rows = [("u", "a", 1, "x"), ("u", "a", 2, "y"), ("u", "b", 1, "x"), ("u", "c", 1, "<b>")]
    told = pl.DataFrame(rows, ["user_id", "item_id", "place", "cause"], orient="row")
    assert "suggestions: x** (the largest part in 2 of 3)" in takeaways.parts(told, "ease")
    assert "&lt;b&gt;** (the largest part in 1 of 1)" in takeaways.parts(told.filter(item_id="c"), "ease")
    assert "als has no parts that could be shown" in takeaways.parts(told.clear(), "als")
