"""Biased matrix factorisation of ratings: predicts ratings, not purchases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from recomart_lib.models.rating_base import RatingModel


@dataclass(eq=False)
class Svd(RatingModel):
    """score(u, i) = mean + b(u) + b(i) + p(u) . q(i), fitted by stochastic gradient descent over the ratings.

    Users and items without a rating: see `RatingModel`.

    Source: Koren, Bell, Volinsky, Matrix factorization techniques for recommender systems, 2009; Surprise's SVD.
    """

    name: ClassVar[str] = "svd"

    def _solver(self, **settings: Any) -> Any:
        from surprise import SVD  # slow to import: only if used

        return SVD(**settings)

    def _user_factors(self, solver: Any, rated: sparse.csr_matrix) -> np.ndarray:
        return solver.pu
