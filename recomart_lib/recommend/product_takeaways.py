"""Takeaways of 08_recommend on the tables of products and on segments: numbers to sentences, computed."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.core.text import bullets, not_applicable, number, percent, plural, safe
from recomart_lib.recommend.segments import NO_ORDER, summary


def similar(table: pl.DataFrame, items: pl.DataFrame) -> str:
    """How many products have similar ones, from which evidence, and whether they share the category.

    Parameters
    ----------
    table
        `schemas.SIMILAR`.
    items
        All products: item_id, category.
    """
    if not table.height:
        return not_applicable("no product has similar ones: too few users chose the same, and products have no names.")
    n_products = table.get_column("item_id").n_unique()
    by_content = table.filter(model="content").get_column("item_id").n_unique()
    return bullets(
        f"**{number(n_products)} of {plural(items.height, 'product')} have similar products**: "
        f"{number(n_products - by_content)} by the users who chose them, {number(by_content)}, which too few users "
        "chose, by name, category, brand and price.",
        _same_category(table.filter(pl.col("model") != "content"), items),
    )


def _same_category(table: pl.DataFrame, items: pl.DataFrame) -> str:
    """The share of pairs within one category, against the share of pairs by chance."""
    known = items.select("item_id", "category").filter(pl.col("category") != UNKNOWN)
    sizes = known.get_column("category").value_counts().get_column("count")
    if len(sizes) < 2:
        only = "all categories are unknown" if not len(sizes) else "all products with a known category share it"
        return not_applicable(f"whether similar products share the category: {only}.")
    pairs = table.join(known, on="item_id").join(known, left_on="other_item_id", right_on="item_id", suffix="_other")
    if not pairs.height:
        return not_applicable("whether similar products share the category: it is unknown for these products.")
    same = pairs.select((pl.col("category") == pl.col("category_other")).mean()).item()
    by_chance = float(((sizes / sizes.sum()) ** 2).sum())
    return (
        f"By users, {percent(same)} of the similar products share the category; of two products drawn at random, "
        f"{percent(by_chance)} do."
    )


def together(table: pl.DataFrame, n_items: int) -> str:
    """How many products are bought together with others, and the strongest pair. `table`: `schemas.BOUGHT_TOGETHER`."""
    if not table.height:
        return not_applicable("no two products are bought together more often than by chance in enough orders.")
    best = table.sort("lift_low", "item_id", "rank", descending=[True, False, False]).row(0, named=True)
    return (
        f"**{number(table.get_column('item_id').n_unique())} of {plural(n_items, 'product')} are bought together with "
        f"others more often than by chance.** The strongest pair: {safe(best['reason'])}"
    )


def trending(table: pl.DataFrame) -> str:
    """How many products grow, and how many are new. `table`: `schemas.TRENDING`."""
    if not table.height:
        return not_applicable("no product clearly sells more than before, or the history is too short.")
    new = table.filter(pl.col("growth_low").is_null()).height
    return (
        f"**{plural(table.height - new, 'product')} clearly sell more than in their own past**; "
        f"{plural(new, 'product is', 'products are')} new and have no past to be compared with. The comparison knows "
        "no season: what sells every December trends every December."
    )


def customers(table: pl.DataFrame, items: pl.DataFrame, n: int) -> str:
    """How many products have a full list of customers, and how many of these bought the product before.

    `table`: `schemas.CUSTOMERS`; `n`: the places of a list.
    """
    if not table.height:
        return not_applicable("no product was chosen, so there are no customers to name.")
    bought = table.select((pl.col("n_orders") > 0).mean()).item()
    sizes = table.group_by("item_id").len()
    full = sizes.filter(pl.col("len") >= n).height
    return (
        f"**{number(sizes.height)} of {plural(items.height, 'product')} have customers to write to**, "
        f"{number(full)} of them a full list of {number(n)}. {percent(bought)} of these customers bought the product "
        "before: leave them out of a mailing on things that nobody buys twice. `recomart export customers --out "
        "exports/customers.csv` writes these lists with the customers' ids."
    )


def segments(table: pl.DataFrame) -> str:
    """The largest segment, what champions spend, and how many users never ordered. `table`: `schemas.SEGMENTS`."""
    ordered = summary(table).filter(pl.col("segment") != NO_ORDER)
    if not ordered.height:
        return not_applicable("nobody has ordered yet, so there are no segments.")
    n = ordered.get_column("users").sum()
    largest = ordered.sort("users", descending=True, maintain_order=True).row(0, named=True)
    without = table.height - n
    if ordered.height == 1:
        return not_applicable(f"all {plural(n, 'customer')} with an order are in one segment, {largest['segment']}.")
    return bullets(
        f"**{plural(n, 'customer falls', 'customers fall')} into {plural(ordered.height, 'segment')}** by recency and "
        f"frequency of their orders until {table.get_column('as_of')[0]:%Y-%m-%d}; the largest is "
        f"{largest['segment']} ({percent(largest['share'])} of all customers). "
        + (f"{plural(without, 'user has', 'users have')} no order." if without else ""),
        _champions(ordered),
    )


def _champions(ordered: pl.DataFrame) -> str:
    champions = ordered.filter(segment="champions").to_dicts()
    if not champions or "share_of_spend" not in ordered.columns:
        return ""
    [row] = champions
    return (
        f"Champions, the most recent and most frequent, are {percent(row['share'])} of all customers "
        f"({number(row['users'])}) and account for {percent(row['share_of_spend'])} of the spend."
    )
