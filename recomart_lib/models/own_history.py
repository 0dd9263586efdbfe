"""What the user took before: in shops where people buy again, a floor that is hard to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.base import ArrayModel, TrainData, at_least


@dataclass(eq=False)
class OwnHistory(ArrayModel):
    """score(u, i) = level(u, i) + users(i) / (1 + max users): own items first, then the others, by popularity.

    The level is an integer (0: never had), popularity is a share below 1: it decides between equal levels and can
    never outweigh a difference. Here the level is the number of distinct orders. A user without history gets
    the popularity order.
    """

    name: ClassVar[str] = "own_history"

    def fit(self, data: TrainData) -> Self:
        """Store a level per pair and a popularity share per item."""
        had = data.interactions.filter(pl.col("n_relevant") > 0)
        where = (had["user_idx"].to_numpy(), had["item_idx"].to_numpy())
        levels = sparse.csr_matrix((self._levels(had, data), where), shape=(data.n_users, data.n_items))
        users = data.popularity()
        self.arrays = {"levels": levels, "share": users / (1 + users.max())}
        return self

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        return self.arrays["levels"][users].toarray() + self.arrays["share"]

    def _levels(self, had: pl.DataFrame, data: TrainData) -> np.ndarray:
        return had["n_orders"].cast(pl.Float64).to_numpy()


@dataclass(eq=False)
class OwnHistoryDecayed(OwnHistory):
    """Old orders fade: value(u, i) = n_orders * exp(-days / decay_days).

    `days` are the whole days from the pair's last relevant event to the cut. The level is the dense rank of the value
    among all pairs (1 = smallest), so that equal values stay equal and different ones stay apart however close
    they are; a small number added to the value itself could not promise that.
    """

    name: ClassVar[str] = "own_history_decayed"
    decay_days: float = at_least(60.0, 1.0)

    def _levels(self, had: pl.DataFrame, data: TrainData) -> np.ndarray:
        days = had.select((pl.lit(data.cut) - pl.col("last_relevant_timestamp")).dt.total_days()).to_series().to_numpy()
        # the logarithm has the same order, and does not underflow to equal zeros after many days
        value = np.log(had["n_orders"].to_numpy()) - days / self.decay_days
        return np.unique(value, return_inverse=True)[1].ravel() + 1.0
