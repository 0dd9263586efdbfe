"""Samples of the users who are evaluated in a large shop."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recomart_lib.train import takeaways, user_sample

CUT = datetime(2025, 1, 31, tzinfo=UTC)


def window(n_users: int) -> dict[str, pl.DataFrame]:
    """User u<n> has two holdout pairs, of which the second is new; x and y cannot be evaluated."""
    rows = [(f"u{n}", item, True, True, item == "a") for n in range(n_users) for item in "ab"]
    rows += [("x", "a", False, True, False), ("y", "c", True, False, False)]
    columns = ["user_id", "item_id", "warm", "in_catalogue", "repeat"]
    return {"holdout": pl.DataFrame(rows, schema=columns, orient="row"), "users": pl.DataFrame({"user_id": ["u0"]})}


def test_a_small_shop_is_evaluated_whole():
    small = window(5)
    assert user_sample.sample_window(small, CUT, seed=1, max_users=5) is small
    assert user_sample.sizes(small, small) == (5, 5)
    assert takeaways.user_sample((5, 5)) == ""


def test_a_sample_has_all_pairs_of_some_users_and_depends_on_the_seed_only():
    whole = window(40)
    sample = user_sample.sample_window(whole, CUT, seed=1, max_users=7)
    assert user_sample.sizes(whole, sample) == (7, 40)
    assert sample["users"] is whole["users"]
    holdout = sample["holdout"]
    assert holdout.equals(whole["holdout"].filter(pl.col("user_id").is_in(holdout["user_id"].unique().implode())))
    assert holdout.height == 7 * 2
    again = user_sample.sample_window({**whole, "holdout": whole["holdout"].reverse()}, CUT, seed=1, max_users=7)
    assert again["holdout"].sort("user_id", "item_id").equals(holdout.sort("user_id", "item_id"))
    other = user_sample.sample_window(whole, CUT, seed=2, max_users=7)
    assert not other["holdout"].equals(holdout)


def test_the_report_says_how_many_users_were_evaluated():
    assert takeaways.user_sample((7, 1_234)) == (
        "**A random sample of 7 of 1,234 users** decides, the same for all models and trials. "
        "The lists of the test window are for all users."
    )
