"""iALS: implicit ALS with frequency-scaled regularisation; often better than newer models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from recomart_lib.models import blocks
from recomart_lib.models.base import ArrayModel, TrainData, fill_with_popularity, numeric
from recomart_lib.models.cost import Cost

SMALLEST_SHIFT = 1e-6  # relative to the largest eigenvalue: with less, the inverse would lose digits
NEUTRAL_RATING = 3.0  # stars: a neutral rating


@dataclass(eq=False)
class Ials(ArrayModel):
    """score(u, i) = p(u) . q(i), minimising over the pairs with a relevant event (set S) and over all pairs

        sum in S (y(u, i) - score)^2 + unobserved * sum (score)^2
        + reg * sum over users of (n(u) + unobserved * n_items) |p(u)|^2, and likewise for items.

    y = 1 + rating_slope * (rating - 3), and 1 without a rating: higher ratings are stronger positives. The optimal
    reg falls as data grows, about as 1 / sqrt(pairs); here it is per 10,000 pairs: reg * sqrt(10,000 / pairs).
    A user without history gets the popularity order.

    Source: Rendle et al., Revisiting the performance of iALS on item recommendation benchmarks, RecSys 2022.
    """

    name: ClassVar[str] = "ials"
    n_factors: int = numeric(32, 1)
    reg: float = numeric(0.07, 0.0)
    unobserved: float = numeric(0.1, 1e-9)
    rating_slope: float = numeric(0.0, 0.0)
    n_epochs: int = numeric(8, 1)
    seed: int = numeric(0, 0)

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`: each row costs as much as the smaller of its entries and the factors, cubed."""
        counts = np.concatenate([data.relevant.getnnz(axis) for axis in (1, 0)]).astype(float)
        smaller = np.minimum(counts, self.n_factors)
        work = (smaller**3 + 4 * counts * self.n_factors * (self.n_factors + smaller)).sum()
        memory = 16 * self.n_factors * len(counts) + 60 * data.interactions.height
        return Cost.of(memory, dense=self.n_epochs * work)

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

    Rows with the same number of entries are solved together, in blocks.
    """
    n_factors = others.shape[1]
    gram, factors = unobserved * others.T @ others, np.zeros((targets.shape[0], n_factors))
    eigenvalues, vectors = np.linalg.eigh(gram)
    counts = np.diff(targets.indptr)
    for count in np.unique(counts[counts > 0]):
        shift = reg * (count + unobserved * len(others))
        use_entries = count < n_factors and shift > SMALLEST_SHIFT * eigenvalues[-1]
        inverse = (vectors / (eigenvalues + shift)) @ vectors.T if use_entries else None
        rows, step = np.flatnonzero(counts == count), blocks.rows(3 * count * n_factors)
        for block in np.split(rows, range(step, len(rows), step)):
            entries = targets.indptr[block][:, None] + np.arange(count)
            columns, values = others[targets.indices[entries]], targets.data[entries]
            if inverse is None:
                factors[block] = _solve_by_factors(columns, values, gram + shift * np.eye(n_factors))
            else:
                factors[block] = _solve_by_entries(columns, values, inverse)
    return factors


def _solve_by_factors(columns: np.ndarray, values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(Q'Q + matrix)^-1 Q'y of each row: Q of `columns` (n, count, n_factors), y of `values` (n, count)."""
    transposed = columns.transpose(0, 2, 1)
    return np.linalg.solve(transposed @ columns + matrix, transposed @ values[:, :, None])[:, :, 0]


def _solve_by_entries(columns: np.ndarray, values: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """The same by Woodbury's identity, faster for fewer entries than factors: M Q' (I + Q M Q')^-1 y, M = `inverse`."""
    scaled = columns @ inverse
    inner = scaled @ columns.transpose(0, 2, 1) + np.eye(columns.shape[1])
    return (np.linalg.solve(inner, values[:, :, None]).transpose(0, 2, 1) @ scaled)[:, 0]
