"""SVD++: also uses which items a user rated, whatever the rating."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.base import TrainData, numeric
from recomart_lib.models.cost import Cost
from recomart_lib.models.rating_base import RatingModel, ratings


@dataclass(eq=False)
class SvdPlusPlus(RatingModel):
    """score(u, i) = mean + b(u) + b(i) + q(i) . (p(u) + sum of y(j) / sqrt(n(u))), over the n(u) items j that u rated.

    The sum of a user is computed once, after the fit, so that the model is stored and scores like SVD. Users and items
    without a rating: see `RatingModel`. Each rating visits all items of its user: the time of a fit grows with the sum
    of n(u)^2, so many very active users make it slow.

    Source: Koren, Factorization meets the neighborhood, KDD 2008; Surprise's SVDpp.
    """

    name: ClassVar[str] = "svdpp"
    n_factors: int = numeric(20, 1)
    learning_rate: float = numeric(0.007, 1e-9)

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`; each rating visits all ratings of its user."""
        n_ratings = ratings(data.interactions).group_by("user_idx").len().get_column("len")
        visits = float((n_ratings.cast(pl.Float64) ** 2).sum())
        return super().cost(data) + Cost.of(0, other=2 * self.n_epochs * visits * self.n_factors)

    def _solver(self, **settings: Any) -> Any:
        from surprise import SVDpp  # slow to import: only if used

        return SVDpp(**settings, cache_ratings=True)

    def _user_factors(self, solver: Any, rated: sparse.csr_matrix) -> np.ndarray:
        n_rated = np.maximum(rated.getnnz(axis=1), 1)[:, None]
        return solver.pu + (rated @ solver.yj) / np.sqrt(n_rated)
