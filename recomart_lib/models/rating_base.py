"""Base of rating models: training ratings, fitting with Surprise, and estimates in stars."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core.errors import UserError
from recomart_lib.models.base import ArrayModel, TrainData, numeric
from recomart_lib.models.cost import Cost

LOWEST, HIGHEST = 1.0, 5.0


@dataclass(eq=False)
class RatingModel(ArrayModel):
    """score(u, i) = mean + b(u) + b(i) + t(u) . q(i); each model defines the user factors t(u).

    Users and items without a rating have b = 0 and t = q = 0, as in Surprise. Pairs are processed in the order of
    user_idx and item_idx (the order matters in the third digit). Scores are not clipped, to avoid ties.
    """

    n_factors: int = numeric(50, 1)
    n_epochs: int = numeric(20, 1)
    learning_rate: float = numeric(0.005, 1e-9)
    reg: float = numeric(0.02, 0.0)
    seed: int = numeric(42, 0)

    @abstractmethod
    def _solver(self, **settings: Any) -> Any:
        """Surprise's algorithm with these settings."""

    @abstractmethod
    def _user_factors(self, solver: Any, rated: sparse.csr_matrix) -> np.ndarray:
        """t (n_users, n_factors) of a fitted solver; `rated` (n_users, n_items) is 1 where there is a rating."""

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`; one step per rating and epoch; ratings are Python objects."""
        n_ratings = data.interactions.get_column("rating").count() or data.interactions.height
        memory = 24 * self.n_factors * (data.n_users + data.n_items) + 250 * n_ratings
        return Cost.of(memory, other=self.n_epochs * n_ratings * (10.0 * self.n_factors + 100))

    def fit(self, data: TrainData) -> Self:
        """Fit the ratings, or the weights if there are no ratings (see `ratings`).

        Raises
        ------
        UserError
            If the fit diverges: the learning rate is too high.
        """
        rated = ratings(data.interactions)
        solver = self._solver(
            n_factors=self.n_factors,
            n_epochs=self.n_epochs,
            lr_all=self.learning_rate,
            reg_all=self.reg,
            random_state=self.seed,
        )
        solver.fit(_trainset(rated, data.n_users, data.n_items))
        where = (rated["user_idx"].to_numpy(), rated["item_idx"].to_numpy())
        is_rated = sparse.csr_matrix((np.ones(rated.height), where), shape=(data.n_users, data.n_items))
        users, items = (is_rated.getnnz(axis)[:, None] > 0 for axis in (1, 0))
        self.arrays = {
            "mean": np.array(rated["rating"].mean()),
            "user_bias": solver.bu,
            "item_bias": solver.bi,
            # Surprise leaves users and items without ratings at their random start: they get zeros
            "user_factors": self._user_factors(solver, is_rated) * users,
            "item_factors": solver.qi * items,
        }
        if not all(np.isfinite(array).all() for array in self.arrays.values()):
            raise UserError(f"{self.name}: the fit diverges at learning_rate {self.learning_rate}; decrease it.")
        return self

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        a = self.arrays
        return a["mean"] + a["user_bias"][users, None] + a["item_bias"] + a["user_factors"][users] @ a["item_factors"].T

    def estimate(self, user_idx: np.ndarray, item_idx: np.ndarray) -> np.ndarray:
        """Estimated ratings of the pairs (n,), clipped to 1..5."""
        a = self.arrays
        dot = np.einsum("nf,nf->n", a["user_factors"][user_idx], a["item_factors"][item_idx])
        return np.clip(a["mean"] + a["user_bias"][user_idx] + a["item_bias"][item_idx] + dot, LOWEST, HIGHEST)


def ratings(interactions: pl.DataFrame) -> pl.DataFrame:
    """One row per rated pair: user_idx, item_idx, rating.

    If no pair has a rating, each gets one from its implicit weight: the quintile (1 to 5) of the weight's rank among
    all pairs, equal weights sharing their mean rank. If all weights are equal, everything is rated 3.
    """
    rated = interactions.drop_nulls("rating")
    if not rated.height:
        share = (pl.col("weight").rank("average") - 0.5) / pl.len()  # of the pairs below, in (0, 1)
        rated = interactions.with_columns(rating=(share * HIGHEST).ceil().clip(LOWEST, HIGHEST))
    return rated.select("user_idx", "item_idx", "rating")


def _trainset(rated: pl.DataFrame, n_users: int, n_items: int) -> object:
    """Surprise's Trainset with our indices: its reader would renumber them, and needs pandas.

    In the order of the rows, by user. Without the ratings by item, which no fit of these models reads.
    """
    from surprise import Trainset

    by_user: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)  # also asked for users without a rating
    grouped = rated.group_by("user_idx", maintain_order=True).agg("item_idx", "rating")
    for user, items, values in grouped.iter_rows():
        by_user[user] = list(zip(items, values, strict=True))
    ids = {index: index for index in range(n_users)}, {index: index for index in range(n_items)}
    return Trainset(by_user, {}, n_users, n_items, rated.height, (LOWEST, HIGHEST), *ids)
