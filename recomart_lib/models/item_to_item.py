"""Base of item-to-item models: scores as sums of contributions of the history, and their exact explanation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.base import (
    EXPLANATIONS,
    MAX_FALLBACK_SCORE,
    ArrayModel,
    check_index,
    fill_with_popularity,
)
from recomart_lib.models.sparse_scores import SparseModel, SparseScores, row_numbers

BLOCK = 4_096


@dataclass(eq=False)
class ItemToItem(ArrayModel):
    """score(u, i) = sum over j of x(u, j) W[j, i]: item j of the user's history x(u) adds x(u, j) W[j, i].

    `arrays` contains `history` (x) and `popularity`, used where the sum is exactly 0. Each model stores W its own way.
    """

    @abstractmethod
    def score_histories(self, history: sparse.csr_matrix) -> np.ndarray:
        """x W for any histories x (n, n_items): float64 (n, n_items)."""

    @abstractmethod
    def weight(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        """W[because, item], element by element: float64 (n,)."""

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        return fill_with_popularity(self.score_histories(self.arrays["history"][users]), self.arrays["popularity"])

    def explain(self, users: np.ndarray, items: np.ndarray) -> pl.DataFrame:
        """See `ArrayModel.explain`. A pair without contributions has no row: its score is popularity."""
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        if len(users) != len(items):
            raise ValueError(f"{len(users)} users and {len(items)} items are not pairs")
        check_index("user_idx", users, self.arrays["history"].shape[0])
        check_index("item_idx", items, self.arrays["history"].shape[1])
        parts = [self._explain(users[at : at + BLOCK], items[at : at + BLOCK]) for at in range(0, len(users), BLOCK)]
        return pl.concat([pl.DataFrame(schema=EXPLANATIONS), *parts])

    def _explain(self, users: np.ndarray, items: np.ndarray) -> pl.DataFrame:
        history = self.arrays["history"][users]
        pair = row_numbers(history)
        contribution = history.data * self.weight(history.indices, items[pair])
        nonzero = contribution != 0
        pair, because, contribution = pair[nonzero], history.indices[nonzero], contribution[nonzero]
        share = contribution / np.bincount(pair, np.abs(contribution), minlength=len(users))[pair]
        order = np.lexsort((because, -contribution, pair))
        columns = (users[pair], items[pair], because, contribution, share)
        return pl.DataFrame(
            {
                name: pl.Series(values[order]).cast(dtype)
                for (name, dtype), values in zip(EXPLANATIONS.items(), columns, strict=True)
            }
        )


@dataclass(eq=False)
class SparseItemToItem(SparseModel, ItemToItem):
    """An item-to-item model whose W is sparse: the array that `weights` names."""

    weights: ClassVar[str]

    def sparse_score(self, users: np.ndarray) -> SparseScores:
        """See `SparseModel.sparse_score`: the sums that are not 0 are stored."""
        stored, popularity = self.arrays["history"][users] @ self.arrays[self.weights], self.arrays["popularity"]
        stored.eliminate_zeros()
        common = self.common_scores(popularity, MAX_FALLBACK_SCORE, max(popularity.max(initial=0), 1))
        return SparseScores(stored, common)

    def score_histories(self, history: sparse.csr_matrix) -> np.ndarray:
        """See `ItemToItem.score_histories`."""
        return (history @ self.arrays[self.weights]).toarray()

    def weight(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        """See `ItemToItem.weight`."""
        if not len(because):  # SciPy returns an empty matrix, not an empty array
            return np.empty(0)
        return np.asarray(self.arrays[self.weights][because, item], dtype=np.float64).ravel()
