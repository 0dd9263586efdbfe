"""A blend with fixed weights: the sum of the standardised scores of several models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from recomart_lib.models.base import ArrayModel, TrainData, categorical, fill_with_popularity, numeric
from recomart_lib.models.cost import Cost
from recomart_lib.models.ease import Ease
from recomart_lib.models.ials import Ials
from recomart_lib.models.own_history import OwnHistoryDecayed


@dataclass(eq=False)
class Blend(ArrayModel):
    """score(u, i) = sum over the parts of weight * (their score - its mean over items) / its standard deviation.

    Parts: `ials` (weight 1), EASE with closeness, and the decayed purchase history; a part of weight 0 is not fitted.
    This is the baseline for the learned ranker, which learns how to combine scores. A user without history gets the
    popularity order. `precision` is that of EASE. Where the matrix of all items is too large, EASE leaves closeness out
    (see `Ease`); that costs nothing measurable: ndcg@10 is .342 and .102 on Online Retail (*all*, *novel*; with
    closeness .342 and .101), .299 and .109 in the simulated shop (.295 and .107).
    """

    name: ClassVar[str] = "blend"
    ease_weight: float = numeric(0.5, 0.0)
    history_weight: float = numeric(0.0, 0.0)
    n_factors: int = numeric(32, 1)
    ials_reg: float = numeric(0.07, 0.0)
    unobserved: float = numeric(0.1, 1e-9)
    rating_slope: float = numeric(0.0, 0.0)
    ease_reg: float = numeric(1000.0, 1e-6)
    closeness: float = numeric(4.0, 0.0)
    precision: str = categorical("double", "single")
    decay_days: float = numeric(60.0, 1.0)
    seed: int = numeric(0, 0)

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`; of all parts."""
        return sum((part.cost(data) for part, weight in self._parts() if weight), start=Cost(0, 0))

    def fit(self, data: TrainData) -> Self:
        """Fit the parts."""
        self.arrays, self.notes = {"popularity": data.popularity()}, []
        for part, weight in self._parts():
            if weight:
                fitted = part.fit(data).arrays
                self.arrays |= {f"{part.name}/{name}": array for name, array in fitted.items()}
                self.notes += [f"{part.name}: {note}" for note in part.notes]
        return self

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        total = np.zeros((len(users), len(self.arrays["popularity"])))
        for part, weight in self._parts():
            if weight:
                prefix = f"{part.name}/"
                part.arrays = {
                    name.removeprefix(prefix): array for name, array in self.arrays.items() if name.startswith(prefix)
                }
                total += _standardised(part.score(users), weight)
        return fill_with_popularity(total, self.arrays["popularity"])

    def _parts(self) -> list[tuple[ArrayModel, float]]:
        ials = Ials(
            n_factors=self.n_factors,
            reg=self.ials_reg,
            unobserved=self.unobserved,
            rating_slope=self.rating_slope,
            seed=self.seed,
        )
        ease = Ease(reg=self.ease_reg, closeness=self.closeness, precision=self.precision)
        return [(ials, 1.0), (ease, self.ease_weight), (OwnHistoryDecayed(self.decay_days), self.history_weight)]


def _standardised(scores: np.ndarray, weight: float) -> np.ndarray:
    """Each row with mean 0 and the weight as its standard deviation; zeros where all are equal. In place."""
    scores -= scores.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.einsum("ui,ui->u", scores, scores) / scores.shape[1])
    scores *= np.divide(weight, spread, out=np.zeros_like(spread), where=spread > 1e-12)[:, None]
    return scores
