"""Recent co-purchases: items from the same orders as the user's items."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.base import BASKETS, TrainData, numeric
from recomart_lib.models.cost import Cost
from recomart_lib.models.item_to_item import SparseItemToItem

log = logging.getLogger(__name__)

POPULARITY_DAYS = 360.0  # decay of orders in the long-term popularity of items
PRIOR_ORDERS = 2.0  # orders added to every item, so that rare items do not look strongly associated


@dataclass(eq=False)
class Basket(SparseItemToItem):
    """score(u, i) = sum over the user's items j of x(u, j) M[j, i], where recent co-purchases count most.

    M[j, i] = sum over the orders o with both of exp(-age(o) / decay_days) / |o|, over n(j)^0.5 n(i)^power, with
    n = `PRIOR_ORDERS` + sum over the item's orders of exp(-age / `POPULARITY_DAYS`), its long-term popularity.
    M[i, i] = 0. x(u, j) = min(1, sum over the user's orders of j of exp(-age / history_days)). Ages are days before the
    cut. Without baskets (`TrainData.baskets`), and where the sum is 0, the popularity order is used.

    Source: Deshpande and Karypis, Item-based top-N recommendation algorithms, 2004, with orders for users, and decay.
    """

    name: ClassVar[str] = "basket"
    weights: ClassVar[str] = "together"
    reads: ClassVar[tuple[str, ...]] = ("baskets",)
    decay_days: float = numeric(40.0, 1.0)
    history_days: float = numeric(120.0, 1.0)
    power: float = numeric(0.5, 0.0)

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`; every pair of items of one order is visited once."""
        if data.baskets is None:
            return super().cost(data)
        visits = float((data.baskets.group_by("basket").len().get_column("len").cast(pl.Float64) ** 2).sum())
        stored = min(visits, float(data.n_items) ** 2)
        return Cost.of(50 * stored + 150 * data.baskets.height, other=20 * visits)

    def fit(self, data: TrainData) -> Self:
        """Count co-purchases, and store the decayed histories."""
        if data.baskets is None:
            log.warning("basket: there are no orders; falling back to popularity")
        lines = pl.DataFrame(schema=BASKETS) if data.baskets is None else data.baskets
        n_orders = int(lines.get_column("basket").max() or 0) + 1 if lines.height else 0
        user, item, basket = (lines.get_column(name).to_numpy() for name in ("user_idx", "item_idx", "basket"))
        age = (data.cut - lines.get_column("timestamp")).dt.total_microseconds().to_numpy() / 86_400e6
        size = np.bincount(basket, minlength=n_orders)[basket]
        shape = (n_orders, data.n_items)
        contains = sparse.csr_matrix((np.ones(len(item)), (basket, item)), shape=shape)
        decayed = sparse.csr_matrix((np.exp(-age / self.decay_days) / size, (basket, item)), shape=shape)
        long_term = PRIOR_ORDERS + np.bincount(item, np.exp(-age / POPULARITY_DAYS), minlength=data.n_items)
        together = sparse.diags(long_term**-0.5) @ (decayed.T @ contains) @ sparse.diags(long_term**-self.power)
        together = (together - sparse.diags(together.diagonal())).tocsr()
        together.eliminate_zeros()
        together.sort_indices()
        recency = np.exp(-age / self.history_days)
        history = sparse.csr_matrix((recency, (user, item)), shape=(data.n_users, data.n_items)).minimum(1.0).tocsr()
        self.arrays = {"history": history, "together": together, "popularity": data.popularity()}
        return self
