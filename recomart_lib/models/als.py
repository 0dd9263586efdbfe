"""Implicit ALS: weighted matrix factorisation of implicit feedback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from threadpoolctl import threadpool_limits

from recomart_lib.models.base import ArrayModel, TrainData, fill_with_popularity, numeric
from recomart_lib.models.cost import Cost


@dataclass(eq=False)
class Als(ArrayModel):
    """score(u, i) = p(u) . q(i), minimising sum c(u, i) (x(u, i) - p(u) . q(i))^2 + reg (|p|^2 + |q|^2).

    X is the binary relevant matrix; the confidence c is `alpha` where x = 1, else 1. A user without history has
    p = 0 and gets the popularity order.

    Source: Hu, Koren, Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008; implicit.
    """

    name: ClassVar[str] = "als"
    n_factors: int = numeric(64, 1)
    reg: float = numeric(5.0, 0.0)
    alpha: float = numeric(2.0, 1e-6)
    n_epochs: int = numeric(15, 1)
    seed: int = numeric(0, 0)

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`; each row is solved by a few steps of conjugate gradients."""
        n_rows, entries = data.n_users + data.n_items, float(data.relevant.nnz)
        memory = 12 * self.n_factors * n_rows + 60 * entries
        dense = 16.0 * self.n_epochs * n_rows * self.n_factors**2
        return Cost.of(memory, dense=dense, other=16 * self.n_epochs * entries * self.n_factors)

    def fit(self, data: TrainData) -> Self:
        """Alternate between users and items, in one thread: the same seed gives the same bytes."""
        from implicit.cpu.als import AlternatingLeastSquares  # imports in half a second: only if used

        with threadpool_limits(1, "blas"):  # as implicit recommends: more threads are up to ten times slower
            solver = AlternatingLeastSquares(
                factors=self.n_factors,
                regularization=self.reg,
                alpha=self.alpha,
                iterations=self.n_epochs,
                random_state=self.seed,
                num_threads=1,
            )
            solver.fit(data.relevant, show_progress=False)
        factors = {"user_factors": solver.user_factors, "item_factors": solver.item_factors}
        self.arrays = {name: array.astype(np.float64) for name, array in factors.items()}
        self.arrays["popularity"] = data.popularity()
        return self

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        scores = self.arrays["user_factors"][users] @ self.arrays["item_factors"].T
        return fill_with_popularity(scores, self.arrays["popularity"])
