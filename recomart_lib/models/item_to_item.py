"""What models share that add up what each item of a history says: scores, and their exact explanation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.base import EXPLAINED, ArrayModel, check_index, popularity_where_silent

BLOCK = 4_096


@dataclass(eq=False)
class ItemToItem(ArrayModel):
    """score(u, i) = sum over j of x(u, j) W[j, i]: item j of the user's history x(u) adds x(u, j) W[j, i].

    `arrays` holds `history` (x) and `popularity`, which decides where the sum is exactly 0. How W is kept is each
    model's own matter.
    """

    @abstractmethod
    def through(self, history: sparse.csr_matrix) -> np.ndarray:
        """x W for any histories x (n, n_items): float64 (n, n_items)."""

    @abstractmethod
    def weight(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        """W[because, item], element by element: float64 (n,)."""

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        return popularity_where_silent(self.through(self.arrays["history"][users]), self.arrays["popularity"])

    def explain(self, users: np.ndarray, items: np.ndarray) -> pl.DataFrame:
        """See `ArrayModel.explain`. A pair whose history says nothing has no row: popularity decided."""
        users, items = np.asarray(users, dtype=np.int64), np.asarray(items, dtype=np.int64)
        if len(users) != len(items):
            raise ValueError(f"{len(users)} users and {len(items)} items are no pairs")
        check_index("user_idx", users, self.arrays["history"].shape[0])
        check_index("item_idx", items, self.arrays["history"].shape[1])
        parts = [self._explained(users[at : at + BLOCK], items[at : at + BLOCK]) for at in range(0, len(users), BLOCK)]
        return pl.concat([pl.DataFrame(schema=EXPLAINED), *parts])

    def _explained(self, users: np.ndarray, items: np.ndarray) -> pl.DataFrame:
        history = self.arrays["history"][users]
        pair = np.repeat(np.arange(len(users)), np.diff(history.indptr))
        added = history.data * self.weight(history.indices, items[pair])
        said = added != 0
        pair, because, added = pair[said], history.indices[said], added[said]
        share = added / np.bincount(pair, np.abs(added), minlength=len(users))[pair]
        order = np.lexsort((because, -added, pair))
        columns = (users[pair], items[pair], because, added, share)
        return pl.DataFrame(
            {
                name: pl.Series(values[order]).cast(dtype)
                for (name, dtype), values in zip(EXPLAINED.items(), columns, strict=True)
            }
        )
