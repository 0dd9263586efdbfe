"""From validated tables to what models and features read: missing values filled, words and numbers made comparable."""

from __future__ import annotations

import narwhals as nw
import polars as pl

from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.prepare.settings import Prepare

AGE_GROUPS = ((0, "under 18"), (18, "18-24"), (25, "25-34"), (35, "35-44"), (45, "45-54"), (55, "55-64"), (65, "65+"))


def weigh(events: pl.DataFrame, params: Prepare) -> pl.DataFrame:
    """Add `weight`, the implicit score of an event: its type's weight times 1 + log(quantity); 0 for returns.

    The logarithm damps quantities: twelve pieces are a stronger wish than one, not a twelve times stronger one.
    """
    kinds = {
        "view": params.weight_view,
        "cart": params.weight_cart,
        "purchase": params.weight_purchase,
        "rating": params.weight_rating,
    }
    kind = nw.lit(0.0)
    for name, weight in kinds.items():
        kind = nw.when(nw.col("event_type") == name).then(nw.lit(float(weight))).otherwise(kind)
    # below one piece is possible only where its rule was softened
    damped = nw.col("quantity").clip(1).cast(nw.Float64).log() + 1.0
    return nw.from_native(events).with_columns(weight=kind * damped).to_native()


def clean_events(events: pl.DataFrame, params: Prepare) -> pl.DataFrame:
    """Events in the order of time and id, with every quantity (missing: 1) and price filled, and weighed.

    A missing price is the one that the item's last event told; null where none did before. The items table is not
    asked: its prices are today's, and features as of an earlier moment must not know them.

    A rating shop's ratings weigh as `prepare.weight_rating` says; where ratings only follow purchases they would count
    the same liking twice, so they weigh nothing there.
    """
    told_before = nw.col("price").fill_null(strategy="forward").over("item_id", order_by=["timestamp", "event_id"])
    filled = nw.from_native(events).with_columns(quantity=nw.col("quantity").fill_null(1), price=told_before)
    has_purchases = (filled.get_column("event_type") == "purchase").any()
    weights = params.model_copy(update={"weight_rating": 0.0}) if has_purchases else params
    return weigh(filled.to_native(), weights).sort("timestamp", "event_id")


def clean_users(users: pl.DataFrame) -> pl.DataFrame:
    """Users with comparable words: gender in lower case, missing words `unknown`, and an age group beside the age."""
    words = [nw.col(name).str.strip_chars().fill_null(UNKNOWN) for name in ("country", "city")]
    gender = nw.col("gender").str.strip_chars().str.to_lowercase().fill_null(UNKNOWN)
    return nw.from_native(users).with_columns(*words, gender, age_group=_age_group()).sort("user_id").to_native()


def _age_group() -> nw.Expr:
    group = nw.lit(UNKNOWN)
    for lower, name in AGE_GROUPS:
        group = nw.when(nw.col("age") >= lower).then(nw.lit(name)).otherwise(group)
    return group


def clean_items(items: pl.DataFrame) -> pl.DataFrame:
    """Items with missing words `unknown`, and `price_z`: log price, standardised over the catalogue."""
    words = [nw.col(name).str.strip_chars().fill_null(UNKNOWN) for name in ("category", "brand")]
    log_price = nw.when(nw.col("price") > 0).then(nw.col("price")).log()
    spread = nw.when(log_price.std() > 0).then(log_price.std()).otherwise(nw.lit(1.0))
    return (
        nw.from_native(items)
        .with_columns(*words, name=nw.coalesce("name", "item_id"))
        .with_columns(price_z=(log_price - log_price.mean()) / spread)
        .sort("item_id")
        .to_native()
    )


def filled(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """One row per column that had missing values: column, missing before, missing after."""
    rows = [
        (name, before.get_column(name).null_count(), after.get_column(name).null_count())
        for name in before.columns
        if before.get_column(name).null_count()
    ]
    return pl.DataFrame(rows, schema=["column", "missing_before", "missing_after"], orient="row")
