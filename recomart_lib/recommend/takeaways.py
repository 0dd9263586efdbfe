"""Takeaways of 08_recommend: numbers to sentences, computed, with their uncertainty."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl

from recomart_lib.core.model_names import named, plain
from recomart_lib.core.text import bullets, not_applicable, number, percent, plural, safe
from recomart_lib.lists.rules import ALL_RULES, Applied
from recomart_lib.recommend.customer_gallery import COLD, Customer
from recomart_lib.recommend.reasons import CHOSEN_BEFORE, NOTHING_NEW

ALIKE = 0.5  # lists of which more than this share hold one product are much alike
MIN_USERS = 10  # with fewer, shares of users say nothing


def full_lists(recommendations: pl.DataFrame, n_users: int, k: int) -> str:
    """Say how many users get a full list, and for how many nothing is new. `recommendations`: `schemas.RECOMMENDATIONS`."""
    if not recommendations.height:
        return not_applicable("nobody gets a list: there is no user, or no product.")
    full = n_users - short_lists(recommendations, n_users, k)
    items = recommendations.get_column("item_id").n_unique()
    have_all = recommendations.filter(pl.col("reason_kind") == NOTHING_NEW).get_column("user_id").n_unique()
    again = f" {plural(have_all, 'user has', 'users have')} every product already: the list shows what to choose again."
    return (
        f"**{number(full)} of {plural(n_users, 'user')} get {plural(k, 'recommendation')}**, {plural(items, 'distinct product')} in all."
        f"{again if have_all else ''}"
    )


def short_lists(recommendations: pl.DataFrame, n_users: int, k: int) -> int:
    """The number of users with fewer than k recommendations, or without any."""
    return n_users - recommendations.group_by("user_id").len().filter(pl.col("len") >= k).height


def warning(recommendations: pl.DataFrame, n_items: int, n_users: int, k: int) -> str:
    """What a reader has to know first: short lists, and one product on most of them; else nothing.

    A shop of few products or users has no choice: its lists are alike without a warning.
    """
    if not recommendations.height:
        return ""
    n_short, share = short_lists(recommendations, n_users, k), top_share(recommendations, n_users)
    parts = []
    if n_short:
        few = f"{percent(n_short / n_users)} of the users"
        parts.append(
            f"{plural(n_short, 'list is', 'lists are')} shorter than {k} ({few}): the rules, or the catalogue, leave too few products."
        )
    if share > ALIKE and n_items * ALIKE > k and n_users >= MIN_USERS:
        limit = "the rule max_share_of_users (lists of the shop file) can limit that"
        parts.append(f"Lists are much alike: one product is on those of {percent(share)} of the users; {limit}.")
    return " ".join(parts)


def top_share(recommendations: pl.DataFrame, n_users: int) -> float:
    """The share of users to whom the most recommended product is shown."""
    return recommendations.group_by("item_id").len().get_column("len").max() / n_users


def who_gets_what(n_warm: int, n_cold: int, model: str, default: str) -> str:
    """Which model the lists come from. `default`: the model of the list of cold users."""
    if not n_warm + n_cold:
        return not_applicable("there are no users.")
    cold = f"; {plural(n_cold, 'cold user')}, of whom the models know nothing: *{plain(default)}*"
    return f"**{plural(n_warm, 'warm user')}: lists of {named(model)}**{cold if n_cold else '; there is no cold user'}."


def as_of(last: str | None) -> str:
    """Up to when the lists know what users did. `last`: the time of the newest event, or None."""
    if not last:
        return not_applicable("there are no events.")
    moment = datetime.fromisoformat(last).astimezone(UTC)
    return f"**The lists know events up to {moment:%Y-%m-%d %H:%M} UTC**; run the pipeline again on new data before they are used."


def rules(applied: Applied, fallback: str) -> str:
    """Say what the shop's rules did, and how many users see the most shown product. `fallback`: the next model down."""
    total = applied.counts.filter(rule=ALL_RULES).to_dicts()
    if not total:
        return not_applicable(
            "the shop has no rules of its own (section lists of the shop file), so the lists are those of the model."
        )
    if not applied.lists.height:
        return not_applicable("there are no lists that the rules could change.")
    users, row = applied.lists.get_column("user_id").n_unique(), total[0]
    share = row["removed"] / applied.lists.height
    replaced = f"replace {percent(share)} of the recommendations" if row["removed"] else "replace no recommendation"
    filled = plural(row["filled"], "list is", "lists are") if row["filled"] else "No list is"
    short = plural(row["short"], "list stays", "lists stay") if row["short"] else "no list stays"
    return bullets(
        f"**The shop's rules {replaced}.** {filled} filled with products of *{plain(fallback)}*, and {short} short, of {number(users)}.",
        f"The most recommended product is on the lists of **{percent(applied.top_share)} of the users**; without rules, "
        f"of {percent(applied.top_share_before)}.",
    )


def spread(recommendations: pl.DataFrame, items: pl.DataFrame, n_users: int) -> str:
    """How much of the catalogue is recommended, and to how many users the most recommended product is shown.

    `items`: one row per product, with item_id and name.
    """
    if not recommendations.height:
        return not_applicable("there are no recommendations.")
    counts = recommendations.group_by("item_id").len().sort("len", "item_id", descending=[True, False])
    top, shown = counts.row(0, named=True), counts.height / items.height
    name = items.filter(pl.col("item_id") == top["item_id"]).get_column("name").first()
    return (
        f"**{percent(shown)} of the catalogue is recommended at least once**; the most recommended product, "
        f"{safe(name or top['item_id'])}, is on the lists of {percent(top['len'] / n_users)} of the users."
    )


def gallery(shown: list[Customer]) -> str:
    """Describe the customers of the gallery, and how much of what they are shown they chose before."""
    if not shown:
        return not_applicable("no customer has a list.")
    warm = [one for one in shown if one.kind != COLD]
    cold = [one for one in shown if one.kind == COLD]
    kinds = [reason for one in warm for reason in one.suggestions.get_column("reason_kind")]
    if not kinds:
        return not_applicable(f"all customers are cold: {plural(len(shown), 'customer')} with the default list.")
    again = sum(kind in (CHOSEN_BEFORE, NOTHING_NEW) for kind in kinds) / len(kinds)
    only_looked = sum(not one.n_history for one in warm)
    looked = f" ({only_looked} only looked, and chose nothing yet)" if only_looked else ""
    returned = sum(one.n_returned > 0 for one in cold)
    only_returned = f" ({returned} only returned products)" if returned else ""
    without = f" {plural(len(cold), 'cold customer')}{only_returned}: the default list." if cold else ""
    return (
        f"**{percent(again)} of the suggestions for the {plural(len(warm), 'warm customer')}{looked} are products that they "
        f"chose before.**{without}"
    )


def reason_kinds(kinds: pl.DataFrame) -> str:
    """How often each kind of reason is given. `kinds`: `reasons.reason_kinds`."""
    known = kinds.drop_nulls("reason_kind")
    if not known.height:
        return not_applicable("there are no recommendations with a reason.")
    n = kinds.get_column("n").sum()
    if kinds.height == 1:
        return f"All {plural(n, 'recommendation')} have the same kind of reason: **{known['reason_kind'][0]}**."
    shares = [f"{row['reason_kind']} {percent(row['n'] / n)}" for row in known.iter_rows(named=True)]
    without = kinds.filter(pl.col("reason_kind").is_null()).get_column("n").sum()
    return f"**Reasons**: {', '.join(shares)}{f', none {percent(without / n)}' if without else ''}."


def contributions(table: pl.DataFrame, model: str) -> str:
    """Name the most frequent largest contribution. `table`: `explain.contributions` of one user."""
    if not table.height or not table.get_column("cause").count():
        return not_applicable(
            f"the scores of {plain(model)} are no sums of contributions; the reasons above are evidence from the shop's data."
        )
    first = (
        table.filter(pl.col("rank") == 1)
        .get_column("cause")
        .value_counts()
        .sort("count", "cause", descending=[True, False])
    )
    cause, count = first.row(0)
    return (
        f"**What speaks most for these products by {named(model)}: {safe(cause)}** (the largest one in {count} of "
        f"{table.select('user_id', 'item_id').n_unique()})."
    )
