"""What the two-step ranker reads of a customer and a product, in plain words, for people who ask why.

The exact definitions are the formulas of the features (`features/definitions`) and `candidates.describe_column`.
"""

from __future__ import annotations

from recomart_lib.core.model_names import plain
from recomart_lib.train.candidates import REFERENCE_RANK, SOURCES

OWN = {"own": "whether the customer chose it before", "own__rank": "its place among what the customer chose before"}
OF_SOURCE = {
    "score": "how well it fits the customer by {model}",
    "rank": "its place in the customer's list by {model}",
    "relative": f"how far it is ahead of place {REFERENCE_RANK} in the customer's list by {{model}}",
}
WINDOWS = {"recent_week": "of the last week", "recent_month": "of the last month"}
USER = {
    "activity_count": "how much the customer did in the shop",
    "tenure_days": "how long the customer has been known",
    "days_since_last_event": "how many days ago the customer was last active",
    "age_group": "the customer's age group",
    "gender": "the customer's gender",
    "country": "the customer's country",
    "average_rating": "how the customer rates on average",
    "rating_count": "how many products the customer rated",
    "purchase_ratio": "how often the customer buys instead of only looking",
    "events_30d": "how active the customer was in the last 30 days",
    "weekend_share": "how much the customer shops at weekends",
    "item_breadth": "how many different products the customer dealt with",
    "preferred_weekday": "the weekday on which the customer shops most",
    "preferred_hour": "the hour at which the customer shops most",
    "preferred_category": "the customer's favourite category",
    "preferred_category_share": "how much the customer sticks to the favourite category",
    "second_category": "the customer's second favourite category",
    "second_category_share": "how much the customer likes the second favourite category",
    "category_breadth": "how many different categories the customer dealt with",
    "preferred_brand": "the customer's favourite brand",
    "preferred_brand_share": "how much the customer sticks to the favourite brand",
    "order_count": "how many orders the customer placed",
    "days_since_last_order": "how many days ago the customer last ordered",
    "order_interval_days": "how many days lie between the customer's orders",
    "basket_size": "how many products the customer's orders have",
    "spend": "how much the customer spent",
    "price_level": "whether the customer buys cheap or expensive products",
    "return_rate": "how much the customer sends back",
}
ITEM = {
    "category": "the product's category",
    "brand": "the product's brand",
    "age_days": "how new the product is",
    "days_since_last_event": "how many days ago anybody dealt with the product",
    "popularity": "how many customers chose it",
    "popularity_7d": "how many customers chose it in the last 7 days",
    "popularity_30d": "how many customers chose it in the last 30 days",
    "popularity_90d": "how many customers chose it in the last 90 days",
    "popularity_trend": "whether it is becoming more popular",
    "order_count": "how many orders have it",
    "repeat_rate": "how many of its buyers bought it again",
    "repurchase_interval_days": "after how many days people buy it again",
    "conversion_rate": "how many of those who looked at it bought it",
    "view_to_cart_rate": "how many of those who looked at it put it in a cart",
    "cart_to_purchase_rate": "how many of those with it in a cart bought it",
    "price_tier": "how expensive it is within its category",
    "price_vs_category": "its price beside those of its category",
    "price": "its price",
    "price_vs_usual": "its price beside its usual price",
    "discount": "its discount",
    "average_rating": "how it is rated",
    "rating_count": "how many ratings it has",
    "return_rate": "how much of it is sent back",
    "events_30d": "how much attention it had in the last 30 days",
    "list_price": "its list price",
}
PAIR = {
    "implicit_score": "how much the customer dealt with it",
    "recency_weight": "how recently the customer dealt with it",
    "days_since_last_event": "how many days ago the customer dealt with it",
    "view_count": "how often the customer looked at it",
    "cart_count": "how often the customer put it in a cart",
    "purchase_count": "how often the customer bought it",
    "rating_count": "how often the customer rated it",
    "average_rating": "how the customer rated it",
    "order_count": "in how many orders the customer bought it",
    "days_since_last_order": "how many days ago the customer last bought it",
    "basket_share": "how many of the customer's orders have it",
    "cycle_of_pair": "whether the customer is due to buy it again, by the customer's own habit with it",
    "cycle_of_user": "whether the customer is due to order again",
    "cycle_of_item": "whether the customer is due to buy it again, by how soon people buy it again",
    "affinity": "how much the customer likes its category",
    "content_similarity": "how much it resembles what the customer likes in category and brand",
    "copurchase_similarity": "how often it is bought by buyers of the customer's products",
}
OF_ENTITY = {"user": USER, "item": ITEM, "interaction": PAIR}


def words(column: str) -> str | None:
    """A column of the candidates in plain words; None if nobody wrote them yet.

    >>> words("interaction__days_since_last_order"), words("ease__rank")
    ('how many days ago the customer last bought it', "its place in the customer's list by Linear item model (EASE)")
    """
    if column in OWN:
        return OWN[column]
    source, _, kind = column.partition("__")
    if source in SOURCES:
        model = " ".join(filter(None, [plain(SOURCES[source][0]), WINDOWS.get(source)]))
        return OF_SOURCE[kind].format(model=model)
    return OF_ENTITY.get(source, {}).get(kind)
