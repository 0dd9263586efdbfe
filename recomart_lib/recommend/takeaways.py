"""Takeaways of 08_recommend: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from recomart_lib.core.text import bullets, number, percent, plural, safe


def reasons(recommendations: pl.DataFrame, users: int, k: int) -> str:
    """Whether everybody gets a full list, and why things are on it."""
    full = recommendations.group_by("user_id").len().filter(pl.col("len") == k).height
    items = recommendations.get_column("item_id").n_unique()
    return (
        f"**{number(full)} of {plural(users, 'user')} get {k} suggestions**, {plural(items, 'distinct product')} in all; "
        f"{percent(recommendations.get_column('reason').null_count() / max(recommendations.height, 1))} of the suggestions lack a reason."
    )


def pages(shown: Mapping[str, pl.DataFrame]) -> str:
    """What the lists of the gallery are made of. `shown`: kind of user -> `recommend.beside`."""
    parts = []
    for kind, page in shown.items():
        if kind == "cold" and page.get_column("history").count():
            parts.append("No user is **cold**: a light one stands in.")
            continue
        again = page.filter(pl.col("reason").str.starts_with("You chose")).height
        known = page.get_column("history").count()
        parts.append(
            f"The **{kind}** user has {plural(known, 'product')} beside the list and gets {again} of {page.height} "
            f"suggestions from the own history, from {plural(page.get_column('category').n_unique(), 'category', 'categories')}."
        )
    return bullets(*parts)


def look_alikes(found: pl.DataFrame) -> str:
    """Whether similar products are of one kind. `found`: `recommend.look_alikes`."""
    if not found.height:
        return "**No product has a similar one**: nobody took two of them."
    same = int(found.get_column("same_category").sum())
    return f"**{same} of {plural(found.height, 'similar product')} share the category** of the product they are similar to."


def commonest_reason(kinds: pl.DataFrame) -> str:
    """Which kind of reason carries the lists."""
    if not kinds.height:
        return "There are no suggestions."
    first = kinds.row(0, named=True)
    return f"**{percent(first['n'] / kinds.get_column('n').sum())} of the suggestions stand on one kind of reason: {first['kind']}.**"


def parts(told: pl.DataFrame, model: str) -> str:
    """What a model's scores are made of. `told`: `why.told`, of one user."""
    if not told.height:
        return f"**{model} has no parts that could be shown**: its score is no sum. The reasons above are evidence from the shop's data."
    first = (
        told.filter(pl.col("place") == 1)
        .get_column("cause")
        .value_counts()
        .sort("count", "cause", descending=[True, False])
    )
    cause, count = first.row(0)
    return (
        f"**What speaks most for these suggestions: {safe(cause)}** (the largest part in {count} of "
        f"{told.select('user_id', 'item_id').n_unique()})."
    )
