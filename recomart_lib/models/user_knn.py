"""User-based k-nearest neighbours over purchases that lose weight with age."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core.errors import UserError
from recomart_lib.models import blocks
from recomart_lib.models.base import MAX_FALLBACK_SCORE, TrainData, numeric
from recomart_lib.models.cost import Cost, squared_lengths
from recomart_lib.models.sparse_scores import CommonScores, SparseModel, SparseScores
from recomart_lib.models.top_k import best_of, dense_if_full

MICROSECONDS_PER_DAY = 86_400e6


@dataclass(eq=False)
class UserKNN(SparseModel):
    """score(u, i) = own_share w(u, i) + (1 - own_share) / k (sum over the neighbours v of w(v, i) + (k - n) m(i)).

    v(u, i) = sum over the user's orders of i of exp(-age / decay_days), with the age in days before the cut; w(u) is
    v(u) / |v(u)|, and m the mean of v over all users: the recent popularity. The neighbours are the n users with the
    largest cosine above 0, at most k = `n_neighbours`, and never the user. Missing neighbours count as average users:
    users without history get the order of m. Without baskets (`TrainData.baskets`), all orders of a pair count at its
    last.

    Unlike in the source, ages are in days, not in groups of orders, similarity is the cosine, and vectors have length
    1: Euclidean distance and plain sums prefer users who buy much, and are worse for new products (docs/models.md).

    Only vectors are stored. Neighbours are found when lists are made, for one block of users at a time.

    Source: Hu et al., Modeling personalized item frequency information for next-basket recommendation, SIGIR 2020
    (TIFU-KNN).
    """

    name: ClassVar[str] = "user_knn"
    reads: ClassVar[tuple[str, ...]] = ("baskets",)
    n_neighbours: int = numeric(200, 1)
    decay_days: float = numeric(240.0, 1.0)
    own_share: float = numeric(0.4, 0.0)
    _buyers: tuple[sparse.csr_matrix, sparse.csr_matrix] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.own_share > 1:
            raise UserError(f"{self.name}: own_share is {self.own_share!r}; expected a number from 0 to 1.")

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`. The time is mostly that of lists for all users: it visits all common items."""
        n_lines = data.interactions.height if data.baskets is None else data.baskets.height
        visits = squared_lengths(data.once("buyers", lambda: data.relevant.T.tocsr()))
        other = 40 * visits + 10 * self.n_neighbours * data.relevant.nnz + 3e5 * data.n_users
        return Cost.of(90 * n_lines + 40 * (data.n_users + data.n_items), other=other)

    def fit(self, data: TrainData) -> Self:
        """Store the vectors of all users, and their mean."""
        user, item, age, count = _purchases(data)
        youngest = np.full(data.n_users, np.inf)
        np.minimum.at(youngest, user, age)
        # ages since the user's own last purchase: the length cancels the difference, and nothing underflows
        vectors = _sums(count * np.exp((youngest[user] - age) / self.decay_days), user, item, data)
        length = np.sqrt(vectors.multiply(vectors).sum(axis=1)).A1
        vectors.data /= np.repeat(length, np.diff(vectors.indptr))
        total = np.bincount(item, count * np.exp(-age / self.decay_days), minlength=data.n_items)
        self.arrays = {"vectors": vectors, "average": total / data.n_users}
        self._buyers = None
        return self

    def sparse_score(self, users: np.ndarray) -> SparseScores:
        """See `SparseModel.sparse_score`: what the user and the neighbours bought is stored."""
        vectors, average = self.arrays["vectors"], self.arrays["average"]
        neighbours = self._neighbours(np.asarray(users, dtype=np.int64))
        missing = 1 - np.diff(neighbours.indptr) / self.n_neighbours
        # never 0: the items that nobody near has bought still need an order
        average_share = np.maximum((1 - self.own_share) * missing, MAX_FALLBACK_SCORE)
        stored = self.own_share * vectors[users] + ((1 - self.own_share) / self.n_neighbours) * neighbours @ vectors
        stored.data += np.repeat(average_share, np.diff(stored.indptr)) * average[stored.indices]
        return SparseScores(stored, self.common_scores(average), divisor=1 / average_share)

    def block_rows(self, n_items: int) -> int:
        """See `SparseModel.block_rows`: the similarities with all users must have room, too."""
        return min(blocks.score_rows(n_items), blocks.score_rows(self.arrays["vectors"].shape[0]))

    def _neighbours(self, users: np.ndarray) -> sparse.csr_matrix:
        """(len(users), n_users): 1 for the nearest neighbours; equally near ones are taken in the order of user_idx."""
        similarity = self.arrays["vectors"][users] @ self._transposed()
        n, n_users = similarity.shape
        themselves = sparse.csr_matrix((np.ones(n), (np.arange(n), users)), shape=similarity.shape)
        scores = dense_if_full(SparseScores(similarity, CommonScores(np.zeros(n_users))))
        idx, best = best_of(scores, self.n_neighbours, themselves)
        row, place = np.nonzero(best > 0)
        return sparse.csr_matrix((np.ones(len(row)), (row, idx[row, place])), shape=(n, n_users))

    def _transposed(self) -> sparse.csr_matrix:
        """The vectors by item; transposed once for the same array."""
        vectors = self.arrays["vectors"]
        if self._buyers is None or self._buyers[0] is not vectors:
            self._buyers = (vectors, vectors.T.tocsr())
        return self._buyers[1]


def _purchases(data: TrainData) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The user, item, age in days before the cut, and number of orders of each line."""
    if data.baskets is None:
        bought = data.interactions.filter(pl.col("n_relevant") > 0)
        lines = bought.select("user_idx", "item_idx", "n_orders", timestamp="last_relevant_timestamp")
    else:
        lines = data.baskets.with_columns(n_orders=pl.lit(1))
    age = (data.cut - lines.get_column("timestamp")).dt.total_microseconds().to_numpy() / MICROSECONDS_PER_DAY
    user, item, count = (lines.get_column(name).to_numpy() for name in ("user_idx", "item_idx", "n_orders"))
    return user, item, age, count


def _sums(values: np.ndarray, user: np.ndarray, item: np.ndarray, data: TrainData) -> sparse.csr_matrix:
    """The sum of the values of each pair, without pairs whose sum is 0."""
    sums = sparse.csr_matrix((values, (user, item)), shape=(data.n_users, data.n_items))
    sums.eliminate_zeros()
    return sums
