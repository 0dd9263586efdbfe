"""What a rule needs to know beyond its row: other tables and other rows, gathered batch by batch, joined as columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from recomart_lib.core.schemas import KEYS, USERS
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.lake import Landed
from recomart_lib.validate.exclusions import exclusion, wanted_columns

PAIR = ["user_id", "item_id"]
SIGNUPS = {name: USERS[name] for name in ("user_id", "signup_date")}
LEVELS = {"item_id": pl.String, "usual_log_price": pl.Float64, "log_price_spread": pl.Float64}
MIN_PRICES = 10  # of a product with fewer prices nobody knows which is usual
MIN_SPREAD = 0.1  # on the logarithmic scale: a product that always cost the same may change its price by some per cent
NORMAL = 1.4826  # median absolute deviation x this = standard deviation, for normal values


@dataclass(frozen=True)
class Facts:
    """Small tables about all rows of a shop, at one moment.

    `signups`: user_id, signup_date of each delivered user (None: the shop delivers no users). `items`: the delivered
    ids (None: no such table). `first_purchases`: user_id, item_id, first_purchase, for pairs with a return. `prices`:
    item_id, usual_log_price (median), log_price_spread (robust standard deviation). `drops`: source_file, file_day
    (null: the file is no daily drop, less than half of its rows are of one day).
    `hours`: hour, n, the number of events in each hour (UTC).
    """

    now: datetime
    time_zone: str
    signups: pl.DataFrame | None
    items: pl.DataFrame | None
    first_purchases: pl.DataFrame
    prices: pl.DataFrame
    drops: pl.DataFrame
    hours: pl.DataFrame


def gather(shop: Shop, events: Landed, people: dict[str, pl.DataFrame], now: datetime) -> Facts:
    """Read the narrow columns of all events twice: for pairs with a return, prices and hours; then for purchases."""
    columns = [*PAIR, "event_type", "timestamp", "price", *wanted_columns(shop, "events")]
    pairs, prices, hours = [], Tally("item_id", "price"), Tally("hour")
    for batch in events.batches(columns):
        rows = batch.filter(exclusion(shop, "events").is_null())
        pairs.append(rows.filter(pl.col("event_type") == "return").select(PAIR).unique())
        prices.add(rows.filter(pl.col("price") > 0))
        hours.add(rows.select(hour=pl.col("timestamp").dt.truncate("1h")))
    returned = pl.concat(pairs).unique()
    return Facts(
        now=now,
        time_zone=shop.time_zone,
        signups=people["users"].select(list(SIGNUPS)).unique("user_id", keep="first", maintain_order=True)
        if "users" in people
        else None,
        items=people["items"].select("item_id").unique() if "items" in people else None,
        first_purchases=_first_purchases(shop, events, returned),
        prices=price_levels(prices.total()),
        drops=events.files.select("source_file", file_day=pl.when(pl.col("daily")).then(pl.col("day"))),
        hours=hours.total().drop_nulls().sort("hour"),
    )


class Tally:
    """Counts rows by some columns over many batches."""

    def __init__(self, *by: str) -> None:
        self._by, self._parts = list(by), []

    def add(self, rows: pl.DataFrame) -> None:
        """Count these rows, too; a column `n` of theirs counts instead of one."""
        n = pl.col("n").sum() if "n" in rows.columns else pl.len().cast(pl.Int64)
        self._parts.append(rows.group_by(self._by).agg(n=n))
        if len(self._parts) > 16:  # few enough to stay small, rare enough to cost little
            self._parts = [self.total()]

    def total(self) -> pl.DataFrame:
        """The columns, and `n`."""
        return pl.concat(self._parts).group_by(self._by).agg(pl.col("n").sum())


def _first_purchases(shop: Shop, events: Landed, returned: pl.DataFrame) -> pl.DataFrame:
    found = [returned.select(PAIR).clear().with_columns(first_purchase=pl.lit(None, pl.Datetime("us", "UTC")))]
    if returned.height:
        for batch in events.batches([*PAIR, "event_type", "timestamp", *wanted_columns(shop, "events")]):
            bought = batch.filter(exclusion(shop, "events").is_null(), pl.col("event_type") == "purchase")
            bought = bought.join(returned, on=PAIR, how="semi")
            found.append(bought.group_by(PAIR).agg(first_purchase=pl.col("timestamp").min()))
    return pl.concat(found).group_by(PAIR).agg(pl.col("first_purchase").min())


def price_levels(counts: pl.DataFrame) -> pl.DataFrame:
    """A product's usual price and its spread, on the logarithmic scale; robust against the outliers themselves.

    Parameters
    ----------
    counts
        One row per product and price: item_id, price (> 0), n.

    Returns
    -------
    DataFrame
        One row per product with at least `MIN_PRICES` prices: item_id, usual_log_price (median), log_price_spread
        (1.4826 x the median absolute deviation, at least `MIN_SPREAD`).
    """
    logs = counts.drop_nulls("item_id").with_columns(value=pl.col("price").log())
    logs = logs.filter(pl.col("n").sum().over("item_id") >= MIN_PRICES)
    usual = _weighted_median(logs).rename({"value": "usual_log_price"})
    off = logs.join(usual, on="item_id").with_columns(value=(pl.col("value") - pl.col("usual_log_price")).abs())
    spread = _weighted_median(off).select(
        "item_id", log_price_spread=(NORMAL * pl.col("value")).clip(lower_bound=MIN_SPREAD)
    )
    return usual.join(spread, on="item_id").select(list(LEVELS)).sort("item_id")


def _weighted_median(rows: pl.DataFrame) -> pl.DataFrame:
    """The lower median of `value` per product, each value counting `n` times."""
    ranked = rows.sort("item_id", "value").with_columns(below=pl.col("n").cum_sum().over("item_id"))
    half = ranked.filter(2 * pl.col("below") >= pl.col("n").sum().over("item_id"))
    return half.group_by("item_id", maintain_order=True).agg(pl.col("value").first())


def with_days(events: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Add local_day (of the event, in the shop's time zone), drop_day (of the file that brought it; the local day where
    the file is no daily drop) and days_late (null there).
    """
    local_day = pl.col("timestamp").dt.convert_time_zone(facts.time_zone).dt.date()
    events = events.join(facts.drops, on="source_file", how="left", maintain_order="left").with_columns(
        local_day=local_day, days_late=(pl.col("file_day") - local_day).dt.total_days()
    )
    return events.with_columns(drop_day=pl.coalesce("file_day", "local_day")).drop("file_day")


def with_context(rows: pl.DataFrame, table: str, facts: Facts) -> pl.DataFrame:
    """Add what rules read: first_of_key (is it the first row of its id?), now; to events, which have their days already
    (`with_days`), also what `Facts` says of them.

    `rows` holds all rows of each id that it holds, in the order in which they were delivered.
    """
    key = KEYS[table]
    rows = rows.with_columns(
        first_of_key=pl.when(pl.col(key).is_not_null()).then(pl.col(key).is_first_distinct()),
        # a day is local, and the earliest time zone is 14 hours ahead of UTC
        last_day=pl.lit(facts.now).dt.offset_by("14h").dt.date(),
        now=pl.lit(facts.now),
    )
    return _with_event_context(rows, facts) if table == "events" else rows


def _with_event_context(rows: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    signups = facts.signups if facts.signups is not None else pl.DataFrame(schema=SIGNUPS)
    joined: Iterable[tuple[pl.DataFrame, list[str]]] = (
        (signups, ["user_id"]),
        (facts.first_purchases, PAIR),
        (facts.prices, ["item_id"]),
    )
    for other, on in joined:
        rows = rows.join(other, on=on, how="left", maintain_order="left")
    off = pl.when(pl.col("price") > 0).then((pl.col("price").log() - pl.col("usual_log_price")).abs())
    return rows.with_columns(
        price_spreads_off=off / pl.col("log_price_spread"),
        user_known=_is_in("user_id", facts.signups),
        item_known=_is_in("item_id", facts.items),
    )


def _is_in(column: str, table: pl.DataFrame | None) -> pl.Expr:
    """Whether the id is delivered in its own table (one whose row is quarantined still exists); null where none is."""
    if table is None:
        return pl.lit(None, pl.Boolean)
    return pl.col(column).is_in(table.get_column(column).drop_nulls().unique().implode())
