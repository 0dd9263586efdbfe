"""Popularity within a segment of the users."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.models.base import TrainData, categorical, numeric
from recomart_lib.models.sparse_scores import SparseModel, SparseScores, row_numbers

log = logging.getLogger(__name__)


@dataclass(eq=False)
class SegmentPopularity(SparseModel):
    """score(u, i) = (n(s, i) + prior * n(i) / n) / (n(s) + prior), s the segment of u: an estimate of s's share.

    n counts users with a relevant event: all of them, of item i, in the segment, of item i in the segment. The segment
    is an attribute of the user, with history or without. A small segment is shrunk towards the share of all users, as
    if it had `prior` more users with average behaviour; an unknown segment (n(s) = 0) gets the share of all users.
    Without user attributes (`TrainData.users`), this is popularity.

    Source: Efron and Morris, Stein's estimator and its generalizations, 1973 (shrinkage; here towards the mean of all).
    """

    name: ClassVar[str] = "segment_popularity"
    reads: ClassVar[tuple[str, ...]] = ("users",)
    segment: str = categorical("country", "city", "gender", "age_group")
    prior: float = numeric(20.0, 1e-6)

    def fit(self, data: TrainData) -> Self:
        """Count users per segment and item. Segment 0 is the unknown one."""
        segment = self._segments(data)
        active = data.relevant.getnnz(axis=1) > 0
        users = np.flatnonzero(segment)
        members = sparse.csr_matrix(
            (np.ones(len(users)), (segment[users], users)), shape=(int(segment.max()) + 1, data.n_users)
        )
        self.arrays = {
            "segment": segment,
            "counts": sparse.csr_matrix(members @ data.relevant),
            "sizes": members @ active,
            "share": data.popularity() / max(active.sum(), 1),
        }
        self.arrays["counts"].sort_indices()
        return self

    def sparse_score(self, users: np.ndarray) -> SparseScores:
        """See `SparseModel.sparse_score`: the items that were bought in the segment are stored."""
        segment = self.arrays["segment"][users]
        stored, divisor = self.arrays["counts"][segment], self.arrays["sizes"][segment] + self.prior
        common = self.common_scores(self.arrays["share"], self.prior)
        stored.data = (stored.data + common.values[stored.indices]) / divisor[row_numbers(stored)]
        return SparseScores(stored, common, divisor)

    def _segments(self, data: TrainData) -> np.ndarray:
        """(n_users,) int64: 0 where the segment is unknown, else 1 + the rank of its name."""
        if data.users is None or self.segment not in data.users.columns:
            log.warning(
                "segment_popularity: users have no %s; falling back to the popularity of all users", self.segment
            )
            return np.zeros(data.n_users, dtype=np.int64)
        segments = data.users.get_column(self.segment).fill_null(UNKNOWN).to_numpy().astype(str)
        names = np.unique(segments[segments != UNKNOWN])
        return np.where(segments == UNKNOWN, 0, 1 + np.searchsorted(names, segments)).astype(np.int64)
