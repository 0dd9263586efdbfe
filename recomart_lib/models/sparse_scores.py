"""Scores that are a few values of each user, and one order of all other items."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import sparse

from recomart_lib.models import blocks
from recomart_lib.models.base import ArrayModel


@dataclass(frozen=True)
class CommonScores:
    """Scores that users share: one finite value per item."""

    values: np.ndarray

    @cached_property
    def order(self) -> np.ndarray:
        """The items, best first; ties go to the smaller index."""
        return np.argsort(-self.values, kind="stable")

    @cached_property
    def place(self) -> np.ndarray:
        """The place of each item in `order`, from 0."""
        place = np.empty_like(self.order)
        place[self.order] = np.arange(len(place))
        return place


@dataclass(frozen=True)
class SparseScores:
    """Scores of n users: the value in `stored` where there is one (also a 0), else `common[item] / divisor[row]`.

    Parameters
    ----------
    stored
        (n, n_items), without duplicates.
    divisor
        (n,), above 0; None: 1.
    """

    stored: sparse.csr_matrix
    common: CommonScores
    divisor: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """The number of users and of items."""
        return self.stored.shape

    def toarray(self) -> np.ndarray:
        """The same scores as a dense table, float64."""
        scores = np.tile(self.common.values, (self.shape[0], 1))
        if self.divisor is not None:
            scores /= self.divisor[:, None]
        scores[row_numbers(self.stored), self.stored.indices] = self.stored.data
        return scores

    def at(self, row: np.ndarray, item: np.ndarray) -> np.ndarray:
        """The scores of these pairs, float64; pairs in the order of row and item are the fastest."""
        self.stored.sort_indices()
        scores = self.common_at(row, item)
        wanted = np.asarray(row, dtype=np.int64) * self.shape[1] + item
        keys = row_numbers(self.stored) * self.shape[1] + self.stored.indices
        position, is_stored = find(keys, wanted)
        scores[is_stored] = self.stored.data[position[is_stored]]
        return scores

    def common_at(self, row: np.ndarray, item: np.ndarray) -> np.ndarray:
        """The scores that these pairs have if nothing is stored for them, float64."""
        scores = self.common.values[item]
        return scores if self.divisor is None else scores / self.divisor[row]


@dataclass(eq=False)
class SparseModel(ArrayModel):
    """A model whose scores are sparse in the sense of `SparseScores`: its lists need no dense table."""

    _common: tuple[np.ndarray, CommonScores] | None = field(init=False, repr=False, default=None)

    @abstractmethod
    def sparse_score(self, users: np.ndarray) -> SparseScores:
        """The same scores as `score`."""

    def score(self, users: np.ndarray) -> np.ndarray:
        """(len(users), n_items); see the class."""
        return self.sparse_score(users).toarray()

    def prepare(self, users: np.ndarray, progress: bool = False) -> None:
        """Called with all users before blocks of them are scored. Most models have nothing to do.

        `progress`: show a progress bar.
        """

    def block_rows(self, n_items: int) -> int:
        """The number of users in a block of bounded memory; here, even if everything is stored."""
        return blocks.score_rows(n_items)

    def common_scores(self, per_item: np.ndarray, factor: float = 1.0, divisor: float = 1.0) -> CommonScores:
        """`factor * per_item / divisor`; its order is computed once for the same array."""
        if self._common is None or self._common[0] is not per_item:
            self._common = (per_item, CommonScores(factor * per_item / divisor))
        return self._common[1]


def row_numbers(matrix: sparse.csr_matrix) -> np.ndarray:
    """The row of each stored entry, in their order: int64."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def find(keys: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The position of each wanted key in ascending `keys`, and whether it is there."""
    position = np.searchsorted(keys, wanted)
    is_there = position < len(keys)
    is_there[is_there] = keys[position[is_there]] == wanted[is_there]
    return position, is_there


def distinct(*keys: np.ndarray) -> np.ndarray:
    """All keys (0 or more), ascending and each once. `np.unique` hashes integers: many times slower than sorting."""
    ordered = np.sort(np.concatenate(keys))
    return ordered[np.diff(ordered, prepend=-1) > 0]
