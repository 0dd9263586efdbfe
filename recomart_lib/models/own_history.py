"""The purchase history itself: a strong baseline in shops with repeat purchases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.base import TrainData, numeric
from recomart_lib.models.sparse_scores import SparseModel, SparseScores

BLOCK = 4_096  # users; a history is short, whatever the size of the catalogue


@dataclass(eq=False)
class OwnHistory(SparseModel):
    """score(u, i) = level(u, i) + users(i) / (1 + max users): purchased items first, then the others by popularity.

    The level is an integer (0: never bought), popularity is a share below 1: it breaks ties between equal levels only.
    Here the level is the number of distinct orders. A user without history gets the popularity order.
    """

    name: ClassVar[str] = "own_history"

    def fit(self, data: TrainData) -> Self:
        """Store a level per pair and a popularity share per item."""
        purchased = data.interactions.filter(pl.col("n_relevant") > 0)
        where = (purchased["user_idx"].to_numpy(), purchased["item_idx"].to_numpy())
        levels = sparse.csr_matrix((self._levels(purchased, data), where), shape=(data.n_users, data.n_items))
        users = data.popularity()
        self.arrays = {"levels": levels, "share": users / (1 + users.max())}
        return self

    def sparse_score(self, users: np.ndarray) -> SparseScores:
        """See `SparseModel.sparse_score`: the purchase history is stored."""
        stored, share = self.arrays["levels"][users], self.arrays["share"]
        stored.data = stored.data + share[stored.indices]
        return SparseScores(stored, self.common_scores(share))

    def block_rows(self, n_items: int) -> int:
        """See `SparseModel.block_rows`."""
        return BLOCK

    def _levels(self, purchased: pl.DataFrame, data: TrainData) -> np.ndarray:
        return purchased["n_orders"].cast(pl.Float64).to_numpy()


@dataclass(eq=False)
class OwnHistoryDecayed(OwnHistory):
    """With decay of old orders: value(u, i) = n_orders * exp(-days / decay_days).

    `days` are the whole days from the pair's last relevant event to the cut. The level is the dense rank of the value
    among all pairs (1 = smallest), so that equal values stay equal and different values stay
    distinct, however close they are.
    """

    name: ClassVar[str] = "own_history_decayed"
    decay_days: float = numeric(60.0, 1.0)

    def _levels(self, purchased: pl.DataFrame, data: TrainData) -> np.ndarray:
        days = (
            purchased.select((pl.lit(data.cut) - pl.col("last_relevant_timestamp")).dt.total_days())
            .to_series()
            .to_numpy()
        )
        # the logarithm has the same order, and does not underflow to equal zeros after many days
        value = np.log(purchased["n_orders"].to_numpy()) - days / self.decay_days
        return np.unique(value, return_inverse=True)[1].ravel() + 1.0
