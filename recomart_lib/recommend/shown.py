"""The tables of 08 as people read them: plain headers with units, intervals as text, at most seven columns."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.text import percent
from recomart_lib.lists.rules import ALL_RULES
from recomart_lib.recommend import product_tables, segments


def lists(recommendations: pl.DataFrame) -> pl.DataFrame:
    """One row per model whose lists are shown: users, distinct products, recommendations. The most used one first."""
    counts = recommendations.group_by("model").agg(
        pl.col("user_id").n_unique().alias("users"),
        pl.col("item_id").n_unique().alias("distinct products"),
        pl.len().alias("recommendations"),
    )
    return counts.sort("users", "model", descending=[True, False])


def rules(counts: pl.DataFrame) -> pl.DataFrame:
    """What each rule did. `counts`: see `Applied.counts`."""
    verdict = (
        pl.when((pl.col("rule") == ALL_RULES) & (pl.col("short") > 0))
        .then(pl.lit("lists are short"))
        .when((pl.col("removed") > 0) | (pl.col("added") > 0))
        .then(pl.lit("changes lists"))
        .otherwise(pl.lit("changes nothing"))
    )
    return counts.select(
        "rule",
        verdict.alias("verdict"),
        pl.col("removed").alias("recommendations removed"),
        pl.col("added").alias("recommendations added"),
        pl.col("filled").alias("lists filled"),
        pl.col("short").alias("short lists"),
    )


def similar(table: pl.DataFrame, items: pl.DataFrame, item_ids: list[str], k: int) -> pl.DataFrame:
    """The first k similar products of each of these. `table`: `schemas.SIMILAR`."""
    rows = product_tables.gallery(table, items, item_ids, k)
    return rows.select(
        "product",
        pl.col("other").alias("similar product"),
        _digits("similarity").alias("similarity, 0 to 1"),
        pl.col("support").alias("customers who chose both"),
        "reason",
    )


def together(table: pl.DataFrame, items: pl.DataFrame, item_ids: list[str], k: int) -> pl.DataFrame:
    """The first k products bought together with each of these. `table`: `schemas.BOUGHT_TOGETHER`."""
    rows = product_tables.gallery(table, items, item_ids, k)
    lift = pl.format("{} (at least {})", _digits("lift"), _digits("lift_low"))
    return rows.select(
        "product",
        pl.col("other").alias("bought together"),
        pl.col("share").map_elements(percent, pl.String).alias("of its orders"),
        lift.alias("times as many as by chance"),
        "reason",
    )


def trending(table: pl.DataFrame, items: pl.DataFrame, n: int) -> pl.DataFrame:
    """The first n products that grow. `table`: `schemas.TRENDING`."""
    rows = product_tables.with_names(table.head(n), items)
    growth = pl.format("{} times (at least {})", _digits("growth"), _digits("growth_low"))
    return rows.select(
        "product",
        pl.col("recent").alias("recent orders"),
        pl.col("before").alias("orders before"),
        growth.alias("orders per day, growth"),
        "reason",
    )


def customers(
    table: pl.DataFrame, items: pl.DataFrame, item_ids: list[str], n: int, of_users: pl.DataFrame, show_ids: bool
) -> pl.DataFrame:
    """The first n customers for each product, by id only where the shop allows it.

    `table`: `schemas.CUSTOMERS`; `of_users`: `schemas.SEGMENTS`.
    """
    rows = product_tables.gallery(table, items, item_ids, n)
    rows = rows.join(
        of_users.select("user_id", "segment", "last_order"), on="user_id", how="left", maintain_order="left"
    )
    return rows.select(
        "product",
        pl.col("rank").alias("place"),
        *([pl.col("user_id").alias("customer")] if show_ids else []),
        "segment",
        pl.col("last_order").dt.date().alias("last order"),
        pl.col("n_orders").alias("orders with it"),
        pl.col("last").dt.date().alias("last order with it"),
        _digits("affinity").alias("affinity (orders customers)"),
    )


def by_segment(table: pl.DataFrame, currency: str) -> pl.DataFrame:
    """One row per segment. `table`: `schemas.SEGMENTS`."""
    rows = segments.summary(table)
    money = (
        [
            _digits("spend_median").alias(f"spend, median ({currency})"),
            pl.col("share_of_spend").map_elements(percent, pl.String).alias("share of the spend"),
        ]
        if "share_of_spend" in rows.columns
        else []
    )
    return rows.select(
        "segment",
        pl.col("users").alias("customers"),
        pl.col("share").map_elements(percent, pl.String).alias("share of all customers"),
        _digits("orders_median").alias("orders, median"),
        _digits("days_since_order_median").alias("days since the last order, median"),
        *money,
    )


def contributions(table: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Why the model gave its scores. `table`: `explain.CONTRIBUTIONS`."""
    rows = product_tables.with_names(table, items)
    return rows.select(
        "product",
        pl.col("cause").alias("what speaks for it"),
        pl.col("value").alias("its value"),
        _digits("contribution").alias("contribution to the score"),
        pl.col("detail").alias("definition"),
    )


def _digits(name: str) -> pl.Expr:
    """Three significant digits, as text; thousands separators for large numbers."""
    return pl.col(name).map_elements(lambda value: f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}", pl.String)
