"""Clean validated tables for models and features: fill missing values, normalise words and numbers."""

from __future__ import annotations

import narwhals as nw
import polars as pl

from recomart_lib.core.schemas import ALWAYS, KEYS, UNKNOWN, VALID_FROM
from recomart_lib.prepare import versions
from recomart_lib.prepare.settings import Prepare

AGE_GROUPS = ((0, "under 18"), (18, "18-24"), (25, "25-34"), (35, "35-44"), (45, "45-54"), (55, "55-64"), (65, "65+"))


def weigh(events: pl.DataFrame, settings: Prepare) -> pl.DataFrame:
    """Add `weight`, the implicit score of an event: the weight of its type times 1 + log(quantity); 0 for returns.

    The logarithm damps quantities: twelve units show more interest than one, but not twelve times as much. A quantity
    below 1 counts as 1: 0.53 kg of apples are one purchase of apples.
    """
    weights = {
        "view": settings.weight_view,
        "cart": settings.weight_cart,
        "purchase": settings.weight_purchase,
        "rating": settings.weight_rating,
    }
    type_weight = nw.lit(0.0)
    for name, weight in weights.items():
        type_weight = nw.when(nw.col("event_type") == name).then(nw.lit(float(weight))).otherwise(type_weight)
    damped = nw.col("quantity").clip(1).cast(nw.Float64).log() + 1.0
    return nw.from_native(events).with_columns(weight=type_weight * damped).to_native()


def clean_events(events: pl.DataFrame, settings: Prepare, items: pl.DataFrame | None = None) -> pl.DataFrame:
    """Events sorted by time and id, with `weight`, and with missing quantities (1) and prices filled.

    A missing price becomes the item's last earlier price, else null: that of an event, or one that the shop stated
    (`items`: the history of the items, see `versions`), whichever is newer. Prices of an items table that was delivered
    once are not used: they are today's, and features as of an earlier moment must not know them.

    In a shop with purchases, ratings have weight 0: a rating that follows a purchase would count the same interest
    twice. In a rating shop their weight is `prepare.weight_rating`.
    """
    if items is not None and versions.is_repeated(items, "item_id"):
        events = pl.concat([events, _stated_prices(items)], how="diagonal")
    last_price = nw.col("price").fill_null(strategy="forward").over("item_id", order_by=["timestamp", "event_id"])
    filled = nw.from_native(events).with_columns(quantity=nw.col("quantity").fill_null(1.0), price=last_price)
    complete = filled.filter(~nw.col("event_id").is_null())  # without the stated prices
    has_purchases = (complete.get_column("event_type") == "purchase").any()
    weights = settings.model_copy(update={"weight_rating": 0.0}) if has_purchases else settings
    return weigh(complete.to_native(), weights).sort("timestamp", "event_id")


def _stated_prices(items: pl.DataFrame) -> pl.DataFrame:
    """The prices of a history as rows that precede the events of their moment: item_id, timestamp, price, no event_id.

    The only row of an item that has always held may be derived from its events, and is left out.
    """
    is_stated = (pl.col(VALID_FROM) > ALWAYS) | pl.col("item_id").is_duplicated()
    return items.filter(is_stated, pl.col("price").is_not_null()).select(
        "item_id", "price", event_id=pl.lit(None, pl.String), timestamp=VALID_FROM
    )


def clean_users(users: pl.DataFrame) -> pl.DataFrame:
    """Users with normalised words (gender in lower case; missing: `unknown`) and a group: of the age, or delivered."""
    words = [nw.col(name).str.strip_chars().fill_null(UNKNOWN) for name in ("country", "city")]
    gender = nw.col("gender").str.strip_chars().str.to_lowercase().fill_null(UNKNOWN)
    return nw.from_native(users).with_columns(*words, gender, age_group=_age_group()).sort("user_id").to_native()


def _age_group() -> nw.Expr:
    group = nw.col("age_group").str.strip_chars().fill_null(UNKNOWN)
    for lower, name in AGE_GROUPS:
        group = nw.when(nw.col("age") >= lower).then(nw.lit(name)).otherwise(group)
    return group


def clean_items(items: pl.DataFrame) -> pl.DataFrame:
    """Items with missing words as `unknown`, and `price_z`: the log price, standardised over the catalogue."""
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


def clean_history(table: str, history: pl.DataFrame) -> pl.DataFrame:
    """The statements about users or items (see `versions`), cleaned like the table itself, sorted by id and valid_from.

    Items have no `price_z`: it depends on the catalogue as of a moment.
    """
    rows = clean_users(history) if table == "users" else clean_items(history).drop("price_z")
    return rows.sort(KEYS[table], VALID_FROM)


def filled(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """One row per column that had missing values: column, missing before, missing after.

    Age groups that the shop does not deliver were not missing: they are computed from the ages.
    """
    rows = [
        (name, before.get_column(name).null_count(), after.get_column(name).null_count())
        for name in before.columns
        if before.get_column(name).null_count() and not (name == "age_group" and before.get_column(name).count() == 0)
    ]
    columns = {"column": pl.String, "missing_before": pl.Int64, "missing_after": pl.Int64}
    return pl.DataFrame(rows, schema=columns, orient="row")
