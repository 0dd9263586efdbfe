"""People who took this took that: cosine similarity between items, of the nearest neighbours only."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from recomart_lib.models.base import ArrayModel, TrainData, at_least, popularity_where_silent


@dataclass(eq=False)
class ItemKNN(ArrayModel):
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

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        scores = (self.arrays["history"][users] @ self.arrays["similarity"]).toarray()
        return popularity_where_silent(scores, self.arrays["popularity"])
