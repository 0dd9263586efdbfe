"""Bayesian personalised ranking: bought items should rank above the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recomart_lib.models.base import ArrayModel, TrainData, fill_with_popularity, numeric
from recomart_lib.models.cost import Cost


@dataclass(eq=False)
class Bpr(ArrayModel):
    """score(u, i) = p(u) . q(i) + b(i), maximising sum ln sigmoid(score(u, i) - score(u, j)) - reg |p, q, b|^2.

    By stochastic gradient descent over pairs with a relevant event (u, i) and items j that u did not buy, sampled by
    popularity. An item without buyers is never compared: it comes last. A user without history gets the popularity
    order.

    Source: Rendle et al., BPR: Bayesian personalized ranking from implicit feedback, UAI 2009; implicit.
    """

    name: ClassVar[str] = "bpr"
    n_factors: int = numeric(64, 1)
    learning_rate: float = numeric(0.01, 1e-9)
    reg: float = numeric(0.001, 0.0)
    n_epochs: int = numeric(50, 1)
    seed: int = numeric(0, 0)

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`; one step per pair and epoch."""
        entries = float(data.relevant.nnz)
        memory = 36 * (self.n_factors + 1) * (data.n_users + data.n_items) + 60 * entries
        return Cost.of(memory, other=3 * self.n_epochs * entries * self.n_factors)

    def fit(self, data: TrainData) -> Self:
        """Gradient descent in one thread: with more, the order of the steps and the result would vary between runs."""
        users, items = np.zeros((data.n_users, self.n_factors + 1)), np.zeros((data.n_items, self.n_factors + 1))
        if data.relevant.nnz:  # implicit cannot sample from an empty matrix
            users, items = self._fit_factors(data)
        popularity, silent = data.popularity(), data.relevant.getnnz(axis=1) == 0
        factors, bias = items[:, :-1].copy(), items[:, -1].copy()
        factors[popularity == 0] = 0
        user_factors = np.where(silent[:, None], 0, users[:, :-1])
        bias[popularity == 0] = min(_lower_bound(user_factors, factors, bias), 0)
        self.arrays = {"user_factors": user_factors, "item_factors": factors, "item_bias": bias, "silent": silent}
        self.arrays["popularity"] = popularity
        return self

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        a = self.arrays
        scores = a["user_factors"][users] @ a["item_factors"].T + a["item_bias"]
        return fill_with_popularity(np.where(a["silent"][users, None], 0, scores), a["popularity"])

    def _fit_factors(self, data: TrainData) -> tuple[np.ndarray, np.ndarray]:
        """User factors, with 1 in the last column, and item factors, with the bias in the last column."""
        from implicit.cpu.bpr import BayesianPersonalizedRanking  # imports in half a second: only if used

        solver = BayesianPersonalizedRanking(
            factors=self.n_factors,
            learning_rate=self.learning_rate,
            regularization=self.reg,
            iterations=self.n_epochs,
            num_threads=1,
            random_state=self.seed,
        )
        solver.fit(data.relevant, show_progress=False)
        return solver.user_factors.astype(np.float64), solver.item_factors.astype(np.float64)


def _lower_bound(users: np.ndarray, items: np.ndarray, bias: np.ndarray) -> float:
    """A lower bound of all scores: |p . q| <= |p| |q|."""
    longest = [np.linalg.norm(factors, axis=1).max() for factors in (users, items)]
    return float(bias.min() - longest[0] * longest[1])
