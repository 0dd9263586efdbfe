"""What lately went into one basket with what the user has."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.base import BASKETS, TrainData, at_least
from recomart_lib.models.item_to_item import ItemToItem

log = logging.getLogger(__name__)

USUAL_DAYS = 360.0  # an order counts for the usual popularity of its items as long as this
FEW = 2.0  # orders that every item is given, so that rare ones do not look like close friends


@dataclass(eq=False)
class Basket(ItemToItem):
    """score(u, i) = sum over the user's items j of x(u, j) M[j, i], what is bought together now counting most.

    M[j, i] = sum over the orders o with both of exp(-age(o) / decay_days) / |o|, over n(j)^0.5 n(i)^power, with
    n = `FEW` + sum over the item's orders of exp(-age / `USUAL_DAYS`): beside what it usually sells. M[i, i] = 0.
    x(u, j) = min(1, sum over the user's orders of j of exp(-age / history_days)). Ages are days up to the cut. Where
    the baskets are not known (`TrainData.baskets`), and where the sum is 0, popularity decides.

    Source: Deshpande and Karypis, Item-based top-N recommendation algorithms, 2004, with orders for users, and decay.
    """

    name: ClassVar[str] = "basket"
    decay_days: float = at_least(40.0, 1.0)
    history_days: float = at_least(120.0, 1.0)
    power: float = at_least(0.5, 0.0)

    def fit(self, data: TrainData) -> Self:
        """Count what was bought together, and remember who has what."""
        if data.baskets is None:
            log.warning("basket: no orders are known; popularity is kept")
        lines = pl.DataFrame(schema=BASKETS) if data.baskets is None else data.baskets
        n_orders = int(lines.get_column("basket").max() or 0) + 1 if lines.height else 0
        user, item, basket = (lines.get_column(name).to_numpy() for name in ("user_idx", "item_idx", "basket"))
        age = (data.cut - lines.get_column("timestamp")).dt.total_microseconds().to_numpy() / 86_400e6
        size = np.bincount(basket, minlength=n_orders)[basket]
        shape = (n_orders, data.n_items)
        held = sparse.csr_matrix((np.ones(len(item)), (basket, item)), shape=shape)
        fresh = sparse.csr_matrix((np.exp(-age / self.decay_days) / size, (basket, item)), shape=shape)
        usual = FEW + np.bincount(item, np.exp(-age / USUAL_DAYS), minlength=data.n_items)
        together = sparse.diags(usual**-0.5) @ (fresh.T @ held) @ sparse.diags(usual**-self.power)
        together = (together - sparse.diags(together.diagonal())).tocsr()
        together.eliminate_zeros()
        together.sort_indices()
        kept = np.exp(-age / self.history_days)
        history = sparse.csr_matrix((kept, (user, item)), shape=(data.n_users, data.n_items)).minimum(1.0).tocsr()
        self.arrays = {"history": history, "together": together, "popularity": data.popularity()}
        return self

    def through(self, history: sparse.csr_matrix) -> np.ndarray:
        """See `ItemToItem.through`."""
        return (history @ self.arrays["together"]).toarray()

    def weight(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        """See `ItemToItem.weight`."""
        if not len(because):  # scipy gives an empty matrix, not an empty array
            return np.empty(0)
        return np.asarray(self.arrays["together"][because, item], dtype=np.float64).ravel()
