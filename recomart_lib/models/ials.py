"""iALS: implicit ALS with frequency-scaled regularisation; often better than newer models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from recomart_lib.models.base import ArrayModel, TrainData, fill_with_popularity, numeric

BLOCK = 1_024  # rows solved at once: 8 MB times (n_factors / 32)^2
NEUTRAL_RATING = 3.0  # stars: a neutral rating


@dataclass(eq=False)
class Ials(ArrayModel):
    """score(u, i) = p(u) . q(i), minimising over the pairs with a relevant event (set S) and over all pairs

        sum in S (y(u, i) - score)^2 + unobserved * sum (score)^2
        + reg * sum over users of (n(u) + unobserved * n_items) |p(u)|^2, and likewise for items.

    y = 1 + rating_slope * (rating - 3), and 1 without a rating: higher ratings are stronger positives. The optimal
    reg falls as data grows, about as 1 / sqrt(pairs); here it is per 10,000 pairs: reg * sqrt(10,000 / pairs).
    A user without history gets the popularity order. Memory: max(n_users, n_items) * n_factors^2 numbers.

    Source: Rendle et al., Revisiting the performance of iALS on item recommendation benchmarks, RecSys 2022.
    """

    name: ClassVar[str] = "ials"
    n_factors: int = numeric(32, 1)
    reg: float = numeric(0.07, 0.0)
    unobserved: float = numeric(0.1, 1e-9)
    rating_slope: float = numeric(0.0, 0.0)
    n_epochs: int = numeric(8, 1)
    seed: int = numeric(0, 0)

    def fit(self, data: TrainData) -> Self:
        """Solve users and items alternately; in one thread, so that the same seed gives the same bytes."""
        stars = pl.col("rating").fill_null(NEUTRAL_RATING) - NEUTRAL_RATING
        target = pl.when(pl.col("n_relevant") > 0).then((1 + self.rating_slope * stars).clip(1e-6))
        by_user = data.matrix(target)
        by_item = by_user.T.tocsr()
        rng, shape = np.random.default_rng(self.seed), (data.n_items, self.n_factors)
        items = rng.normal(0, 0.1 / np.sqrt(self.n_factors), shape)
        reg = self.reg * np.sqrt(10_000 / max(by_user.nnz, 1))
        with threadpool_limits(1, "blas"):
            for _ in tqdm(range(self.n_epochs), desc="ials", unit="epoch", leave=False, disable=None):
                users = _solve(by_user, items, self.unobserved, reg)
                items = _solve(by_item, users, self.unobserved, reg)
        self.arrays = {"user_factors": users, "item_factors": items, "popularity": data.popularity()}
        return self

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        scores = self.arrays["user_factors"][users] @ self.arrays["item_factors"].T
        return fill_with_popularity(scores, self.arrays["popularity"])


def _solve(targets: sparse.csr_matrix, others: np.ndarray, unobserved: float, reg: float) -> np.ndarray:
    """The optimal factors of the rows (n_rows, n_factors), given those of the columns; 0 for an empty row.

    In blocks of rows: a row's matrix is a sum of its columns' outer products, which is one sparse product.
    """
    n_factors = others.shape[1]
    outer = (others[:, :, None] * others[:, None, :]).reshape(len(others), -1)
    gram, identity = unobserved * others.T @ others, np.eye(n_factors)
    factors = np.zeros((targets.shape[0], n_factors))
    for start in range(0, targets.shape[0], BLOCK):
        rows = targets[start : start + BLOCK]
        n = np.diff(rows.indptr)
        binary = sparse.csr_matrix((np.ones(rows.nnz), rows.indices, rows.indptr), rows.shape)
        matrices = (binary @ outer).reshape(-1, n_factors, n_factors) + gram
        matrices += (reg * (n + unobserved * len(others)))[:, None, None] * identity
        solution = np.linalg.solve(matrices, (rows @ others)[:, :, None])[:, :, 0]
        factors[start : start + BLOCK] = np.where(n[:, None] > 0, solution, 0)
    return factors
