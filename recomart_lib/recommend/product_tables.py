"""The tables of products that stage 08 stores for the shop's pages and mailings, with ids and reasons.

They are made of all data up to the last event. Products that the shop's rules take out of every list (allow, block,
availability, stock) are never shown; rules for single users do not apply: the tables are the same for everybody.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from recomart_lib.core.schemas import (
    BOUGHT_TOGETHER,
    CATEGORY_CUSTOMERS,
    CUSTOMERS,
    SIMILAR,
    TRENDING,
)
from recomart_lib.core.shop_lists import Lists
from recomart_lib.lists import hard_filters
from recomart_lib.models.base import TrainData
from recomart_lib.models.item_to_item import SparseItemToItem
from recomart_lib.recommend import bought_together, customers, similar_products, trending
from recomart_lib.recommend.orders import Orders
from recomart_lib.train.train_data import Tables

K = 10  # similar products, and products bought together, per product
N_USERS = 100  # per product and per category


def build(
    neighbours: SparseItemToItem,
    data: TrainData,
    all_orders: Orders,
    window: Tables,
    items: pl.DataFrame,
    rules: Lists,
) -> dict[str, pl.DataFrame]:
    """All tables, by the name of their file: see `schemas.SIMILAR` and the following.

    Parameters
    ----------
    neighbours
        `item_knn`, fitted on `data`.
    all_orders
        The shop's orders until the end of its events.
    window
        The tables of the live window.
    items
        All products: item_id, name, category, brand, price, and what the rules read.
    rules
        The shop's rules.
    """
    catalogue = _catalogue(window, items, rules)
    shown = catalogue.get_column("shown").to_numpy()
    warm = shown[: data.n_items]
    together = bought_together.bought_together(all_orders, data.relevant, warm, K)
    days = trending.window_days(all_orders, data.cut)
    per_product = customers.for_products(neighbours, warm, N_USERS)
    category = catalogue.get_column("category").head(data.n_items)
    per_category = customers.for_categories(neighbours, category, warm, N_USERS)
    return {
        "similar": _similar(neighbours, data, catalogue, shown),
        "bought_together": _together_reason(_names(together, catalogue), all_orders.have_ids),
        "trending": _trending_reason(trending.trending(all_orders, data.cut, warm), catalogue, days),
        "customers": _customers(per_product, window, catalogue, "item_idx").select(*CUSTOMERS),
        "category_customers": _customers(per_category, window, catalogue, "category").select(*CATEGORY_CUSTOMERS),
    }


def _catalogue(window: Tables, items: pl.DataFrame, rules: Lists) -> pl.DataFrame:
    """One row per product, those of the window first, by item_idx; `label` names it, `shown` says if rules allow it."""
    excluded = pl.concat(
        [pl.Series("item_id", [], dtype=pl.String), *hard_filters.excluded_items(rules, items).values()]
    )
    first = window["items"].sort("item_idx").select("item_id")
    others = items.join(first, on="item_id", how="anti").select("item_id").sort("item_id")
    rows = pl.concat([first, others]).join(items, on="item_id", how="left", maintain_order="left")
    return rows.with_columns(
        item_idx=pl.int_range(pl.len(), dtype=pl.Int32),
        label=pl.coalesce("name", "item_id"),
        shown=~pl.col("item_id").is_in(excluded.implode()),
    )


def _similar(neighbours: SparseItemToItem, data: TrainData, catalogue: pl.DataFrame, shown: np.ndarray) -> pl.DataFrame:
    by_users = similar_products.by_users(neighbours, data.relevant, shown[: data.n_items], K)
    is_missing = ~catalogue.get_column("item_idx").is_in(by_users.get_column("item_idx").unique().implode())
    missing = catalogue.filter(is_missing).get_column("item_idx").to_numpy()
    by_attributes = similar_products.by_attributes(catalogue, missing, shown, K)
    named = [
        _names(table.with_columns(model=pl.lit(model)), catalogue)
        for table, model in ((by_users, neighbours.name), (by_attributes, "content"))
    ]
    buyers = pl.DataFrame({"item_idx": np.arange(data.n_items, dtype=np.int32), "buyers": data.popularity()})
    rows = pl.concat(named).join(buyers, on="item_idx", how="left", maintain_order="left")
    chosen = pl.format(
        "{} of {} customers who chose {} chose {} too.", "support", pl.col("buyers").cast(pl.Int64), "label", "other"
    )
    alike = pl.format("Similar to {} by name, category, brand or price.", "label")
    reason = pl.when(pl.col("model") == neighbours.name).then(chosen).otherwise(alike)
    return rows.with_columns(reason=reason).sort("item_idx", "rank").select(*SIMILAR)


def _names(pairs: pl.DataFrame, catalogue: pl.DataFrame) -> pl.DataFrame:
    """With the ids and the names of both products: item_id, label, other_item_id, other."""
    of_other = catalogue.select(other_idx="item_idx", other_item_id="item_id", other="label")
    of_item = catalogue.select("item_idx", "item_id", "label")
    return pairs.join(of_item, on="item_idx", how="left", maintain_order="left").join(
        of_other, on="other_idx", how="left", maintain_order="left"
    )


def _together_reason(rows: pl.DataFrame, have_ids: bool) -> pl.DataFrame:
    sentence = "{} of {} orders with {} also had {}, {} times as many as expected."
    if not have_ids:
        sentence = (
            "On {} of the {} days on which a customer chose {}, they also chose {}: {} times as many as expected."
        )
    return rows.with_columns(
        reason=pl.format(sentence, "support", "n_orders", "label", "other", _times("lift"))
    ).select(*BOUGHT_TOGETHER)


def _trending_reason(rows: pl.DataFrame, catalogue: pl.DataFrame, days: int | None) -> pl.DataFrame:
    recent = f"{{}} orders in the last {days} days, "
    reason = (
        pl.when(pl.col("growth").is_not_null())
        .then(
            pl.format(
                recent + "{} times as many per day as before (at least {}).",
                "recent",
                _times("growth"),
                _times("growth_low"),
            )
        )
        .when(pl.col("growth_low").is_not_null())
        .then(pl.format(recent + f"none in the {trending.PAST_DAYS} days before.", "recent"))
        .otherwise(pl.format("New: {} orders since {}.", "recent", pl.col("first").dt.date()))
    )
    named = rows.join(catalogue.select("item_idx", "item_id"), on="item_idx", how="left", maintain_order="left")
    return named.with_columns(reason=reason).select(*TRENDING)


def _times(name: str) -> pl.Expr:
    """A ratio in words: 2.4, 17."""
    ratio = pl.col(name).round_sig_figs(2)
    return pl.when(ratio >= 10).then(ratio.cast(pl.Int64).cast(pl.String)).otherwise(ratio.cast(pl.String))


def _customers(rows: pl.DataFrame, window: Tables, catalogue: pl.DataFrame, key: str) -> pl.DataFrame:
    """With ids, and with the user's purchases of the product or category."""
    of = catalogue.select("item_idx", "item_id", "category")
    named = customers.with_purchases(rows, window, [key, "user_idx"], of)
    if key == "item_idx":
        named = named.join(of, on="item_idx", how="left", maintain_order="left")
    return named.join(window["users"], on="user_idx", how="left", maintain_order="left")


def gallery(table: pl.DataFrame, items: pl.DataFrame, item_ids: list[str], k: int) -> pl.DataFrame:
    """The first k rows of each of these products, in their order, with names for ids; for people to look at."""
    wanted = pl.DataFrame({"item_id": item_ids}, schema={"item_id": pl.String})
    rows = wanted.join(table.filter(pl.col("rank") <= k), on="item_id", maintain_order="left_right")
    return with_names(rows, items)


def with_names(table: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """A name instead of each product's id, or the id where there is no name: product, and other where there is one."""
    names = items.select("item_id", name=pl.coalesce("name", "item_id"))
    for column, new in (("item_id", "product"), ("other_item_id", "other")):
        if column in table.columns:
            named = names.rename({"item_id": column, "name": new})
            table = table.join(named, on=column, how="left", maintain_order="left")
            table = table.with_columns(pl.coalesce(new, column).alias(new)).drop(column)
    first = [name for name in ("product", "rank", "other") if name in table.columns]
    return table.select(*first, pl.exclude(first))
