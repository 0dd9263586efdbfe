"""Features of users."""

from __future__ import annotations

import narwhals as nw

from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.features.base import (
    ANY,
    MONEY,
    NUMBER,
    POSITIVE,
    QUANTITY,
    WHOLE,
    WORD,
    Feature,
    Past,
    best,
    cached,
    days,
    decimal,
    group,
    is_kind,
    orders,
    ranked,
    scores,
    share,
    whole,
)

NO_TASTE = "no view, cart, purchase or rating"
NO_CATEGORY = f"{NO_TASTE} of a product with a known category"
NO_BRAND = f"{NO_TASTE} of a product with a known brand"


@group(
    "user",
    Feature("activity_count", WHOLE, "number of the user's events", "events", since=1),
    Feature("tenure_days", NUMBER, "days since sign-up; without one, since the first event", "days", since=1),
    Feature("days_since_last_event", NUMBER, "days since the user's last event", "days"),
    reads=ANY,
)
def activity(past: Past) -> nw.LazyFrame:
    """How much, since when, until when."""
    counts = past.events.group_by("user_id").agg(
        activity_count=nw.len().cast(nw.Int64), first=nw.col("time").min(), last=nw.col("time").max()
    )
    joined = counts.join(past.users.select("user_id", "signup"), on="user_id", how="left")
    return joined.with_columns(start=nw.coalesce("signup", "first")).select(
        "user_id", "activity_count", tenure_days=past.days_since("start"), days_since_last_event=past.days_since("last")
    )


@group(
    "user",
    Feature("age_group", WORD, "group of the user's age", "years, or 'unknown'", since=1),
    Feature("gender", WORD, "as the shop says", "word, or 'unknown'", since=1),
    Feature("country", WORD, "as the shop says", "word, or 'unknown'", since=1),
    reads=(),
)
def demographics(past: Past) -> nw.LazyFrame:
    """Attributes from the shop's table: its newest statement until the cut, before the first statement the first."""
    return past.users.select("user_id", "age_group", "gender", "country")


@group(
    "user",
    Feature("average_rating", NUMBER, "mean of the user's ratings", "stars, 1-5", "gave no rating", since=1),
    Feature("rating_count", WHOLE, "number of the user's ratings", "ratings", "the shop has no ratings", empty=0),
    reads=("rating",),
)
def ratings(past: Past) -> nw.LazyFrame:
    """The user's ratings."""
    stars = past.events.with_columns(stars=whole(nw.col("rating"))).group_by("user_id")
    sums = stars.agg(nw.col("stars").sum(), rating_count=nw.col("stars").count().cast(nw.Int64))
    return sums.select(
        "user_id", "rating_count", average_rating=share(decimal(nw.col("stars")), nw.col("rating_count"))
    )


@group(
    "user",
    Feature(
        "purchase_ratio",
        NUMBER,
        "purchases / (views + carts + purchases)",
        "share",
        "only ratings or returns, or the shop has no purchases",
        since=1,
    ),
    reads=("view", "cart", "purchase"),
    needs=("purchase",),
)
def funnel(past: Past) -> nw.LazyFrame:
    """Looking or buying?"""
    counts = past.events.with_columns(bought=is_kind("purchase")).group_by("user_id")
    counts = counts.agg(nw.col("bought").sum(), n=nw.len())
    return counts.select("user_id", purchase_ratio=share(nw.col("bought"), nw.col("n")))


@group(
    "user",
    Feature("events_30d", WHOLE, "views, carts, purchases and ratings of the last 30 days", "events", empty=0),
    Feature(
        "weekend_share",
        NUMBER,
        "share of views, carts, purchases and ratings on Saturday or Sunday, local days",
        "share",
        NO_TASTE,
    ),
    Feature("item_breadth", WHOLE, "distinct products viewed, put in a cart, bought or rated", "products", empty=0),
    reads=POSITIVE,
)
def rhythm(past: Past) -> nw.LazyFrame:
    """Active lately? On weekends? Interested in how many products?"""
    flags = past.events.with_columns(
        recent=past.in_last(30).cast(nw.Int64), weekend=(nw.col("weekday") >= 6).cast(nw.Int64)
    )
    counts = flags.group_by("user_id").agg(
        events_30d=nw.col("recent").sum(), weekend=nw.col("weekend").sum(), n=nw.len()
    )
    breadth = past.sums.group_by("user_id").agg(item_breadth=nw.len().cast(nw.Int64))
    return counts.join(breadth, on="user_id").select(
        "user_id", "events_30d", "item_breadth", weekend_share=share(nw.col("weekend"), nw.col("n"))
    )


@group(
    "user",
    Feature(
        "preferred_weekday",
        WHOLE,
        "local weekday of most views, carts, purchases and ratings (ties: the earlier)",
        "1 = Monday .. 7",
        NO_TASTE,
    ),
    reads=POSITIVE,
)
def weekday(past: Past) -> nw.LazyFrame:
    """The weekday on which the user is most active."""
    return _commonest(past, "weekday")


@group(
    "user",
    Feature(
        "preferred_hour",
        WHOLE,
        "local hour of most views, carts, purchases and ratings (ties: the earlier)",
        "0-23",
        NO_TASTE,
    ),
    reads=POSITIVE,
)
def hour(past: Past) -> nw.LazyFrame:
    """The hour at which the user is most active."""
    return _commonest(past, "hour")


def _commonest(past: Past, part: str) -> nw.LazyFrame:
    """`preferred_<part>`: the weekday or hour of most of the user's events; ties go to the earlier."""
    counts = past.events.group_by("user_id", part).agg(score=nw.len().cast(nw.Int64))
    return best(counts, "user_id", part).select("user_id", nw.col(part).alias(f"preferred_{part}"))


@group(
    "user",
    Feature(
        "preferred_category",
        WORD,
        "known category with the largest implicit score (ties: the first by name)",
        "category",
        NO_CATEGORY,
        since=1,
    ),
    Feature(
        "preferred_category_share",
        NUMBER,
        "that category's share of the user's implicit score",
        "share",
        f"{NO_CATEGORY}, or the user's score is 0",
    ),
    Feature(
        "second_category",
        WORD,
        "known category with the second largest implicit score (ties: by name)",
        "category",
        "fewer than two known categories",
    ),
    Feature(
        "second_category_share",
        NUMBER,
        "that category's share of the user's implicit score",
        "share",
        "fewer than two known categories, or the user's score is 0",
    ),
    Feature("category_breadth", WHOLE, "distinct known categories of those products", "categories", empty=0),
    reads=POSITIVE,
)
def categories(past: Past) -> nw.LazyFrame:
    """The user's preferred categories, and how strong the preference is."""
    table, totals = _known_scores(past, "category")
    breadth = table.group_by("user_id").agg(category_breadth=nw.len().cast(nw.Int64))
    places = cached(ranked(table, "user_id", "category"))
    first, second = (places.filter(nw.col("place") == place).drop("place") for place in (1, 2))
    second = second.rename({"category": "second_category", "score": "second"})
    joined = first.join(totals, on="user_id").join(breadth, on="user_id").join(second, on="user_id", how="left")
    return joined.select(
        "user_id",
        "second_category",
        "category_breadth",
        preferred_category="category",
        preferred_category_share=share(nw.col("score"), nw.col("total")),
        second_category_share=share(nw.col("second"), nw.col("total")),
    )


@group(
    "user",
    Feature(
        "preferred_brand",
        WORD,
        "known brand with the largest implicit score (ties: the first by name)",
        "brand",
        NO_BRAND,
    ),
    Feature(
        "preferred_brand_share",
        NUMBER,
        "that brand's share of the user's implicit score",
        "share",
        f"{NO_BRAND}, or the user's score is 0",
    ),
    reads=POSITIVE,
)
def brands(past: Past) -> nw.LazyFrame:
    """The user's preferred brand, and how strong the preference is."""
    table, totals = _known_scores(past, "brand")
    joined = best(table, "user_id", "brand").join(totals, on="user_id")
    return joined.select(
        "user_id", preferred_brand="brand", preferred_brand_share=share(nw.col("score"), nw.col("total"))
    )


def _known_scores(past: Past, word: str) -> tuple[nw.LazyFrame, nw.LazyFrame]:
    """The user's score by category or brand, where it is known; and `total`, the user's score with the unknown."""
    table = scores(past, "user_id", word).filter(nw.col(word) != UNKNOWN)
    return table, scores(past, "user_id").rename({"score": "total"})


@group(
    "user",
    Feature(
        "order_count",
        WHOLE,
        "distinct orders (a purchase without an order id is one)",
        "orders",
        "the shop has no purchases",
        empty=0,
    ),
    Feature("days_since_last_order", NUMBER, "days since the first line of the last order", "days", "never bought"),
    Feature(
        "order_interval_days", NUMBER, "(last order - first order) / (orders - 1)", "days", "fewer than two orders"
    ),
    reads=("purchase",),
)
def buying(past: Past) -> nw.LazyFrame:
    """How often does the user buy?"""
    totals = (
        orders(past, "user_id")
        .group_by("user_id")
        .agg(order_count=nw.len().cast(nw.Int64), first=nw.col("time").min(), last=nw.col("time").max())
    )
    return totals.select(
        "user_id",
        "order_count",
        days_since_last_order=past.days_since("last"),
        order_interval_days=share(days(nw.col("last") - nw.col("first")), nw.col("order_count") - 1),
    )


@group(
    "user",
    Feature(
        "basket_size", NUMBER, "distinct products per order, mean over the user's orders", "products", "never bought"
    ),
    reads=("purchase",),
)
def baskets(past: Past) -> nw.LazyFrame:
    """How many products per order?"""
    sizes = orders(past, "user_id", "item_id").group_by("user_id", "order").agg(n=nw.len())
    sums = sizes.group_by("user_id").agg(lines=nw.col("n").sum(), orders=nw.len())
    return sums.select("user_id", basket_size=share(nw.col("lines"), nw.col("orders")))


@group(
    "user",
    Feature(
        "spend",
        NUMBER,
        "sum of quantity x price of the purchases",
        "the shop's currency",
        "never bought, or no price is known",
    ),
    Feature(
        "price_level",
        NUMBER,
        "price / median price of the category's purchases, mean over the user's purchases",
        "ratio, 1 = usual",
        "never bought, or no price is known",
    ),
    reads=("purchase",),
)
def spending(past: Past) -> nw.LazyFrame:
    """How much money, and on the cheaper or the more expensive products of a category?"""
    lines = past.events.filter(~nw.col("price").is_null())
    lines = lines.join(past.items.select("item_id", "category"), on="item_id", how="left")
    usual = lines.group_by("category").agg(usual=nw.col("price").median())
    lines = lines.join(usual, on="category", how="left").with_columns(
        amount=whole(nw.col("price") * nw.col("quantity"), MONEY), level=whole(share(nw.col("price"), nw.col("usual")))
    )
    sums = lines.group_by("user_id").agg(nw.col("amount").sum(), nw.col("level").sum(), n=nw.col("level").count())
    return sums.select(
        "user_id", spend=decimal(nw.col("amount"), MONEY), price_level=share(decimal(nw.col("level")), nw.col("n"))
    )


@group(
    "user",
    Feature(
        "return_rate",
        NUMBER,
        "pieces returned / pieces bought",
        "share; above 1 if older purchases came back",
        "never bought, or the shop has no returns",
    ),
    reads=("purchase", "return"),
    needs=("return",),
)
def returning(past: Past) -> nw.LazyFrame:
    """Does the user return products?"""
    return returned(past, "user_id").select("user_id", return_rate="rate")


def returned(past: Past, key: str) -> nw.LazyFrame:
    """`rate`: units returned / units bought, per user or per product."""
    quantity = whole(nw.col("quantity"), QUANTITY)
    quantities = past.events.with_columns(returned=is_kind("return") * quantity, bought=is_kind("purchase") * quantity)
    sums = quantities.group_by(key).agg(nw.col("returned").sum(), nw.col("bought").sum())
    return sums.select(key, rate=share(nw.col("returned"), nw.col("bought")))


GROUPS = (
    activity,
    demographics,
    ratings,
    funnel,
    rhythm,
    weekday,
    hour,
    categories,
    brands,
    buying,
    baskets,
    spending,
    returning,
)
