"""Features of items."""

from __future__ import annotations

import narwhals as nw

from recomart_lib.features.base import (
    ANY,
    NUMBER,
    POSITIVE,
    WHOLE,
    WORD,
    Feature,
    Past,
    days,
    decimal,
    group,
    orders,
    share,
    whole,
)
from recomart_lib.features.users import returned

NO_PRICE = "no price is known"


@group(
    "item",
    Feature("category", WORD, "as the shop says", "word, or 'unknown'", since=1),
    Feature("brand", WORD, "as the shop says", "word, or 'unknown'", since=1),
    reads=(),
)
def attributes(past: Past) -> nw.LazyFrame:
    """Attributes from the shop's table: its newest statement until the cut, before the first statement the first."""
    return past.items.select("item_id", "category", "brand")


@group(
    "item",
    Feature("age_days", NUMBER, "days since the product's first event: its newness", "days"),
    Feature("days_since_last_event", NUMBER, "days since the product's last event", "days"),
    reads=ANY,
)
def age(past: Past) -> nw.LazyFrame:
    """New, or no longer active?"""
    times = past.events.group_by("item_id").agg(first=nw.col("time").min(), last=nw.col("time").max())
    return times.select("item_id", age_days=past.days_since("first"), days_since_last_event=past.days_since("last"))


@group(
    "item",
    Feature("popularity", WHOLE, "distinct users who bought it (rating shops: rated it)", "users", empty=0, since=1),
    reads=("purchase", "rating"),
)
def popularity(past: Past) -> nw.LazyFrame:
    """How many users bought it?"""
    return _buyers(past).group_by("item_id").agg(popularity=nw.len().cast(nw.Int64))


@group(
    "item",
    Feature("popularity_7d", WHOLE, "distinct users who bought (rated) it in the last 7 days", "users", empty=0),
    Feature("popularity_30d", WHOLE, "distinct users who bought (rated) it in the last 30 days", "users", empty=0),
    Feature("popularity_90d", WHOLE, "distinct users who bought (rated) it in the last 90 days", "users", empty=0),
    Feature(
        "popularity_trend",
        NUMBER,
        "(popularity_30d / 30) / (popularity_90d / 90)",
        "ratio, above 1 = rising",
        "nobody in 90 days",
    ),
    reads=("purchase", "rating"),
)
def recent_popularity(past: Past) -> nw.LazyFrame:
    """Is it trending? A user counts in a window by the last purchase."""
    windows = {f"popularity_{n}d": past.in_last(n).cast(nw.Int64) for n in (7, 30, 90)}
    counts = _buyers(past).with_columns(**windows).group_by("item_id").agg(*(nw.col(name).sum() for name in windows))
    trend = share(nw.col("popularity_30d") * 3, nw.col("popularity_90d"))
    return counts.select("item_id", *windows, popularity_trend=trend)


@group(
    "item",
    Feature("order_count", WHOLE, "distinct orders that hold it", "orders", "the shop has no purchases", empty=0),
    Feature(
        "repeat_rate", NUMBER, "share of its buyers who bought it in two orders or more", "share", "nobody bought it"
    ),
    Feature(
        "repurchase_interval_days",
        NUMBER,
        "sum over users of (last - first order with it) / sum of (their orders with it - 1)",
        "days",
        "nobody bought it twice",
    ),
    reads=("purchase",),
)
def repeats(past: Past) -> nw.LazyFrame:
    """Is it bought again, and after how long?"""
    per_user = (
        orders(past, "user_id", "item_id")
        .group_by("user_id", "item_id")
        .agg(n=nw.len().cast(nw.Int64), first=nw.col("time").min(), last=nw.col("time").max())
    )
    per_user = per_user.with_columns(
        again=nw.col("n") - 1, repeated=(nw.col("n") > 1).cast(nw.Int64), span=nw.col("last") - nw.col("first")
    )
    sums = per_user.group_by("item_id").agg(
        order_count=nw.col("n").sum(),
        buyers=nw.len(),
        repeated=nw.col("repeated").sum(),
        again=nw.col("again").sum(),
        span=nw.col("span").sum(),
    )
    return sums.select(
        "item_id",
        "order_count",
        repeat_rate=share(nw.col("repeated"), nw.col("buyers")),
        repurchase_interval_days=share(days(nw.col("span")), nw.col("again")),
    )


@group(
    "item",
    Feature(
        "conversion_rate",
        NUMBER,
        "distinct buyers who viewed it / distinct viewers",
        "share",
        "nobody viewed it, or the shop has no purchases",
        since=1,
    ),
    Feature(
        "view_to_cart_rate",
        NUMBER,
        "distinct viewers who put it in a cart / distinct viewers",
        "share",
        "nobody viewed it, or the shop has no carts",
    ),
    Feature(
        "cart_to_purchase_rate",
        NUMBER,
        "distinct users with it in a cart who bought it / users with it in a cart",
        "share",
        "nobody put it in a cart, or the shop has no purchases",
    ),
    reads=("view", "cart", "purchase"),
)
def conversion(past: Past) -> nw.LazyFrame:
    """How many viewers go on to the cart and to a purchase?"""
    did = past.sums.select(
        "item_id", **{kind: (nw.col(f"{kind}_count") > 0).cast(nw.Int64) for kind in ("view", "cart", "purchase")}
    )
    did = did.with_columns(
        view_cart=nw.col("view") * nw.col("cart"),
        view_purchase=nw.col("view") * nw.col("purchase"),
        cart_purchase=nw.col("cart") * nw.col("purchase"),
    )
    steps = ("view", "cart", "view_cart", "view_purchase", "cart_purchase")
    sums = did.group_by("item_id").agg(*(nw.col(step).sum() for step in steps))
    return sums.select(
        "item_id",
        conversion_rate=share(nw.col("view_purchase"), past.where("purchase", nw.col("view"))),
        view_to_cart_rate=share(nw.col("view_cart"), past.where("cart", nw.col("view"))),
        cart_to_purchase_rate=share(nw.col("cart_purchase"), past.where("purchase", nw.col("cart"))),
    )


@group(
    "item",
    Feature(
        "price_tier",
        WHOLE,
        "quantile within its category of the median price of its events: 1 = cheapest",
        "tier",
        NO_PRICE,
        since=1,
    ),
    Feature(
        "price_vs_category",
        NUMBER,
        "median price of its events / median of those of its category's products",
        "ratio, 1 = usual",
        NO_PRICE,
    ),
    reads=ANY,
)
def price_in_category(past: Past) -> nw.LazyFrame:
    """Cheap or expensive within its category?"""
    prices = past.events.filter(~nw.col("price").is_null()).group_by("item_id").agg(price=nw.col("price").median())
    prices = prices.join(past.items.select("item_id", "category"), on="item_id", how="left")
    usual = prices.group_by("category").agg(usual=nw.col("price").median(), n=nw.len().cast(nw.Float64))
    prices = prices.with_columns(place=nw.col("price").rank("max").over("category"))
    prices = prices.join(usual, on="category", how="left")
    tier = (nw.col("place") / nw.col("n") * past.settings.n_price_tiers).ceil().cast(nw.Int64)
    return prices.select("item_id", price_tier=tier, price_vs_category=share(nw.col("price"), nw.col("usual")))


@group(
    "item",
    Feature(
        "price",
        NUMBER,
        "price of its last event with a price (several at that moment: the lowest)",
        "the shop's currency",
        NO_PRICE,
    ),
    Feature("price_vs_usual", NUMBER, "that price / median price of its events", "ratio, 1 = usual", NO_PRICE),
    Feature(
        "discount",
        NUMBER,
        "how far that price lies below the median of its events; 0 if it does not",
        "share",
        NO_PRICE,
    ),
    reads=ANY,
)
def price_now(past: Past) -> nw.LazyFrame:
    """Cheaper than it used to be?"""
    priced = past.events.filter(~nw.col("price").is_null()).select("item_id", "time", "price")
    usual = priced.group_by("item_id").agg(usual=nw.col("price").median(), last=nw.col("time").max())
    latest = priced.join(usual, on="item_id").filter(nw.col("time") == nw.col("last"))
    latest = latest.group_by("item_id").agg(price=nw.col("price").min(), usual=nw.col("usual").max())
    latest = latest.with_columns(price_vs_usual=share(nw.col("price"), nw.col("usual")))
    return latest.select("item_id", "price", "price_vs_usual", discount=(1 - nw.col("price_vs_usual")).clip(0))


@group(
    "item",
    Feature(
        "average_rating",
        NUMBER,
        "mean rating, shrunk: (sum + prior * shop mean) / (n + prior)",
        "stars, 1-5",
        "the shop has no ratings",
        since=1,
    ),
    Feature("rating_count", WHOLE, "number of its ratings", "ratings", "the shop has no ratings", empty=0),
    reads=ANY,
    needs=("rating",),
)
def ratings(past: Past) -> nw.LazyFrame:
    """The product's ratings. Few ratings are shrunk towards the shop's mean."""
    rated = past.only("rating").with_columns(one=nw.lit(1), stars=whole(nw.col("rating")))
    prior = past.settings.rating_prior
    shop = rated.group_by("one").agg(all_stars=nw.col("stars").sum(), all_n=nw.col("stars").count())
    shop = shop.select("one", shop_mean=share(decimal(nw.col("all_stars")), nw.col("all_n")))
    sums = rated.group_by("item_id").agg(nw.col("stars").sum(), n=nw.col("stars").count().cast(nw.Int64))
    item_ids = past.events.select("item_id").unique().with_columns(one=nw.lit(1)).join(shop, on="one")
    joined = item_ids.join(sums, on="item_id", how="left").with_columns(nw.col("stars", "n").fill_null(0))
    shrunk = share(decimal(nw.col("stars")) + prior * nw.col("shop_mean"), nw.col("n") + prior)
    return joined.select("item_id", average_rating=shrunk, rating_count="n")


@group(
    "item",
    Feature(
        "return_rate",
        NUMBER,
        "pieces returned / pieces bought",
        "share; above 1 if older purchases came back",
        "nobody bought it, or the shop has no returns",
    ),
    reads=("purchase", "return"),
    needs=("return",),
)
def returning(past: Past) -> nw.LazyFrame:
    """Is it returned?"""
    return returned(past, "item_id").select("item_id", return_rate="rate")


@group(
    "item",
    Feature("events_30d", WHOLE, "views, carts, purchases and ratings of the last 30 days", "events", empty=0),
    reads=POSITIVE,
)
def attention(past: Past) -> nw.LazyFrame:
    """Is it getting attention lately?"""
    recent = past.events.with_columns(recent=past.in_last(30).cast(nw.Int64))
    return recent.group_by("item_id").agg(events_30d=nw.col("recent").sum())


@group(
    "item",
    Feature(
        "list_price",
        NUMBER,
        "price in the shop's items table",
        "the shop's currency",
        "the table has no price for it",
        since=3,
    ),
    reads=(),
)
def stated_price(past: Past) -> nw.LazyFrame:
    """The catalogue's price, paid or not: its newest statement until the cut, as for the attributes."""
    return past.items.select("item_id", list_price="price")


def _buyers(past: Past) -> nw.LazyFrame:
    """One row per product and user who bought it (shops without purchases: rated it): item_id, user_id, last time."""
    kind = "purchase" if "purchase" in past.kinds else "rating"
    return past.sums.filter(nw.col(f"{kind}_count") > 0).select("item_id", "user_id", time=f"last_{kind}")


GROUPS = (
    attributes,
    age,
    popularity,
    recent_popularity,
    repeats,
    conversion,
    price_in_category,
    price_now,
    ratings,
    returning,
    attention,
    stated_price,
)
