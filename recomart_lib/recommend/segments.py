"""Segments of customers by recency, frequency and monetary value (RFM; Hughes, Strategic Database Marketing, 1994).

Each value is scored against those of all customers with an order: 5 if at least 80 % of them have a lower value, 4 if
at least 60 % have, and so on down to 1. So equal values have equal scores: where half of the customers ordered once,
all of these have frequency 1. Recency and frequency decide the segment; the monetary score orders the customers in it.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from recomart_lib.core.schemas import SEGMENTS
from recomart_lib.recommend.orders import Orders
from recomart_lib.train.train_data import Tables

# segment -> its scores of recency and of frequency; the names are those in common use
SEGMENT_SCORES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "champions": ((5,), (4, 5)),
    "loyal customers": ((3, 4), (4, 5)),
    "potential loyalists": ((4, 5), (2, 3)),
    "new customers": ((5,), (1,)),
    "promising": ((4,), (1,)),
    "need attention": ((3,), (3,)),
    "about to sleep": ((3,), (1, 2)),
    "cannot lose them": ((1, 2), (5,)),
    "at risk": ((1, 2), (3, 4)),
    "hibernating": ((1, 2), (1, 2)),
}
NO_ORDER = "no order"
N_SCORES = 5


def build(found: Orders, events: pl.DataFrame, users: pl.DataFrame, window: Tables, as_of: datetime) -> pl.DataFrame:
    """Return `schemas.SEGMENTS`: one row per user, sorted by user_id.

    Parameters
    ----------
    found
        The shop's orders. Without order ids, a day on which the user chose something counts as an order.
    events
        All events: user_id, event_type, price, quantity.
    users
        All users: user_id.
    as_of
        The end of the events.
    """
    per_user = found.lines.group_by("user_idx").agg(
        n_orders=pl.col("basket").n_unique().cast(pl.Int64), last_order=pl.col("timestamp").max()
    )
    known = per_user.join(window["users"], on="user_idx").join(_spend(events), on="user_id", how="left")
    scored = known.with_columns(
        recency=_score("last_order"), frequency=_score("n_orders"), monetary=_score("spend")
    ).with_columns(segment=_segment())
    rows = users.select("user_id").join(scored, on="user_id", how="left").sort("user_id")
    return rows.with_columns(
        pl.col("segment").fill_null(NO_ORDER), pl.col("n_orders").fill_null(0), as_of=pl.lit(as_of)
    ).select(pl.col(name).cast(dtype) for name, dtype in SEGMENTS.items())


def _spend(events: pl.DataFrame) -> pl.DataFrame:
    """Per user, the sum of quantity x price of the purchases, to the cent; returns are not subtracted."""
    amount = pl.col("price") * pl.col("quantity")
    priced = events.filter(pl.col("event_type") == "purchase").select("user_id", spend=amount).drop_nulls()
    return priced.group_by("user_id").agg(pl.col("spend").sum().round(2))


def _score(name: str) -> pl.Expr:
    """1 to 5 by the share of customers with a lower value; null where the value is."""
    below = (pl.col(name).rank("min") - 1).cast(pl.Int64)
    return (1 + below * N_SCORES // pl.col(name).count().cast(pl.Int64)).cast(pl.Int8)


def _segment() -> pl.Expr:
    """The segment of the two scores."""
    cases = [
        pl.when(pl.col("recency").is_in(recency) & pl.col("frequency").is_in(frequency)).then(pl.lit(name))
        for name, (recency, frequency) in SEGMENT_SCORES.items()
    ]
    return pl.coalesce(cases)


def summary(table: pl.DataFrame) -> pl.DataFrame:
    """One row per segment that has users, in the order above: users, their share, medians per user, share of the spend.

    `table`: `schemas.SEGMENTS`. The columns on spend are missing where no price is known.
    """
    days = (pl.col("as_of") - pl.col("last_order")).dt.total_seconds() / 86_400
    known = table.get_column("spend").sum() > 0
    money = {"spend_median": pl.col("spend").median(), "share_of_spend": pl.col("spend").sum()} if known else {}
    rows = table.group_by("segment").agg(
        users=pl.len(), orders_median=pl.col("n_orders").median(), days_since_order_median=days.median(), **money
    )
    order = pl.Enum([*SEGMENT_SCORES, NO_ORDER])
    rows = rows.sort(pl.col("segment").cast(order)).with_columns(share=pl.col("users") / max(table.height, 1))
    if known:
        rows = rows.with_columns(pl.col("share_of_spend") / table.get_column("spend").sum())
    return rows.select("segment", "users", "share", pl.exclude("segment", "users", "share"))
