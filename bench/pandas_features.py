"""All features in plain pandas, as one would write them in a notebook: what bench/features.py measures ours against.

Written from docs/features.md, not from the library, so that tests can hold the two against each other.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

POSITIVE = ["view", "cart", "purchase", "rating"]
PAIR = ["user_id", "item_id"]
DAY = pd.Timedelta(days=1)


def compute(events, users, items, as_of, settings, zone="UTC"):
    """Entity -> one row per key, indexed by the key, with the features of docs/features.md."""
    past = events[events["timestamp"] < as_of].copy()
    past["order"] = past["order_id"].fillna(past["event_id"])
    past = past.merge(items[["item_id", "category", "brand"]], on="item_id", how="left")
    local = past["timestamp"].dt.tz_convert(zone)
    past["weekday"], past["hour"] = local.dt.weekday + 1, local.dt.hour
    kinds = set(past["event_type"])
    features = {
        "user": user_features(past, users, as_of, kinds),
        "item": item_features(past, items, as_of, settings, kinds),
        "interaction": pair_features(past, as_of, settings, kinds),
    }
    return features


def days(as_of, moments):
    return (as_of - moments) / DAY


def favourite(table, by, place=0):
    """Per user the known value of `by` with the largest score (or the next, ...), and its share of the user's score."""
    sums = table.groupby(["user_id", by])["weight"].sum().round(9).reset_index()
    sums = sums.sort_values(["user_id", "weight", by], ascending=[True, False, True])
    total = sums.groupby("user_id")["weight"].sum()
    sums = sums[sums[by] != "unknown"]
    row = sums.groupby("user_id").nth(place).set_index("user_id")
    share = row["weight"] / total.reindex(row.index)
    return row[by], share.where(total.reindex(row.index) > 0)


def user_features(past, users, as_of, kinds):
    by_user = past.groupby("user_id")
    out = pd.DataFrame(index=pd.Index(sorted(past["user_id"].unique()), name="user_id"))
    first, last = by_user["timestamp"].min(), by_user["timestamp"].max()
    out["activity_count"] = by_user.size()
    people = users.set_index("user_id").reindex(out.index)
    signup = pd.to_datetime(people["signup_date"]).dt.tz_localize("UTC")
    out["tenure_days"] = days(as_of, signup.fillna(first.reindex(out.index)))
    out["days_since_last_event"] = days(as_of, last)
    out[["age_group", "gender", "country"]] = people[["age_group", "gender", "country"]]
    stars = past[past["event_type"] == "rating"].groupby("user_id")["rating"]
    out["average_rating"] = stars.mean()
    out["rating_count"] = stars.count().reindex(out.index).fillna(0) if "rating" in kinds else np.nan
    funnel = past[past["event_type"].isin(["view", "cart", "purchase"])]
    if "purchase" in kinds:
        out["purchase_ratio"] = (funnel["event_type"] == "purchase").groupby(funnel["user_id"]).mean()
    else:
        out["purchase_ratio"] = np.nan
    liked = past[past["event_type"].isin(POSITIVE)]
    by_liker = liked.groupby("user_id")
    recent = liked[liked["timestamp"] >= as_of - 30 * DAY].groupby("user_id").size()
    out["events_30d"] = recent.reindex(out.index).fillna(0)
    out["weekend_share"] = (liked["weekday"] >= 6).groupby(liked["user_id"]).mean()
    out["item_breadth"] = by_liker["item_id"].nunique().reindex(out.index).fillna(0)
    ones = liked.assign(weight=1.0)
    out["preferred_weekday"], _ = favourite(ones, "weekday")
    out["preferred_hour"], _ = favourite(ones, "hour")
    out["preferred_category"], out["preferred_category_share"] = favourite(liked, "category")
    out["second_category"], out["second_category_share"] = favourite(liked, "category", 1)
    named = liked[liked["category"] != "unknown"]
    out["category_breadth"] = named.groupby("user_id")["category"].nunique().reindex(out.index).fillna(0)
    out["preferred_brand"], out["preferred_brand_share"] = favourite(liked, "brand")
    bought = past[past["event_type"] == "purchase"]
    orders = bought.groupby(["user_id", "order"])["timestamp"].min().groupby("user_id").agg(["size", "min", "max"])
    out["order_count"] = orders["size"].reindex(out.index).fillna(0) if "purchase" in kinds else np.nan
    out["days_since_last_order"] = days(as_of, orders["max"])
    out["order_interval_days"] = interval(orders)
    out["basket_size"] = bought.groupby(["user_id", "order"])["item_id"].nunique().groupby("user_id").mean()
    priced = bought[bought["price"].notna()]
    usual = priced.groupby("category")["price"].transform("median")
    out["spend"] = (priced["price"] * priced["quantity"]).groupby(priced["user_id"]).sum()
    out["price_level"] = (priced["price"] / usual).groupby(priced["user_id"]).mean()
    out["return_rate"] = return_rate(past, "user_id", kinds)
    return out


def interval(orders):
    return ((orders["max"] - orders["min"]) / DAY / (orders["size"] - 1)).where(orders["size"] > 1)


def return_rate(past, key, kinds):
    if "return" not in kinds:
        return np.nan
    pieces = past.groupby([key, "event_type"])["quantity"].sum().unstack(fill_value=0)
    if "purchase" not in pieces:
        return np.nan
    return (pieces["return"] / pieces["purchase"]).where(pieces["purchase"] > 0)


def item_features(past, items, as_of, settings, kinds):
    by_item = past.groupby("item_id")
    out = pd.DataFrame(index=pd.Index(sorted(past["item_id"].unique()), name="item_id"))
    stated = items.set_index("item_id").reindex(out.index)
    out[["category", "brand", "list_price"]] = stated[["category", "brand", "price"]]
    out["age_days"] = days(as_of, by_item["timestamp"].min())
    out["days_since_last_event"] = days(as_of, by_item["timestamp"].max())
    kind = "purchase" if "purchase" in kinds else "rating"
    takers = past[past["event_type"] == kind].groupby(["item_id", "user_id"])["timestamp"].max().reset_index()
    for name, since in {"popularity": 10**4, "popularity_7d": 7, "popularity_30d": 30, "popularity_90d": 90}.items():
        counted = takers[takers["timestamp"] >= as_of - since * DAY].groupby("item_id").size()
        out[name] = counted.reindex(out.index).fillna(0) if kind in kinds else np.nan
    out["popularity_trend"] = (out["popularity_30d"] * 3 / out["popularity_90d"]).where(out["popularity_90d"] > 0)
    bought = past[past["event_type"] == "purchase"]
    orders = bought.groupby(["item_id", "user_id", "order"])["timestamp"].min()
    orders = orders.groupby(["item_id", "user_id"]).agg(["size", "min", "max"])
    count = orders["size"].groupby("item_id").sum()
    out["order_count"] = count.reindex(out.index).fillna(0) if "purchase" in kinds else np.nan
    out["repeat_rate"] = (orders["size"] > 1).groupby("item_id").mean()
    again = (orders["size"] - 1).groupby("item_id").sum()
    out["repurchase_interval_days"] = (((orders["max"] - orders["min"]) / DAY).groupby("item_id").sum() / again).where(
        again > 0
    )
    did = past.groupby(["item_id", "user_id", "event_type"]).size().unstack(fill_value=0) > 0
    did = did.reindex(columns=["view", "cart", "purchase"], fill_value=False)
    for name, step, goal in (
        ("conversion_rate", "view", "purchase"),
        ("view_to_cart_rate", "view", "cart"),
        ("cart_to_purchase_rate", "cart", "purchase"),
    ):
        out[name] = did[did[step]][goal].groupby("item_id").mean() if goal in kinds else np.nan
    priced = past[past["price"].notna()]
    median = priced.groupby("item_id")["price"].median()
    category = out["category"].reindex(median.index)
    place = median.groupby(category).rank("max") / median.groupby(category).transform("size")
    out["price_tier"] = np.ceil(place * settings.n_price_tiers)
    out["price_vs_category"] = median / median.groupby(category).transform("median")
    at_last = priced["timestamp"] == priced.groupby("item_id")["timestamp"].transform("max")
    out["price"] = priced[at_last].groupby("item_id")["price"].min()
    out["price_vs_usual"] = out["price"] / median
    out["discount"] = (1 - out["price_vs_usual"]).clip(lower=0)
    rated = past[past["event_type"] == "rating"]
    stars = rated.groupby("item_id")["rating"].agg(["sum", "count"]).reindex(out.index).fillna(0)
    prior, mean = settings.rating_prior, rated["rating"].mean()
    out["average_rating"] = (stars["sum"] + prior * mean) / (stars["count"] + prior)
    out["rating_count"] = stars["count"] if "rating" in kinds else np.nan
    out["return_rate"] = return_rate(past, "item_id", kinds)
    liked = past[past["event_type"].isin(POSITIVE) & (past["timestamp"] >= as_of - 30 * DAY)]
    out["events_30d"] = liked.groupby("item_id").size().reindex(out.index).fillna(0)
    return out


def pair_features(past, as_of, settings, kinds):
    liked = past[past["event_type"].isin(POSITIVE)]
    by_pair = liked.groupby(PAIR)
    out = pd.DataFrame({"implicit_score": by_pair["weight"].sum()})
    out["days_since_last_event"] = days(as_of, by_pair["timestamp"].max())
    out["recency_weight"] = 0.5 ** (out["days_since_last_event"] / settings.half_life_days)
    for kind in POSITIVE:
        counted = past[past["event_type"] == kind].groupby(PAIR).size().reindex(out.index).fillna(0)
        out[f"{kind}_count"] = counted if kind in kinds else np.nan
    out["average_rating"] = past[past["event_type"] == "rating"].groupby(PAIR)["rating"].mean()
    bought = past[past["event_type"] == "purchase"]
    spans = bought.groupby([*PAIR, "order"])["timestamp"].min().groupby(PAIR).agg(["size", "min", "max"])
    users = bought.groupby(["user_id", "order"])["timestamp"].min().groupby("user_id").agg(["size", "min", "max"])
    again = (spans["size"] - 1).groupby("item_id").sum()
    of_item = (((spans["max"] - spans["min"]) / DAY).groupby("item_id").sum() / again).where(again > 0)
    user, item = spans.index.get_level_values(0), spans.index.get_level_values(1)
    since = days(as_of, spans["max"])
    out["order_count"] = spans["size"].reindex(out.index).fillna(0) if "purchase" in kinds else np.nan
    out["days_since_last_order"] = since
    out["basket_share"] = spans["size"] / users["size"].reindex(user).to_numpy()
    for name, usual in (
        ("pair", interval(spans).to_numpy()),
        ("user", interval(users).reindex(user).to_numpy()),
        ("item", of_item.reindex(item).to_numpy()),
    ):
        out[f"cycle_of_{name}"] = (since / usual).where(usual > 0)
    add_content(out, liked)
    add_copurchase(out, bought, settings.n_last)
    return out


def add_content(out, liked):
    words = liked.drop_duplicates("item_id").set_index("item_id")[["category", "brand"]]
    user, item = out.index.get_level_values(0), out.index.get_level_values(1)
    total = liked.groupby("user_id")["weight"].sum()
    match, n_known, squares = 0.0, 0, pd.Series(0.0, index=total.index)
    for word in ("category", "brand"):
        part = liked.groupby(["user_id", word])["weight"].sum()
        part = part / total.where(total > 0).reindex(part.index.get_level_values(0)).to_numpy()
        item_words = words[word].reindex(item).to_numpy()
        value = part.reindex(pd.MultiIndex.from_arrays([user, item_words])).to_numpy()
        if word == "category":
            out["affinity"] = np.where(item_words != "unknown", value, np.nan)
        named = part[part.index.get_level_values(1) != "unknown"]
        squares = squares.add((named**2).groupby(level=0).sum(), fill_value=0)
        match, n_known = match + np.where(item_words != "unknown", value, 0), n_known + (item_words != "unknown")
    length = np.sqrt(squares.reindex(user).to_numpy() * n_known)
    out["content_similarity"] = np.where(length > 0, match / np.where(length > 0, length, 1), np.nan)


def add_copurchase(out, bought, n_last):
    last = bought.groupby(PAIR)["timestamp"].max().reset_index()
    last = last.sort_values(["user_id", "timestamp", "item_id"], ascending=[True, False, True])
    recent = last.groupby("user_id").head(n_last)[PAIR]
    other = recent.rename(columns={"item_id": "other"})
    both = recent.merge(other, on="user_id")
    both = both[both["item_id"] != both["other"]].groupby(["item_id", "other"]).size().reset_index(name="both")
    n = recent.groupby("item_id").size()
    both["link"] = both["both"] / np.sqrt(n.reindex(both["item_id"]).to_numpy() * n.reindex(both["other"]).to_numpy())
    pairs = out.reset_index()[PAIR].merge(other, on="user_id")
    pairs = pairs[pairs["item_id"] != pairs["other"]].merge(both, on=["item_id", "other"], how="left")
    out["copurchase_similarity"] = pairs["link"].fillna(0).groupby([pairs["user_id"], pairs["item_id"]]).max()
