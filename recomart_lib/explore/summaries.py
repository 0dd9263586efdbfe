"""The tables behind the figures of 03_explore, one question each. A shop that lacks the data gets an empty table."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.outlying_days import Bulk, bulk
from recomart_lib.core.text import plural

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
AMOUNT_UNITS = 10_000  # amounts are exact to this part of the currency


def relevant(events: pl.DataFrame, relevant_events: list[str]) -> pl.DataFrame:
    """The shop's relevant events, by which recommendations are evaluated (purchases; in rating shops ratings).

    Raises
    ------
    UserError
        If there are none.
    """
    found = events.filter(pl.col("event_type").is_in(relevant_events))
    if not found.height:
        counts = events.get_column("event_type").value_counts().sort("event_type")
        present = ", ".join(f"{plural(n, 'event')} of type {kind}" for kind, n in counts.iter_rows())
        raise UserError(
            f"The shop file says relevant_events: [{', '.join(relevant_events)}], and no validated event is of such a "
            f"type (validated: {present or 'no events at all'}). Correct relevant_events, or see in "
            "reports/02_validate.html where these events went."
        )
    return found


def per_key(events: pl.DataFrame, key: str) -> pl.DataFrame:
    """One row per user or item, most active first: key, n (events), cumulative share of all events."""
    counts = events.group_by(key).agg(n=pl.len()).sort("n", key, descending=[True, False])
    return counts.with_columns(share=pl.col("n").cum_sum() / pl.col("n").sum())


def head_share(counts: pl.DataFrame, fraction: float) -> float:
    """The share of events of the top `fraction` of keys (at least one key); NaN without events."""
    n = max(1, round(counts.height * fraction))
    return counts.get_column("share")[n - 1] if counts.height else float("nan")


def funnel(events: pl.DataFrame) -> pl.DataFrame:
    """One row per step view, cart, purchase: events, distinct pairs, share of the previous recorded step's pairs.

    `reached` counts the pairs of a step that also completed every earlier recorded step.
    """
    steps, rows, reached = ("view", "cart", "purchase"), [], None
    for step in steps:
        step_events = events.filter(pl.col("event_type") == step).select("user_id", "item_id")
        pairs = step_events.unique()
        if not step_events.height:  # the shop does not record this step: compare the next one with the one before
            rows.append((step, 0, 0, 0, None))
            continue
        on = ["user_id", "item_id"]
        reached, previous = (pairs if reached is None else pairs.join(reached, on=on, how="semi")), reached
        share = reached.height / previous.height if previous is not None and previous.height else None
        rows.append((step, step_events.height, pairs.height, reached.height, share))
    names = ["step", "events", "pairs", "reached", "share_of_previous"]
    types = [pl.String, pl.Int64, pl.Int64, pl.Int64, pl.Float64]
    return pl.DataFrame(rows, schema=dict(zip(names, types, strict=True)), orient="row")


def per_week(events: pl.DataFrame, zone: str) -> pl.DataFrame:
    """One row per full calendar week (its Monday, local time): events, distinct users. Partial weeks are left out."""
    days = events.with_columns(day=pl.col("timestamp").dt.convert_time_zone(zone).dt.date())
    weeks = days.group_by(week=pl.col("day").dt.truncate("1w")).agg(n=pl.len(), users=pl.col("user_id").n_unique())
    limits = days.select(first=pl.col("day").min(), last=pl.col("day").max())
    full = (pl.col("week") >= pl.col("first")) & (pl.col("week").dt.offset_by("6d") <= pl.col("last"))
    return weeks.join(limits, how="cross").filter(full).drop("first", "last").sort("week")


def bulk_of_days(events: pl.DataFrame, zone: str) -> Bulk:
    """The local days that hold almost all events, and how many events lie far outside, by a gap of over 30 days."""
    days = events.group_by(day=pl.col("timestamp").dt.convert_time_zone(zone).dt.date()).agg(n=pl.len())
    return bulk(days, 30)


def week_hours(events: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Seven rows (Monday first), columns `day` and "0".."23": each hour's share of all events, local time."""
    local = pl.col("timestamp").dt.convert_time_zone(zone)
    cells = events.group_by(weekday=local.dt.weekday().cast(pl.Int64), hour=local.dt.hour().cast(pl.Int64)).len()
    grid = pl.DataFrame({"weekday": range(1, 8)}).join(pl.DataFrame({"hour": range(24)}), how="cross")
    filled = grid.join(cells, on=["weekday", "hour"], how="left").with_columns(pl.col("len").fill_null(0))
    shares = filled.with_columns(share=pl.col("len") / max(events.height, 1))
    wide = shares.pivot(on="hour", index="weekday", values="share").sort("weekday")
    return wide.select(pl.Series("day", WEEKDAYS), *[pl.col(str(hour)) for hour in range(24)])


def repeats(events: pl.DataFrame) -> pl.DataFrame:
    """One row per user-item pair: n_days (distinct days with a relevant event), gap_days (mean days between them)."""
    days = events.with_columns(day=pl.col("timestamp").dt.date())
    pairs = days.group_by("user_id", "item_id").agg(
        n_days=pl.col("day").n_unique(), span=(pl.col("day").max() - pl.col("day").min()).dt.total_days()
    )
    gap = pl.when(pl.col("n_days") > 1).then(pl.col("span") / (pl.col("n_days") - 1))
    return pairs.with_columns(gap_days=gap).drop("span").sort("user_id", "item_id")


def ratings(events: pl.DataFrame) -> pl.DataFrame:
    """One row per number of stars: stars, n."""
    rated = events.filter(pl.col("rating").is_not_null())
    return rated.group_by(stars=pl.col("rating")).agg(n=pl.len()).sort("stars")


def categories(events: pl.DataFrame, items: pl.DataFrame, top_n: int) -> pl.DataFrame:
    """The `top_n` categories by revenue, or by relevant events where nothing has a price; one row per category.

    Columns: category, revenue (sum of price x quantity), n (relevant events), items (products), median_price of its
    products. Empty if the shop has no categories.
    """
    categorised = items.filter(pl.col("category").is_not_null())
    by_category = events.join(categorised.select("item_id", "category"), on="item_id").group_by("category")
    # summed as integers, so that the result does not depend on the order of rows
    amount = (pl.col("price") * pl.col("quantity").fill_null(1.0) * AMOUNT_UNITS).round().cast(pl.Int64)
    totals = by_category.agg(revenue=amount.sum() / AMOUNT_UNITS, n=pl.len())
    structure = categorised.group_by("category").agg(items=pl.len(), median_price=pl.col("price").median())
    order = ["revenue", "n", "category"]
    return totals.join(structure, on="category").sort(order, descending=[True, True, False]).head(top_n)


def amounts(by_category: pl.DataFrame, currency: str) -> tuple[list[float], str]:
    """The values by which categories are compared, and their unit: revenue, or events where nothing has a price."""
    revenue = by_category.get_column("revenue")
    if revenue.sum():
        return revenue.to_list(), f"revenue, {currency}"
    return by_category.get_column("n").to_list(), "relevant events"


def sparsity(events: pl.DataFrame) -> dict[str, float]:
    """Users, items, distinct pairs, and the share of the user x item matrix that is filled (`density`)."""
    n_users, n_items = events.get_column("user_id").n_unique(), events.get_column("item_id").n_unique()
    n_pairs = events.select("user_id", "item_id").n_unique()
    return {"users": n_users, "items": n_items, "pairs": n_pairs, "density": n_pairs / max(n_users * n_items, 1)}
