"""iALS: implicit ALS with a regularisation that grows with what a user or item has; it often beats newer models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from recomart_lib.models.base import ArrayModel, TrainData, at_least, popularity_where_silent

MIDDLE = 3.0  # stars: a rating that says neither yes nor no


@dataclass(eq=False)
class Ials(ArrayModel):
    """score(u, i) = p(u) . q(i), minimising over the pairs with a relevant event (set S) and over all pairs

        sum in S (y(u, i) - score)^2 + unobserved * sum (score)^2
        + reg * sum over users of (n(u) + unobserved * n_items) |p(u)|^2, and likewise for items.

    y = 1 + rating_slope * (rating - 3), and 1 without a rating: a better liked item is a better example. Optimal reg
    falls as data grows, about as 1 / sqrt(pairs); here it is per 10,000 pairs: reg * sqrt(10,000 / pairs).
    For a user without history popularity decides.

    Source: Rendle et al., Revisiting the performance of iALS on item recommendation benchmarks, RecSys 2022.
    """

    name: ClassVar[str] = "ials"
    n_factors: int = at_least(32, 1)
    reg: float = at_least(0.07, 0.0)
    unobserved: float = at_least(0.1, 1e-9)
    rating_slope: float = at_least(0.0, 0.0)
    n_epochs: int = at_least(8, 1)
    seed: int = at_least(0, 0)

    def fit(self, data: TrainData) -> Self:
        """Solve users, then items, and again; one thread, so that the same seed gives the same bytes."""
        stars = pl.col("rating").fill_null(MIDDLE) - MIDDLE
        target = pl.when(pl.col("n_relevant") > 0).then((1 + self.rating_slope * stars).clip(1e-6))
        by_user = data.matrix(target)
        by_item = by_user.T.tocsr()
        rng, shape = np.random.default_rng(self.seed), (data.n_items, self.n_factors)
        items = rng.normal(0, 0.1 / np.sqrt(self.n_factors), shape)
        reg = self.reg * np.sqrt(10_000 / max(by_user.nnz, 1))
        with threadpool_limits(1, "blas"):
            for _ in tqdm(range(self.n_epochs), desc="ials", unit="epoch", leave=False, disable=None):
                users = _solved(by_user, items, self.unobserved, reg)
                items = _solved(by_item, users, self.unobserved, reg)
        self.arrays = {"user_factors": users, "item_factors": items, "popularity": data.popularity()}
        return self

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        scores = self.arrays["user_factors"][users] @ self.arrays["item_factors"].T
        return popularity_where_silent(scores, self.arrays["popularity"])


def _solved(targets: sparse.csr_matrix, others: np.ndarray, unobserved: float, reg: float) -> np.ndarray:
    """The best factors of the rows (n_rows, n_factors), given those of the columns; 0 for an empty row."""
    factors = np.zeros((targets.shape[0], others.shape[1]))
    everything, one = unobserved * others.T @ others, np.eye(others.shape[1])
    for row in np.flatnonzero(np.diff(targets.indptr)):
        part = slice(targets.indptr[row], targets.indptr[row + 1])
        had = others[targets.indices[part]]
        weight = reg * (len(had) + unobserved * len(others))
        factors[row] = np.linalg.solve(everything + had.T @ had + weight * one, had.T @ targets.data[part])
    return factors
