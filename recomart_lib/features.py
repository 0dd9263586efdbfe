"""What is known about each user, item and pair *as of* a moment: only events strictly before it are used.

Each feature is defined once, in `DEFINITIONS`; `compute` makes the three tables of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import narwhals as nw
import polars as pl

from recomart_lib.errors import UserError
from recomart_lib.params import Features
from recomart_lib.splits import POSITIVE, before

MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Definition:
    """One feature: where it lives, what it is, in which unit, and what a null means."""

    name: str
    entity: str
    formula: str
    unit: str
    null: str = "never"


DEFINITIONS = (
    Definition("activity_count", "user", "number of the user's events", "events"),
    Definition("average_rating", "user", "mean of the user's ratings", "stars, 1-5", "gave no rating"),
    Definition("purchase_ratio", "user", "purchases / (views + carts + purchases)", "share", "only ratings or returns"),
    Definition("preferred_category", "user", "category with the largest implicit score (ties: the first by name)",
               "category", "no view, cart, purchase or rating"),
    Definition("age_group", "user", "group of the user's age", "years, or 'unknown'"),
    Definition("gender", "user", "as the shop says", "word, or 'unknown'"),
    Definition("country", "user", "as the shop says", "word, or 'unknown'"),
    Definition("tenure_days", "user", "days since sign-up; without one, since the first event", "days"),
    Definition("popularity", "item", "distinct users who bought it (rating shops: rated it)", "users"),
    Definition("average_rating", "item", "mean rating, shrunk: (sum + prior * shop mean) / (n + prior)", "stars, 1-5",
               "the shop has no ratings"),
    Definition("price_tier", "item", "quantile within its category of the median price of its events: 1 = cheapest",
               "tier", "no price"),
    Definition("conversion_rate", "item", "distinct buyers who viewed it / distinct viewers", "share",
               "nobody viewed it"),
    Definition("category", "item", "as the shop says", "word, or 'unknown'"),
    Definition("brand", "item", "as the shop says", "word, or 'unknown'"),
    Definition("implicit_score", "interaction", "sum of the pair's event weights (params: prepare.weight_*)", "points"),
    Definition("recency_weight", "interaction", "0.5 ^ (days since the pair's last event / half-life)", "0-1"),
    Definition("affinity", "interaction", "share of the user's implicit score that lies in the item's category",
               "share", "the user's score is 0"),
)  # fmt: skip
KEYS = {"user": ["user_id"], "item": ["item_id"], "interaction": ["user_id", "item_id"]}


def compute(
    events: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame, as_of: datetime, params: Features
) -> dict[str, pl.DataFrame]:
    """All feature tables as of a moment: entity -> one row per user / item / pair known by then.

    Every table starts with its keys and `event_timestamp` = `as_of`. Tables are sorted by their keys.
    """
    history = before(events, as_of)
    tables = {
        "user": user_features(history, users, items, as_of),
        "item": item_features(history, items, params),
        "interaction": interaction_features(history, items, as_of, params),
    }
    stamp = pl.lit(as_of).cast(pl.Datetime("us", "UTC"))
    return {
        entity: table.with_columns(event_timestamp=stamp).select(*KEYS[entity], "event_timestamp", *names(entity))
        for entity, table in tables.items()
    }


def names(entity: str) -> list[str]:
    """The features of an entity, in the order of their definition."""
    return [definition.name for definition in DEFINITIONS if definition.entity == entity]


def user_features(history: pl.DataFrame, users: pl.DataFrame, items: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """One row per user with an event in the history."""
    frame = _with_category(nw.from_native(history), items)
    counts = frame.with_columns(
        purchase=_is("purchase"), funnel=_is("view", "cart", "purchase"), stars=nw.col("rating")
    ).group_by("user_id").agg(
        activity_count=nw.len().cast(nw.Int64), average_rating=nw.col("stars").mean(),
        purchases=nw.col("purchase").sum(), funnel=nw.col("funnel").sum(), first_event=nw.col("timestamp").min(),
    )  # fmt: skip
    favourite = (
        _category_scores(frame).sort("user_id", "score", "category", descending=[False, True, False])
        .unique("user_id", keep="first", order_by=["score_rank"]).select("user_id", preferred_category="category")
    )  # fmt: skip
    people = nw.from_native(users).select("user_id", "age_group", "gender", "country", "signup_date")
    joined = counts.join(favourite, on="user_id", how="left").join(people, on="user_id", how="left")
    ratio = nw.when(nw.col("funnel") > 0).then(nw.col("purchases") / nw.col("funnel"))
    joined = joined.with_columns(purchase_ratio=ratio, tenure_days=_tenure_days(as_of))
    return joined.sort("user_id").to_native()


def item_features(history: pl.DataFrame, items: pl.DataFrame, params: Features) -> pl.DataFrame:
    """One row per item with an event in the history."""
    frame = nw.from_native(history)
    known = frame.select("item_id").unique()
    features = (
        known.join(_item_popularity(frame), on="item_id", how="left")
        .join(_item_rating(frame, params.rating_prior), on="item_id", how="left")
        .join(_item_conversion(frame), on="item_id", how="left")
        .join(frame.group_by("item_id").agg(price=nw.col("price").median()), on="item_id", how="left")
        .join(nw.from_native(items).select("item_id", "category", "brand"), on="item_id", how="left")
    )
    features = features.with_columns(nw.col("popularity").fill_null(0), price_tier=_price_tier(params.n_price_tiers))
    return features.sort("item_id").to_native()


def interaction_features(history: pl.DataFrame, items: pl.DataFrame, as_of: datetime, params: Features) -> pl.DataFrame:
    """One row per user-item pair with a view, cart, purchase or rating in the history."""
    frame = _with_category(nw.from_native(history), items).filter(nw.col("event_type").is_in(POSITIVE))
    pairs = frame.group_by("user_id", "item_id", "category").agg(
        implicit_score=nw.col("weight").sum(), last=nw.col("timestamp").max()
    )
    scores = _category_scores(frame).select("user_id", "category", "score", "total")
    age = _days(as_of, nw.col("last"))
    joined = pairs.join(scores, on=["user_id", "category"], how="left").with_columns(
        recency_weight=(age / params.half_life_days * -0.6931471805599453).exp(),
        affinity=nw.when(nw.col("total") > 0).then(nw.col("score") / nw.col("total")),
    )
    return joined.sort("user_id", "item_id").to_native()


def latest_event_used(events: pl.DataFrame, as_of: datetime) -> datetime:
    """The latest event that features as of this moment may see.

    Raises
    ------
    UserError
        If there is none, or if it is not before the moment: a leak.
    """
    latest = before(events, as_of).get_column("timestamp").max()
    if latest is None:
        raise UserError(f"No event lies before {as_of:%Y-%m-%d %H:%M}: there is nothing to compute features from.")
    if latest >= as_of:
        raise UserError(f"Leak: features as of {as_of} used an event of {latest}.")
    return latest


def _is(*kinds: str) -> nw.Expr:
    return nw.col("event_type").is_in(kinds).cast(nw.Int64)


def _days(as_of: datetime, moment: nw.Expr) -> nw.Expr:
    """Days, with their fraction, from a moment to `as_of`."""
    return (nw.lit(as_of) - moment).dt.total_microseconds().cast(nw.Float64) / MICROSECONDS_PER_DAY


def _with_category(frame: nw.DataFrame, items: pl.DataFrame) -> nw.DataFrame:
    return frame.join(nw.from_native(items).select("item_id", "category"), on="item_id", how="left")


def _category_scores(frame: nw.DataFrame) -> nw.DataFrame:
    """One row per user and category: the implicit score, the user's total, the category's place (1 = best)."""
    positive = frame.filter(nw.col("event_type").is_in(POSITIVE))
    scores = positive.group_by("user_id", "category").agg(score=nw.col("weight").sum())
    scores = scores.sort("user_id", "category")
    return scores.with_columns(
        total=nw.col("score").sum().over("user_id"),
        score_rank=nw.col("score").rank("ordinal", descending=True).over("user_id"),
    )


def _tenure_days(as_of: datetime) -> nw.Expr:
    start = nw.coalesce(
        nw.col("signup_date").cast(nw.Datetime("us")).dt.replace_time_zone("UTC"), nw.col("first_event")
    )
    return _days(as_of, start)


def _item_popularity(frame: nw.DataFrame) -> nw.DataFrame:
    kind = "purchase" if frame.filter(nw.col("event_type") == "purchase").shape[0] else "rating"
    buyers = frame.filter(nw.col("event_type") == kind).select("user_id", "item_id").unique()
    return buyers.group_by("item_id").agg(popularity=nw.len().cast(nw.Int64))


def _item_rating(frame: nw.DataFrame, prior: float) -> nw.DataFrame:
    rated = frame.filter(~nw.col("rating").is_null())
    shop_mean = rated.get_column("rating").mean() if rated.shape[0] else None
    sums = frame.group_by("item_id").agg(stars=nw.col("rating").sum(), n=nw.col("rating").count())
    shrunk = (nw.col("stars") + prior * (shop_mean or 0.0)) / (nw.col("n") + prior)
    value = nw.when(nw.col("n") + prior > 0).then(shrunk) if shop_mean else nw.lit(None, nw.Float64)
    return sums.select("item_id", average_rating=value)


def _item_conversion(frame: nw.DataFrame) -> nw.DataFrame:
    viewers = frame.filter(nw.col("event_type") == "view").select("user_id", "item_id").unique()
    buyers = frame.filter(nw.col("event_type") == "purchase").select("user_id", "item_id").unique()
    bought = viewers.join(buyers.with_columns(bought=nw.lit(1)), on=["user_id", "item_id"], how="left")
    bought = bought.with_columns(nw.col("bought").fill_null(0)).group_by("item_id")
    return bought.agg(conversion_rate=nw.col("bought").mean())


def _price_tier(n_tiers: int) -> nw.Expr:
    """1 = cheapest .. n_tiers, by the rank of the price among the known items of its category."""
    rank = nw.col("price").rank("max").over("category")
    share = rank / nw.col("price").count().over("category")
    return nw.when(~nw.col("price").is_null()).then((share * n_tiers).ceil()).cast(nw.Int64)
