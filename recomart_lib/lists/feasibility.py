"""Refuse rules that can never be met, before any model is fitted."""

from __future__ import annotations

import math

import polars as pl

from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.core.shop_lists import Lists
from recomart_lib.lists import hard_filters
from recomart_lib.lists.catalogue import Context, column, long_tail
from recomart_lib.lists.rules import max_users


def check(rules: Lists, context: Context, k: int, n_users: int, shop: str) -> None:
    """Check the rules against the catalogue.

    Parameters
    ----------
    k
        Places of a list.
    n_users
        The number of users who get a list.
    shop
        The shop's name, for messages.

    Raises
    ------
    UserError
        If a category or brand is unknown, a column that a rule reads is empty, or no list could have k products.
    """
    if rules.is_empty:
        return
    try:
        _check_words(rules, context.items)
        _check_columns(rules, context.items)
        allowed = _allowed(rules, context.items, k)
        _check_pinned(rules, context.items, allowed, k)
        _check_groups(rules, allowed, k)
        _check_tail(rules, context, allowed, k)
        _check_share(rules, allowed.height, k, n_users)
    except UserError as problem:
        raise UserError(f"shops/{shop}.yaml: {problem}") from None


def _check_words(rules: Lists, items: pl.DataFrame) -> None:
    categories, brands = ({*column(items, name, pl.String).drop_nulls()} for name in ("category", "brand"))
    words = [(f"lists.{key}.categories", getattr(rules, key).categories, categories) for key in ("allow", "block")]
    words += [(f"lists.{key}.brands", getattr(rules, key).brands, brands) for key in ("allow", "block")]
    words.append(("lists.not_bought_within_days.category", [*rules.not_bought_within_days.category], categories))
    for key, names, known in words:
        for name in names:
            if name not in known:
                raise UserError(f"{key}: no product has '{name}'. {suggestion(name, sorted(known))}")
    ids = {*items.get_column("item_id")}
    for key in ("allow", "block"):
        listed = getattr(rules, key).items
        if listed and ids.isdisjoint(listed):
            raise UserError(
                f"lists.{key}.items: none of the {len(listed):,} ids is in the catalogue, like '{listed[0]}'. Write "
                "ids as the shop's data has them."
            )


def _check_columns(rules: Lists, items: pl.DataFrame) -> None:
    for key, name in (("only_available", "available"), ("only_in_stock", "stock")):
        if getattr(rules, key) and column(items, name, pl.Float64).is_null().all():
            raise UserError(
                f"lists.{key}: the column {name} of the items is empty, so no product could be shown. Map it in "
                f"tables.items.columns, or leave out lists.{key}."
            )


def _allowed(rules: Lists, items: pl.DataFrame, k: int) -> pl.DataFrame:
    excluded = hard_filters.excluded_items(rules, items)
    allowed = items
    for ids in excluded.values():
        allowed = allowed.filter(~pl.col("item_id").is_in(ids.implode()))
    if allowed.height < k:
        by_rule = ", ".join(f"{key} takes out {len(ids):,}" for key, ids in excluded.items())
        raise UserError(
            f"lists: the rules leave {allowed.height:,} of {items.height:,} products, fewer than the {k} of a list "
            f"(recommend.k in params.yaml): {by_rule}."
        )
    return allowed


def _check_pinned(rules: Lists, items: pl.DataFrame, allowed: pl.DataFrame, k: int) -> None:
    ids, allowed_ids = {*items.get_column("item_id")}, {*allowed.get_column("item_id")}
    for place, item in rules.pinned.items():
        key = f"lists.pinned.{place}"
        if place > k:
            raise UserError(f"{key}: a list has {k} places (recommend.k in params.yaml).")
        if item not in ids:
            raise UserError(f"{key}: there is no product '{item}'. Write its id as the shop's data has it.")
        if item not in allowed_ids:
            raise UserError(f"{key}: another rule takes '{item}' out of all lists. Pin another product.")


def _check_groups(rules: Lists, allowed: pl.DataFrame, k: int) -> None:
    for key, name in (("max_per_category", "category"), ("max_per_brand", "brand")):
        most = getattr(rules, key)
        if most is None:
            continue
        values = column(allowed, name, pl.String)
        known = values.filter(values.is_not_null() & (values != UNKNOWN))
        places = int(known.value_counts().get_column("count").clip(upper_bound=most).sum()) + len(values) - len(known)
        if places < k:
            raise UserError(
                f"lists.{key}: {most} of each {name}, with {known.n_unique():,} different ones, fill {places:,} of "
                f"the {k} places of a list. Allow at least {math.ceil(k / max(known.n_unique(), 1))}."
            )


def _check_tail(rules: Lists, context: Context, allowed: pl.DataFrame, k: int) -> None:
    if not rules.min_long_tail_share:
        return
    needed = math.ceil(rules.min_long_tail_share * k - 1e-9)
    n_tail = allowed.filter(pl.col("item_id").is_in(long_tail(context).implode())).height
    if n_tail < needed:
        raise UserError(
            f"lists.min_long_tail_share: {needed} of {k} places are for the long tail, but only {n_tail:,} of its "
            "products are allowed. Lower the share."
        )


def _check_share(rules: Lists, n_items: int, k: int, n_users: int) -> None:
    free = k - len(rules.pinned)
    if "max_share_of_users" in rules.names and n_items * max_users(rules, n_users) < n_users * free:
        raise UserError(
            f"lists.max_share_of_users: {n_items:,} products, each for at most {max_users(rules, n_users):,} of "
            f"{n_users:,} users, cannot fill {free} places of every list. Allow at least {free / n_items:.3g}."
        )
