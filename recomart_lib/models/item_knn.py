"""People who took this took that: cosine similarity between items, of the nearest neighbours only."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from recomart_lib.models.base import TrainData, at_least
from recomart_lib.models.item_to_item import ItemToItem


@dataclass(eq=False)
class ItemKNN(ItemToItem):
    """score(u, i) = sum over the user's items j of cos(j, i), where i is among the nearest neighbours of j.

    Cosine of the items' columns in the binary relevant matrix. As implicit counts, an item is the first of its own
    `n_neighbours`. Items near to nothing in the history, and
    users without one, are ranked by popularity behind the others.

    Source: Sarwar et al., Item-based collaborative filtering, WWW 2001; implicit's CosineRecommender.
    """

    name: ClassVar[str] = "item_knn"
    n_neighbours: int = at_least(50, 1)

    def fit(self, data: TrainData) -> Self:
        """Find the neighbours; one thread, so that equal similarities are cut off alike in every run."""
        from implicit.nearest_neighbours import CosineRecommender  # half a second to import: only where it is used

        neighbours = CosineRecommender(K=self.n_neighbours, num_threads=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # implicit warns of a conversion between two of its own functions
            neighbours.fit(data.relevant, show_progress=False)
        similarity = sparse.csr_matrix(neighbours.similarity, dtype=np.float64)
        similarity.sort_indices()
        self.arrays = {"history": data.relevant, "similarity": similarity, "popularity": data.popularity()}
        return self

    def through(self, history: sparse.csr_matrix) -> np.ndarray:
        """See `ItemToItem.through`."""
        return (history @ self.arrays["similarity"]).toarray()

    def weight(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        """See `ItemToItem.weight`."""
        return np.asarray(self.arrays["similarity"][because, item]).ravel()
