"""Rules that take products out of every list, and products out of the lists of some users."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from recomart_lib.core.shop_lists import Lists, Products
from recomart_lib.lists.catalogue import Context, column

PAIR = ["user_id", "item_id"]
PROTOCOL = "protocol"  # not a rule of the shop: see `Context.excluded`


def excluded_items(rules: Lists, items: pl.DataFrame) -> dict[str, pl.Series]:
    """Rule (its key in the shop file) -> the ids of the products that it takes out of every list.

    A product whose availability or stock is not stated is neither available nor in stock.
    """
    excluded = {
        "allow": pl.lit(False) if rules.allow.is_empty else ~named(rules.allow),
        "block": named(rules.block),
        "only_available": ~pl.col("available").fill_null(False) if rules.only_available else pl.lit(False),
        "only_in_stock": ~(pl.col("stock") > 0).fill_null(False) if rules.only_in_stock else pl.lit(False),
    }
    complete = items.select(
        pl.col("item_id").cast(pl.String),
        *(column(items, name, pl.String).cast(pl.String) for name in ("category", "brand")),
        column(items, "available", pl.Boolean),
        column(items, "stock", pl.Float64),
    )
    return {key: complete.filter(excluded[key]).get_column("item_id") for key in excluded if key in rules.names}


def named(products: Products) -> pl.Expr:
    """Whether a product is one of these: by its id, its category or its brand."""
    columns = {"item_id": products.items, "category": products.categories, "brand": products.brands}
    return pl.any_horizontal(pl.col(name).is_in(values).fill_null(False) for name, values in columns.items())


def excluded_pairs(rules: Lists, context: Context) -> dict[str, pl.DataFrame]:
    """Rule, or `PROTOCOL` -> the products that it takes out of the lists of single users: user_id, item_id.

    A product is bought within N days if its last relevant event is less than N times 24 hours before the lists.
    """
    pairs = {}
    if "not_bought_within_days" in rules.names:
        days = rules.not_bought_within_days
        category = context.items.select("item_id", column(context.items, "category", pl.String))
        limit = pl.col("category").replace_strict(days.category, default=days.default, return_dtype=pl.Float64)
        age = (pl.lit(context.at) - pl.col("last_relevant_timestamp")) / timedelta(days=1)
        bought = context.chosen.join(category, on="item_id", how="left")
        pairs["not_bought_within_days"] = bought.filter(age < limit).select(PAIR)
    if rules.only_new:
        pairs["only_new"] = context.chosen.select(PAIR)
    if context.excluded is not None:
        pairs[PROTOCOL] = context.excluded.select(PAIR)
    return pairs
