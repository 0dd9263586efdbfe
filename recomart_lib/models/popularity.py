"""Popularity: the baseline that every personalised model has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.base import TrainData, numeric
from recomart_lib.models.sparse_scores import SparseModel, SparseScores

BLOCK = 4_096  # users; nothing is stored for them


@dataclass(eq=False)
class Popularity(SparseModel):
    """score(u, i) = number of distinct users with a relevant event of item i, the same for every user."""

    name: ClassVar[str] = "popularity"

    def fit(self, data: TrainData) -> Self:
        """Count users per item."""
        self.arrays = {"users": data.popularity(self._recent(data))}
        return self

    def sparse_score(self, users: np.ndarray) -> SparseScores:
        """See `SparseModel.sparse_score`: the same for every user, with or without history."""
        per_item = self.arrays["users"]
        return SparseScores(sparse.csr_matrix((len(users), len(per_item))), self.common_scores(per_item))

    def block_rows(self, n_items: int) -> int:
        """See `SparseModel.block_rows`."""
        return BLOCK

    def _recent(self, data: TrainData) -> pl.Expr | None:
        return None


@dataclass(eq=False)
class RecentPopularity(Popularity):
    """Popularity among users with a relevant event in [cut - window_days, cut): it follows seasons and trends.

    The latest relevant event of a pair decides; an item without any scores 0.
    """

    name: ClassVar[str] = "recent_popularity"
    window_days: int = numeric(30, 1)

    def _recent(self, data: TrainData) -> pl.Expr | None:
        return pl.col("last_relevant_timestamp") >= data.cut - timedelta(days=self.window_days)
