"""Features of user-item pairs.

By default they are computed for pairs with a view, cart, purchase or rating; a ranker requests them for its candidates,
which may have no event.
"""

from __future__ import annotations

import narwhals as nw

from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.features.base import (
    KEYS,
    NUMBER,
    POSITIVE,
    WHOLE,
    Feature,
    Group,
    Past,
    cached,
    days,
    decimal,
    group,
    join_on_ids,
    orders,
    scores,
    share,
    whole,
)
from recomart_lib.features.items import repeats

PAIR = KEYS["interaction"]
LN_HALF = -0.6931471805599453
NEVER_BOUGHT = "the user never bought it"


@group(
    "interaction",
    Feature(
        "implicit_score",
        NUMBER,
        "sum of the pair's event weights (params: prepare.weight_*)",
        "points",
        "the pair has no event",
        since=1,
    ),
    Feature(
        "recency_weight",
        NUMBER,
        "0.5 ^ (days since the pair's last event / half-life)",
        "0-1",
        "the pair has no event",
        since=1,
    ),
    Feature(
        "days_since_last_event",
        NUMBER,
        "days since the pair's last view, cart, purchase or rating",
        "days",
        "the pair has no event",
    ),
    reads=POSITIVE,
)
def strength(past: Past) -> nw.LazyFrame:
    """How strong is the interest, and how fresh?"""
    age = past.days_since("last")
    return past.sums.select(
        *PAIR,
        implicit_score=decimal(nw.col("score")),
        days_since_last_event=age,
        recency_weight=(age / past.settings.half_life_days * LN_HALF).exp(),
    )


def _count(kind: str) -> Group:
    """The number of a pair's events of one type, as a group of its own: null in a shop that has none of them."""
    feature = Feature(
        f"{kind}_count",
        WHOLE,
        f"number of the pair's events of type {kind}",
        "events",
        f"the shop has no {kind} events",
        empty=0,
    )

    @group("interaction", feature, reads=(kind,))
    def count(past: Past) -> nw.LazyFrame:
        return past.sums.select(*PAIR, feature.name)

    return count


@group(
    "interaction",
    Feature("average_rating", NUMBER, "mean of the user's ratings of the product", "stars, 1-5", "not rated"),
    reads=("rating",),
)
def rating(past: Past) -> nw.LazyFrame:
    """Did the user like it?"""
    return past.sums.select(*PAIR, average_rating=share(decimal(nw.col("stars")), nw.col("n_stars")))


@group(
    "interaction",
    Feature(
        "order_count",
        WHOLE,
        "distinct orders of the user that hold the product",
        "orders",
        "the shop has no purchases",
        empty=0,
    ),
    Feature("days_since_last_order", NUMBER, "days since the last of them", "days", NEVER_BOUGHT),
    Feature("basket_share", NUMBER, "share of the user's orders that hold the product", "share", NEVER_BOUGHT),
    Feature(
        "cycle_of_pair",
        NUMBER,
        "days since the last order / usual interval between the pair's orders",
        "ratio, 1 = due",
        "fewer than two orders",
    ),
    Feature(
        "cycle_of_user",
        NUMBER,
        "days since the pair's last order / usual interval between the user's orders",
        "ratio, 1 = due",
        f"{NEVER_BOUGHT}, or ordered once only",
    ),
    Feature(
        "cycle_of_item",
        NUMBER,
        "days since the last order / usual interval after which people buy it again",
        "ratio, 1 = due",
        f"{NEVER_BOUGHT}, or nobody bought it twice",
    ),
    reads=("purchase",),
)
def cycle(past: Past) -> nw.LazyFrame:
    """Is it time to buy it again? Intervals: (last order - first order) / (orders - 1)."""
    pairs = _spans(orders(past, *PAIR), *PAIR)
    users = _spans(orders(past, "user_id"), "user_id").select("user_id", of_user="interval", user_orders="n")
    items = repeats.build(past.shop).select("item_id", of_item="repurchase_interval_days")
    joined = pairs.join(users, on="user_id", how="left").join(items, on="item_id", how="left")
    joined = joined.with_columns(since=past.days_since("last"))
    return joined.select(
        *PAIR,
        order_count="n",
        days_since_last_order="since",
        basket_share=share(nw.col("n"), nw.col("user_orders")),
        cycle_of_pair=share(nw.col("since"), nw.col("interval")),
        cycle_of_user=share(nw.col("since"), nw.col("of_user")),
        cycle_of_item=share(nw.col("since"), nw.col("of_item")),
    )


def _spans(orders: nw.LazyFrame, *by: str) -> nw.LazyFrame:
    """Per `by`: n (orders), last (time of the last), interval (days; null for one order)."""
    spans = orders.group_by(*by).agg(n=nw.len().cast(nw.Int64), first=nw.col("time").min(), last=nw.col("time").max())
    return spans.with_columns(interval=share(days(nw.col("last") - nw.col("first")), nw.col("n") - 1))


@group(
    "interaction",
    Feature(
        "affinity",
        NUMBER,
        "share of the user's implicit score that lies in the item's category",
        "share",
        "the product's category is unknown, or the user's score is 0",
        since=1,
    ),
    Feature(
        "content_similarity",
        NUMBER,
        "cosine of the product's category and brand with the user's implicit score by category and brand",
        "0-1",
        "the product's words or the user's are all unknown, or the user's score is 0",
    ),
    reads=POSITIVE,
)
def content(past: Past) -> nw.LazyFrame:
    """How similar is the product to the user's category and brand preferences? 'unknown' is similar to nothing."""
    shares = {word: _shares(past, word) for word in ("category", "brand")}
    known_parts = [table.filter(nw.col(word) != UNKNOWN).select("user_id", "part") for word, table in shares.items()]
    squares = nw.concat(known_parts).with_columns(square=whole(nw.col("part") * nw.col("part"), 15))
    norms = squares.group_by("user_id").agg(norm=nw.col("square").sum())
    likers = scores(past, "user_id").join(norms, on="user_id", how="left")
    pairs = past.pairs.join(past.items.select("item_id", "category", "brand"), on="item_id", how="left")
    pairs = pairs.join(likers.rename({"score": "total"}), on="user_id", how="left")
    for word, table in shares.items():
        pairs = pairs.join(table.rename({"part": f"of_{word}"}), on=["user_id", word], how="left")
    pairs = pairs.with_columns(nw.col("of_category", "of_brand").fill_null(0.0))
    flags = {word: (nw.col(word) != UNKNOWN).cast(nw.Int64) for word in shares}
    match = flags["category"] * nw.col("of_category") + flags["brand"] * nw.col("of_brand")
    length = (decimal(nw.col("norm"), 15) * (flags["category"] + flags["brand"])).sqrt()
    affinity = nw.when((nw.col("total") > 0) & (nw.col("category") != UNKNOWN)).then(nw.col("of_category"))
    return pairs.select(*PAIR, affinity=affinity, content_similarity=share(match, length))


def _shares(past: Past, word: str) -> nw.LazyFrame:
    """`part` of the user's implicit score per user and category or brand; null where the user's score is 0."""
    totals = scores(past, "user_id").rename({"score": "total"})
    parts = scores(past, "user_id", word).join(totals, on="user_id")
    return parts.select("user_id", word, part=share(nw.col("score"), nw.col("total")))


@group(
    "interaction",
    Feature(
        "copurchase_similarity",
        NUMBER,
        "largest cosine of its buyers with those of another product that the user bought: "
        "common buyers / sqrt(buyers x buyers); a user counts by the last features.n_last products bought",
        "0-1",
        "the user bought nothing else",
    ),
    reads=("purchase",),
)
def copurchase(past: Past) -> nw.LazyFrame:
    """Do people who bought what the user bought buy it, too?"""
    recent = _recent(past)
    others = recent.rename({"item_id": "other"})
    # Kept, because Polars would otherwise join all links of each product first: too many rows for any memory.
    requested = cached(past.pairs.join(others, on="user_id").filter(nw.col("item_id") != nw.col("other")))
    linked = join_on_ids(requested, _links(past.shop), ["item_id", "other"]).select(*PAIR, "link")
    # Products without common buyers have a link of 0: a pair has one if its user bought any other product.
    per_user = recent.group_by("user_id").agg(n=nw.len(), only=nw.col("item_id").min())
    has_other = past.pairs.join(per_user, on="user_id").filter(
        (nw.col("n") > 1) | (nw.col("item_id") != nw.col("only"))
    )
    links = nw.concat([linked, has_other.select(*PAIR, link=nw.lit(0.0))])
    return links.group_by(PAIR).agg(copurchase_similarity=nw.col("link").max())


def _recent(past: Past) -> nw.LazyFrame:
    """The `features.n_last` products that each user bought last: user_id, item_id."""

    def table() -> nw.LazyFrame:
        bought = past.sums.filter(nw.col("purchase_count") > 0)
        bought = bought.select(*PAIR, back=-nw.col("last_purchase"), one=nw.lit(1))
        place = nw.col("one").cum_sum().over("user_id", order_by=["back", "item_id"])
        return bought.with_columns(place=place).filter(nw.col("place") <= past.settings.n_last).select(PAIR)

    return past.once("recent", table=table)


def _links(past: Past) -> nw.LazyFrame:
    """`link`, the cosine of the buyers of two products that have common ones: item_id, other; each pair both ways."""

    def table() -> nw.LazyFrame:
        recent = _recent(past)
        common = recent.join(recent.rename({"item_id": "other"}), on="user_id")
        counts = common.filter(nw.col("item_id") != nw.col("other")).group_by("item_id", "other").agg(both=nw.len())
        buyers = recent.group_by("item_id").agg(n=nw.len())
        links = counts.join(buyers, on="item_id").join(buyers.rename({"item_id": "other", "n": "m"}), on="other")
        product = (nw.col("n") * nw.col("m")).cast(nw.Float64).sqrt()
        return links.select("item_id", "other", link=nw.col("both").cast(nw.Float64) / product)

    return past.once("links", table=table)


GROUPS = (strength, *(_count(kind) for kind in POSITIVE), rating, cycle, content, copurchase)
