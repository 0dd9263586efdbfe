"""Made-up shops: who bought what when, and the columns that the exports of shops have."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
import polars as pl
from draft.locales import LOCALES

DAY = 86_400  # seconds
NOT_BOUGHT = {"order": pl.Int64, "quantity": pl.Int64, "price": pl.Float64}  # empty in views, carts and ratings


@dataclass(frozen=True)
class Ids:
    """How ids are written: `{}` is a number."""

    user: str = "C{:05}"
    item: str = "P{:04}"
    order: str = "{}"
    event: str = "E{:07}"


@dataclass(frozen=True)
class MadeShop:
    """A shop of one language. The same values give the same rows.

    `types`: the types of events beside purchases. `known`: the share of users who have a row. `guests`: the share of
    orders without a customer. `negative`: the share of lines that come again with a negative quantity. `whole_days`:
    times are days.
    """

    locale: str = "en"
    seed: int = 0
    n_users: int = 240
    n_items: int = 110
    n_orders: int = 1_500
    n_days: int = 220
    start: datetime = datetime(2025, 1, 6)
    ids: Ids = field(default_factory=Ids)
    types: tuple[str, ...] = ()
    known: float = 1.0
    guests: float = 0.0
    negative: float = 0.0
    whole_days: bool = False
    genders: tuple[str, ...] = ("f", "m")

    def rng(self, stream: int) -> np.random.Generator:
        """Random numbers for one purpose: no column depends on whether another one is wanted."""
        return np.random.default_rng([self.seed, stream])

    @cached_property
    def joined(self) -> np.ndarray:
        """The day on which each user signed up, since the first day; negative before it."""
        return self.rng(1).integers(-500, int(self.n_days * 0.7), self.n_users)

    @cached_property
    def catalogue(self) -> pl.DataFrame:
        """One row: a product, with its list price."""
        rng, words = self.rng(2), LOCALES[self.locale]
        groups, rows = list(words.groups.items()), []
        for item in range(self.n_items):
            category, (nouns, usual) = groups[rng.integers(len(groups))]
            name = f"{rng.choice(nouns.split(','))} {rng.choice(words.variants.split(','))}"
            price = max(0.49, round(usual * float(np.exp(rng.normal(0, 0.45))), 1) - 0.01)
            brand = str(rng.choice(words.brands.split(","))) if rng.random() < 0.95 else None
            rows.append((item, name, category, brand, round(price, 2)))
        return pl.DataFrame(rows, schema=["item", "name", "category", "brand", "list_price"], orient="row")

    @cached_property
    def events(self) -> pl.DataFrame:
        """One row: an event, by time: order, visit, user, item, moment, type, quantity, price, rating.

        A few users buy most, a few products sell most, an order is one moment of one user, and prices rarely change.
        """
        bought = self._bought()
        events = pl.concat([bought, *self._others(bought)]).sort("second", maintain_order=True)
        moment = pl.lit(self.start) + pl.duration(seconds="second")
        return events.with_columns(moment=moment.dt.truncate("1d") if self.whole_days else moment)

    def _bought(self) -> pl.DataFrame:
        rng, orders = self.rng(3), self._orders()
        n_lines = pl.Series(np.minimum(rng.geometric(0.45, orders.height), 7))
        lines = orders.select(pl.all().repeat_by(n_lines).explode())
        popularity = rng.permutation(1 / (np.arange(self.n_items) + 6.0))
        item = rng.choice(self.n_items, lines.height, p=popularity / popularity.sum())
        lines = lines.with_columns(item=pl.Series(item)).unique(["order", "item"], keep="first", maintain_order=True)
        usual = self.catalogue["list_price"].to_numpy()[lines["item"].to_numpy()]
        return lines.with_columns(
            type=pl.lit("purchase"),
            quantity=pl.Series(np.minimum(rng.geometric(0.7, lines.height), 8)).cast(pl.Int64),
            price=pl.Series(np.round(np.where(rng.random(lines.height) < 0.08, usual * 0.8, usual), 2)),
            rating=pl.lit(None, pl.Int64),
        )

    def _orders(self) -> pl.DataFrame:
        """One row: an order, numbered by time: its user (null: a guest) and second since the start."""
        rng, n = self.rng(4), self.n_orders
        activity = rng.gamma(0.7, size=self.n_users) + 0.05
        user = rng.choice(self.n_users, n, p=activity / activity.sum())
        first = np.maximum(self.joined[user], 0)
        day = first + (rng.random(n) * (self.n_days - first)).astype(int)
        second = day * DAY + (rng.normal(14.5, 3.2, n).clip(7, 21.9) * 3_600).astype(int)
        known = pl.Series(rng.random(n) >= self.guests)
        orders = pl.DataFrame({"user": user, "second": second})
        orders = orders.with_columns(user=pl.when(known).then("user")).sort("second", maintain_order=True)
        return orders.select(
            pl.int_range(pl.len()).alias("order"), pl.int_range(pl.len()).alias("visit"), "user", "second"
        )

    def _others(self, bought: pl.DataFrame) -> list[pl.DataFrame]:
        """Events that lead to purchases or follow from them, as far as the shop has their types."""
        rng, parts = self.rng(5), []
        empty = [pl.lit(None, dtype).alias(name) for name, dtype in NOT_BOUGHT.items()]
        # type -> the share of purchases that have one, and how much later it is, in seconds
        plans = {"view": (0.8, -2_400, -60), "look": (0.9, -2_400, -60), "cart": (0.6, -240, -20)}
        plans |= {"return": (0.06, 3 * DAY, 20 * DAY), "rating": (0.3, 2 * DAY, 15 * DAY)}
        wanted = [*self.types, *(["look"] if "view" in self.types else [])]
        for kind, (share, low, high) in plans.items():
            part = bought.filter(pl.Series(rng.random(bought.height) < (share if kind in wanted else 0)))
            later = pl.Series(rng.integers(low, high, part.height), dtype=pl.Int64)
            part = part.with_columns(
                second=(pl.col("second") + later).clip(0, self.n_days * DAY),
                type=pl.lit("view" if kind == "look" else kind),
            )
            if kind != "return":
                part = part.with_columns(empty)
            if kind == "look":  # at something that is not bought
                part = part.with_columns(item=pl.Series(rng.integers(0, self.n_items, part.height)))
            if kind == "rating":
                part = part.with_columns(
                    rating=pl.Series(rng.choice(5, part.height, p=[0.06, 0.06, 0.15, 0.33, 0.4]) + 1)
                )
            parts.append(part)
        if self.negative:
            back = bought.filter(pl.Series(rng.random(bought.height) < self.negative))
            later = pl.Series(rng.integers(2 * DAY, 20 * DAY, back.height))
            second = (pl.col("second") + later).clip(0, self.n_days * DAY)
            parts.append(back.with_columns(quantity=-pl.col("quantity"), second=second, order=pl.col("order") + 50_000))
        return parts
