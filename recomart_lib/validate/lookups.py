"""What a rule needs beyond its row: small tables about other rows, collected batch by batch and joined as columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Self

import polars as pl

from recomart_lib.core.schemas import KEYS, USERS
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.lake import LakeTable
from recomart_lib.validate.exclusions import exclusion, required_columns
from recomart_lib.validate.snapshots import STATEMENT

PAIR = ["user_id", "item_id"]
SIGNUPS = {name: USERS[name] for name in ("user_id", "signup_date")}
PRICE_LEVELS = {"item_id": pl.String, "usual_log_price": pl.Float64, "log_price_spread": pl.Float64}
MIN_PRICES = 10  # a product with fewer prices has no usual price
MIN_SPREAD = 0.1  # on the logarithmic scale: a product whose price never changed may change it by a few per cent
NORMAL = 1.4826  # median absolute deviation x this = standard deviation, for normal values


@dataclass(frozen=True)
class Lookups:
    """Small tables about all rows of a shop, at one moment.

    `signups`: user_id, signup_date of each delivered user (None: the shop delivers no users). `item_ids`: item_id of
    each delivered product (None: the shop delivers no items). `first_purchases`: user_id, item_id, first_purchase, for
    pairs with a return. `price_levels`: item_id, usual_log_price (median), log_price_spread (robust standard
    deviation). `delivery_days`: source_file, file_day (null: not a daily delivery, less than half of the file's rows
    are of one day). `hours`: hour, n, the number of events in each hour (UTC). `partial`: the tables that do not
    have all ids of the events.
    """

    now: datetime
    time_zone: str
    signups: pl.DataFrame | None
    item_ids: pl.DataFrame | None
    first_purchases: pl.DataFrame
    price_levels: pl.DataFrame
    delivery_days: pl.DataFrame
    hours: pl.DataFrame
    partial: frozenset[str] = frozenset()

    @classmethod
    def of(cls, shop: Shop, events: LakeTable, entity_rows: dict[str, pl.DataFrame], now: datetime) -> Self:
        """Read the narrow columns of all events twice: for pairs with a return, prices and hours; then for purchases.

        `entity_rows` has the delivered rows of users and items, as far as the shop delivers these tables; of several
        rows about one id, the first counts.
        """
        columns = [*PAIR, "event_type", "timestamp", "price", *required_columns(shop, "events")]
        pairs, prices, hours = [], RowCounter("item_id", "price"), RowCounter("hour")
        for batch in events.batches(columns):
            rows = batch.filter(exclusion(shop, "events").is_null())
            pairs.append(rows.filter(pl.col("event_type") == "return").select(PAIR).unique())
            prices.add(rows.filter(pl.col("price") > 0))
            hours.add(rows.select(hour=pl.col("timestamp").dt.truncate("1h")))
        users, items = entity_rows.get("users"), entity_rows.get("items")
        return cls(
            now=now,
            time_zone=shop.time_zone,
            signups=None if users is None else _signups(users),
            item_ids=None if items is None else items.select("item_id").unique(),
            first_purchases=_first_purchases(shop, events, pl.concat(pairs).unique()),
            price_levels=price_levels(prices.total()),
            delivery_days=events.files.select("source_file", file_day=pl.when(pl.col("daily")).then(pl.col("day"))),
            hours=hours.total().drop_nulls().sort("hour"),
            partial=frozenset(table for table in entity_rows if not shop.table(table).complete),
        )

    def add_days(self, events: pl.DataFrame) -> pl.DataFrame:
        """Add local_day, delivery_day and days_late to events.

        local_day is the day of the event in the shop's time zone, delivery_day the day of its file. Where the file is
        not a daily delivery, delivery_day is the local day, and days_late is null.
        """
        local_day = pl.col("timestamp").dt.convert_time_zone(self.time_zone).dt.date()
        events = events.join(self.delivery_days, on="source_file", how="left", maintain_order="left").with_columns(
            local_day=local_day, days_late=(pl.col("file_day") - local_day).dt.total_days()
        )
        return events.with_columns(delivery_day=pl.coalesce("file_day", "local_day")).drop("file_day")

    def join(self, rows: pl.DataFrame, table: str) -> pl.DataFrame:
        """Add the columns that rules read: first_of_key (is the row the first of its id and delivery?), last_day, now.

        Events, which have their days already (`add_days`), also get the columns of the tables above. `rows` contains
        all rows of each of its ids, in the order of delivery.
        """
        key = KEYS[table]
        statement = pl.struct(key, *STATEMENT) if STATEMENT[0] in rows.columns else pl.col(key)
        rows = rows.with_columns(
            first_of_key=pl.when(pl.col(key).is_not_null()).then(statement.is_first_distinct()),
            # a day is local, and the earliest time zone is 14 hours ahead of UTC
            last_day=pl.lit(self.now).dt.offset_by("14h").dt.date(),
            now=pl.lit(self.now),
        )
        return self._join_events(rows) if table == "events" else rows

    def _join_events(self, rows: pl.DataFrame) -> pl.DataFrame:
        signups = pl.DataFrame(schema=SIGNUPS) if self.signups is None else self.signups
        tables = ((signups, ["user_id"]), (self.first_purchases, PAIR), (self.price_levels, ["item_id"]))
        for table, on in tables:
            rows = rows.join(table, on=on, how="left", maintain_order="left")
        deviation = pl.when(pl.col("price") > 0).then((pl.col("price").log() - pl.col("usual_log_price")).abs())
        return rows.with_columns(
            price_spreads_off=deviation / pl.col("log_price_spread"),
            user_known=_is_in("user_id", None if "users" in self.partial else self.signups),
            item_known=_is_in("item_id", None if "items" in self.partial else self.item_ids),
        )


def _signups(users: pl.DataFrame) -> pl.DataFrame:
    return users.select(list(SIGNUPS)).unique("user_id", keep="first", maintain_order=True)


class RowCounter:
    """Counts rows by some columns over many batches."""

    def __init__(self, *by: str) -> None:
        self._by, self._parts = list(by), []

    def add(self, rows: pl.DataFrame) -> None:
        """Count these rows as well."""
        self._parts.append(rows.group_by(self._by).agg(n=pl.len().cast(pl.Int64)))
        if len(self._parts) > 16:  # few enough to stay small, rare enough to cost little
            self._parts = [self.total()]

    def total(self) -> pl.DataFrame:
        """The columns, and `n`."""
        return pl.concat(self._parts).group_by(self._by).agg(pl.col("n").sum())


def _first_purchases(shop: Shop, events: LakeTable, returns: pl.DataFrame) -> pl.DataFrame:
    """user_id, item_id, first_purchase, for the pairs of `returns` that have a purchase."""
    parts = [returns.clear().with_columns(first_purchase=pl.lit(None, pl.Datetime("us", "UTC")))]
    if returns.height:
        for batch in events.batches([*PAIR, "event_type", "timestamp", *required_columns(shop, "events")]):
            purchases = batch.filter(exclusion(shop, "events").is_null(), pl.col("event_type") == "purchase")
            purchases = purchases.join(returns, on=PAIR, how="semi")
            parts.append(purchases.group_by(PAIR).agg(first_purchase=pl.col("timestamp").min()))
    return pl.concat(parts).group_by(PAIR).agg(pl.col("first_purchase").min())


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
    deviation = (pl.col("value") - pl.col("usual_log_price")).abs()
    spread = _weighted_median(logs.join(usual, on="item_id").with_columns(value=deviation)).select(
        "item_id", log_price_spread=(NORMAL * pl.col("value")).clip(lower_bound=MIN_SPREAD)
    )
    return usual.join(spread, on="item_id").select(list(PRICE_LEVELS)).sort("item_id")


def _weighted_median(rows: pl.DataFrame) -> pl.DataFrame:
    """The lower median of `value` per product, each value counting `n` times."""
    ranked = rows.sort("item_id", "value").with_columns(cumulative=pl.col("n").cum_sum().over("item_id"))
    upper = ranked.filter(2 * pl.col("cumulative") >= pl.col("n").sum().over("item_id"))
    return upper.group_by("item_id", maintain_order=True).agg(pl.col("value").first())


def _is_in(column: str, table: pl.DataFrame | None) -> pl.Expr:
    """Whether the id was delivered in its own table (quarantined rows included); null if no table has all ids."""
    if table is None:
        return pl.lit(None, pl.Boolean)
    return pl.col(column).is_in(table.get_column(column).drop_nulls().unique().implode())
