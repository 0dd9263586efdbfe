"""Repeat purchases: the purchase history, ranked with features of the feature store."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from recomart_lib.models import boosted_trees
from recomart_lib.models.base import TrainData, numeric
from recomart_lib.models.own_history import OwnHistory

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Repurchase(OwnHistory):
    """score(u, i) = level(u, i) + users(i) / (1 + max users), as in `OwnHistory`; here the level is learned.

    Boosted trees estimate the probability that a user buys an item of the purchase history again in the next window,
    from the features of user, item and pair. They learn from the purchase histories at earlier cuts (the `own` rows of
    `TrainData.examples`). The level is the dense rank of the probability among all pairs (1 = smallest). Without
    examples, or with one label only, the level is the number of orders, as in own_history.
    """

    name: ClassVar[str] = "repurchase"
    reads: ClassVar[tuple[str, ...]] = ("examples", "features")
    reads_features: ClassVar[bool] = True
    n_trees: int = numeric(100, 1)
    n_leaves: int = numeric(15, 2)
    learning_rate: float = numeric(0.05, 1e-6)
    min_pairs: int = numeric(20, 1)
    seed: int = numeric(42, 0)

    def fit(self, data: TrainData) -> Self:
        """As in `OwnHistory`; the probability behind each level is stored too, if the trees were fitted."""
        self._estimates: np.ndarray | None = None
        super().fit(data)
        if self._estimates is not None:
            self.arrays["estimates"] = self._estimates
        return self

    def predict_probabilities(self) -> pl.DataFrame | None:
        """The probability of every pair of the purchase history; None if there was nothing to learn from."""
        if "estimates" not in self.arrays:
            return None
        levels = self.arrays["levels"].tocoo()
        columns = {"user_idx": levels.row.astype(np.int32), "item_idx": levels.col.astype(np.int32)}
        return pl.DataFrame({**columns, "probability": self.arrays["estimates"][levels.data.astype(np.int64) - 1]})

    def _levels(self, purchased: pl.DataFrame, data: TrainData) -> np.ndarray:
        examples = None if data.examples is None else data.examples.filter("own")
        if examples is None or data.features is None or examples.get_column("label").n_unique() < 2:
            log.warning("repurchase: nothing to learn from before %s; falling back to own_history", data.cut.date())
            return super()._levels(purchased, data)
        rows = purchased.select("user_idx", "item_idx").join(
            data.features, on=["user_idx", "item_idx"], how="left", maintain_order="left", validate="1:1"
        )
        columns = [name for name in boosted_trees.numeric_columns(examples) if name in data.features.columns]
        trees = boosted_trees.fit(
            examples,
            columns,
            self.n_trees,
            objective="binary",
            num_leaves=self.n_leaves,
            seed=self.seed,
            learning_rate=self.learning_rate,
            min_data_in_leaf=self.min_pairs,
        )
        log_odds, rank = np.unique(boosted_trees.score(trees, rows), return_inverse=True)
        self._estimates = 1 / (1 + np.exp(-log_odds))
        return rank.ravel() + 1.0
