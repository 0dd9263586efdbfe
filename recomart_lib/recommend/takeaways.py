"""Takeaways of 08_recommend: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from recomart_lib.core.text import bullets, number, percent, plural, safe
from recomart_lib.lists.rules import ALL_RULES, Applied
from recomart_lib.recommend.reasons import CHOSEN_BEFORE, NOTHING_NEW


def reasons(recommendations: pl.DataFrame, users: int, k: int) -> str:
    """Say how many users get a full list, how many recommendations have no reason, and for how many users nothing is new.

    `recommendations`: `schemas.RECOMMENDATIONS`.
    """
    full = recommendations.group_by("user_id").len().filter(pl.col("len") == k).height
    items = recommendations.get_column("item_id").n_unique()
    have_all = recommendations.filter(pl.col("reason_kind") == NOTHING_NEW).get_column("user_id").n_unique()
    again = f" {plural(have_all, 'user has', 'users have')} every product already: the list shows what to choose again."
    return (
        f"**{number(full)} of {plural(users, 'user')} get {k} recommendations**, {plural(items, 'distinct product')} in all; "
        f"{percent(recommendations.get_column('reason').null_count() / max(recommendations.height, 1))} of the recommendations have no reason."
        f"{again if have_all else ''}"
    )


def rules(applied: Applied, fallback: str) -> str:
    """Say what the shop's rules did, and how many users see the most shown product. `fallback`: the next model down."""
    total = applied.counts.filter(rule=ALL_RULES).to_dicts()
    if not total:
        return (
            "**The shop has no rules of its own**: the lists are those of the model (section `lists` of the shop file)."
        )
    users, row = applied.lists.get_column("user_id").n_unique(), total[0]
    share = row["removed"] / max(applied.lists.height, 1)
    return bullets(
        f"**The shop's rules replace {percent(share)} of the recommendations.** {plural(row['filled'], 'list')} of "
        f"{number(users)} are filled with products of {fallback}; {plural(row['short'], 'list stays', 'lists stay')} short.",
        f"The most recommended product is on the lists of **{percent(applied.top_share)} of the users**; without rules, "
        f"of {percent(applied.top_share_before)}.",
    )


def pages(shown: Mapping[str, pl.DataFrame]) -> str:
    """Describe the lists of the example users. `shown`: kind of user -> `suggestions.list_with_history`."""
    parts = []
    for kind, page in shown.items():
        if kind == "cold" and page.get_column("history").count():
            parts.append("There is no **cold** user: the light user is shown instead.")
            continue
        repeats = page.filter(pl.col("reason_kind").is_in([CHOSEN_BEFORE, NOTHING_NEW])).height
        n_history = page.get_column("history").count()
        parts.append(
            f"The **{kind}** user's list is shown next to {plural(n_history, 'recent product')}. {repeats} of {page.height} "
            f"recommendations are in the user's history; the list covers {plural(page.get_column('category').n_unique(), 'category', 'categories')}."
        )
    return bullets(*parts)


def most_frequent_reason(kinds: pl.DataFrame) -> str:
    """Name the most frequent kind of reason."""
    if not kinds.height:
        return "There are no recommendations."
    first = kinds.row(0, named=True)
    return f"**{percent(first['n'] / kinds.get_column('n').sum())} of the recommendations have the same kind of reason: {first['reason_kind']}.**"


def contributions(table: pl.DataFrame, model: str) -> str:
    """Name the most frequent largest contribution. `table`: `explain.contributions` of one user."""
    if not table.height:
        return f"**{model} cannot be explained as a sum of contributions.** The reasons above are evidence from the shop's data."
    first = (
        table.filter(pl.col("rank") == 1)
        .get_column("cause")
        .value_counts()
        .sort("count", "cause", descending=[True, False])
    )
    cause, count = first.row(0)
    return (
        f"**The main contribution to these scores: {safe(cause)}** (the largest one in {count} of "
        f"{table.select('user_id', 'item_id').n_unique()})."
    )
