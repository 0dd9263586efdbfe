"""What the user will take again: the own history, ranked by what the feature store knows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from recomart_lib.models import boosted_trees
from recomart_lib.models.base import TrainData, at_least
from recomart_lib.models.own_history import OwnHistory

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Repurchase(OwnHistory):
    """score(u, i) = level(u, i) + users(i) / (1 + max users), as in `OwnHistory`; here the level is learned.

    Boosted trees estimate the probability that a user takes an item of the own history again in the next window, from
    the features of user, item and pair. They learn from what users had taken by earlier cuts, and what followed
    (own rows of `TrainData.lesson`); the level is the dense rank of the estimate among all pairs (1 = smallest). Where
    there is nothing to learn from (no lesson, or only one kind of answer) the level is the number of orders, as in
    own_history.
    """

    name: ClassVar[str] = "repurchase"
    reads_features: ClassVar[bool] = True
    n_trees: int = at_least(100, 1)
    n_leaves: int = at_least(15, 2)
    learning_rate: float = at_least(0.05, 1e-6)
    min_pairs: int = at_least(20, 1)
    seed: int = at_least(42, 0)

    def fit(self, data: TrainData) -> Self:
        """As in `OwnHistory`; the estimate behind each level is kept too, where one was learned."""
        self._estimates: np.ndarray | None = None
        super().fit(data)
        if self._estimates is not None:
            self.arrays["estimates"] = self._estimates
        return self

    def chance(self) -> pl.DataFrame | None:
        """The estimate of every pair of the own history; None if nothing could be learned."""
        if "estimates" not in self.arrays:
            return None
        levels = self.arrays["levels"].tocoo()
        columns = {"user_idx": levels.row.astype(np.int32), "item_idx": levels.col.astype(np.int32)}
        return pl.DataFrame({**columns, "probability": self.arrays["estimates"][levels.data.astype(np.int64) - 1]})

    def _levels(self, had: pl.DataFrame, data: TrainData) -> np.ndarray:
        lesson = None if data.lesson is None else data.lesson.filter("own")
        if lesson is None or data.features is None or lesson.get_column("label").n_unique() < 2:
            log.warning("repurchase: nothing to learn from before %s; own_history's order is kept", data.cut.date())
            return super()._levels(had, data)
        rows = had.select("user_idx", "item_idx").join(
            data.features, on=["user_idx", "item_idx"], how="left", maintain_order="left", validate="1:1"
        )
        columns = [name for name in boosted_trees.numbers(lesson) if name in data.features.columns]
        learned = boosted_trees.learn(
            lesson,
            columns,
            self.n_trees,
            objective="binary",
            num_leaves=self.n_leaves,
            seed=self.seed,
            learning_rate=self.learning_rate,
            min_data_in_leaf=self.min_pairs,
        )
        odds, rank = np.unique(boosted_trees.score(learned, rows), return_inverse=True)
        self._estimates = 1 / (1 + np.exp(-odds))
        return rank.ravel() + 1.0
