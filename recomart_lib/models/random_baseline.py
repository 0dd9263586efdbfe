"""A random list: the lowest baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recomart_lib.models.base import ArrayModel, TrainData, numeric


@dataclass(eq=False)
class RandomBaseline(ArrayModel):
    """score(u, i) is uniform in [0, 1), with one generator per user, so that scores do not depend on blocks."""

    name: ClassVar[str] = "random"
    seed: int = numeric(42, 0)

    def fit(self, data: TrainData) -> Self:
        """Store the size of the catalogue."""
        self.arrays = {"n_items": np.array(data.n_items)}
        return self

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        n_items = int(self.arrays["n_items"])
        rows = [np.random.default_rng((self.seed, int(user))).random(n_items) for user in users]
        return np.array(rows).reshape(len(users), n_items)
