"""What the user will take again: the own history, ranked by what the feature store knows.

Only this file knows LightGBM.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl

from recomart_lib.models.base import TrainData, at_least
from recomart_lib.models.history import OwnHistory

log = logging.getLogger(__name__)

KEYS = ("user_id", "item_id", "user_idx", "item_idx", "as_of", "label")


@dataclass(eq=False)
class Repurchase(OwnHistory):
    """score(u, i) = level(u, i) + users(i) / (1 + max users), as in `OwnHistory`; here the level is learned.

    Boosted trees estimate the probability that a user takes an item of the own history again in the next window, from
    the features of user, item and pair. They learn from pairs known at earlier cuts and what followed
    (`TrainData.lesson`); the level is the dense rank of the estimate among all pairs (1 = smallest). Where there is
    nothing to learn from (no lesson, or only one kind of answer) the level is the number of orders, as in own_history.
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
        if data.lesson is None or data.features is None or data.lesson.get_column("label").n_unique() < 2:
            log.warning("repurchase: nothing to learn from before %s; own_history's order is kept", data.cut.date())
            return super()._levels(had, data)
        rows = had.select("user_idx", "item_idx").join(
            data.features, on=["user_idx", "item_idx"], how="left", maintain_order="left", validate="1:1"
        )
        columns = numbers(data.lesson)
        chance = self._learn(data.lesson, columns).predict(_matrix(rows, columns))
        self._estimates, rank = np.unique(chance, return_inverse=True)
        return rank.ravel() + 1.0

    def _learn(self, lesson: pl.DataFrame, columns: list[str]):  # noqa: ANN202 - LightGBM's Booster, imported here
        import lightgbm

        settings = {
            "objective": "binary", "num_leaves": self.n_leaves, "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_pairs, "seed": self.seed, "num_threads": 1, "deterministic": True,
            "force_row_wise": True, "verbosity": -1,
        }  # fmt: skip
        rows = lightgbm.Dataset(_matrix(lesson, columns), lesson.get_column("label").to_numpy(), feature_name=columns)
        return lightgbm.train(settings, rows, num_boost_round=self.n_trees)


def numbers(lesson: pl.DataFrame) -> list[str]:
    """The numeric features of a lesson, in its order."""
    return [name for name, dtype in lesson.schema.items() if name not in KEYS and dtype.is_numeric()]


def _matrix(rows: pl.DataFrame, columns: list[str]) -> np.ndarray:
    """(n_rows, n_features) float64; null = NaN, which trees send their own way."""
    return rows.select(pl.col(columns).cast(pl.Float64)).to_numpy()
