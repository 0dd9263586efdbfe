"""The shop's orders as product tables count them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.prepare import splits
from recomart_lib.train.train_data import Tables


@dataclass(frozen=True, eq=False)
class Orders:
    """Orders, or, in a shop whose events have no order id, the products that a user chose on one day (UTC).

    Parameters
    ----------
    lines
        One row per order and product: `models.base.BASKETS`.
    n_items
        The number of products; item_idx is below it.
    have_ids
        Whether the shop's events have order ids.
    """

    lines: pl.DataFrame
    n_items: int
    have_ids: bool

    def matrix(self) -> sparse.csr_matrix:
        """(n_orders, n_items): 1 where the order has the product."""
        order, item = self.lines.get_column("basket").to_numpy(), self.lines.get_column("item_idx").to_numpy()
        shape = (int(order.max(initial=-1)) + 1, self.n_items)
        return sparse.csr_matrix((np.ones(len(order)), (order, item)), shape=shape)


def of_events(events: pl.DataFrame, window: Tables, relevant_events: list[str]) -> Orders:
    """The orders among the events before the window; an event without an order id belongs to its user's day."""
    have_ids = "order_id" in events.columns and events.get_column("order_id").null_count() < events.height
    order = pl.col("order_id") if have_ids else pl.lit(None, pl.String)
    day = pl.format("day {}", pl.col("timestamp").dt.date())
    lines = splits.baskets(
        events.with_columns(order_id=pl.coalesce(order.cast(pl.String), day)),
        window["users"],
        window["items"],
        relevant_events,
    )
    return Orders(lines, window["items"].height, have_ids)
