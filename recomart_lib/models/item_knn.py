"""Item-based k-nearest neighbours: cosine similarity between items."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from recomart_lib.models.base import TrainData, numeric
from recomart_lib.models.cost import Cost, squared_lengths
from recomart_lib.models.item_to_item import SparseItemToItem


@dataclass(eq=False)
class ItemKNN(SparseItemToItem):
    """score(u, i) = sum over the user's items j of cos(j, i), where i is among the nearest neighbours of j.

    The cosine of the items' columns in the binary relevant matrix. As in implicit, an item is the first of its own
    `n_neighbours`. Items without a neighbour in the history follow in the order of popularity, which is also the order
    for users without history.

    Source: Sarwar et al., Item-based collaborative filtering, WWW 2001; implicit's CosineRecommender.
    """

    name: ClassVar[str] = "item_knn"
    weights: ClassVar[str] = "similarity"
    n_neighbours: int = numeric(50, 1)

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`; every pair of items of one user is visited once."""
        visits = squared_lengths(data.relevant)
        stored = min(visits, self.n_neighbours * data.n_items)
        return Cost.of(40 * stored + 40 * data.relevant.nnz, other=5 * visits)

    def fit(self, data: TrainData) -> Self:
        """Find the neighbours; in one thread, so that ties are cut off identically in every run."""
        from implicit.nearest_neighbours import CosineRecommender  # imports in half a second: only if used

        neighbours = CosineRecommender(K=self.n_neighbours, num_threads=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # implicit warns about an internal conversion
            neighbours.fit(data.relevant, show_progress=False)
        similarity = sparse.csr_matrix(neighbours.similarity, dtype=np.float64)
        similarity.sort_indices()
        self.arrays = {"history": data.relevant, "similarity": similarity, "popularity": data.popularity()}
        return self
