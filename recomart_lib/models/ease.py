"""EASE: a linear item-to-item model with a closed-form solution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from scipy import sparse

from recomart_lib.core.errors import UserError
from recomart_lib.models import blocks, closeness, neighbour_regression, positive_definite
from recomart_lib.models.base import TrainData, categorical, fill_with_popularity, numeric
from recomart_lib.models.cost import DENSE_SPEED, Budget, Cost, require_available, squared_lengths
from recomart_lib.models.item_to_item import ItemToItem
from recomart_lib.models.sparse_scores import row_numbers

ROUNDING = 1e-12  # a smaller score of an item in the history is 0: what is left where two equal terms cancel
FEW_INACTIVE = 1.25  # up to this ratio of all items to those with an entry, all are simply solved together
SMALLEST_REG = 0.01  # below, 1 - M[j, j] has too few digits


@dataclass(frozen=True)
class Plan:
    """How EASE is solved: with a dense matrix of `size` users or items, and these values of reg and closeness."""

    by_users: bool
    size: int
    reg: float
    closeness: float
    n_other_items: int  # that get scores from their nearest neighbours


@dataclass(eq=False)
class Ease(ItemToItem):
    """score(u, :) = x(u) B, with B = argmin |X - X B|^2 + reg |B|^2 and a zero diagonal.

    In closed form P = (X'X + reg I)^-1, B[i, j] = -P[i, j] / P[j, j], B[j, j] = 0. X is the binary matrix of `signal`:
    `relevant` events only, or all events (`seen`). A user without history gets the popularity order. Users and items
    without an entry in X take no part.

    Where the users are at most half as many as the items, the same B comes from the matrix of users: with
    M = X' (X X' + reg I)^-1 X, B[i, j] = M[i, j] / (1 - M[j, j]). It is always in double precision, and B is computed
    only where it is needed. Time grows with min(n_users, n_items)^3, memory with its square (8 bytes, single: 4).

    Where neither side is at most `max_items` or fits `TrainData.budget`, B is exact among the items with the most users
    (ties: the smaller index), as many as fit. Each other item is regressed on its nearest neighbours among them (see
    `neighbour_regression`); in a history it adds nothing. With 1,000 exact items of 3,600, ndcg@10 falls from .257 to
    .248 on Online Retail (item_knn: .225), and with 2,000 to .256.

    With `closeness` > 0, X'X + closeness * C takes the place of X'X: C[i, j] = sum over the users who have both of
    exp(-|t(u, i) - t(u, j)| / within_seconds), with t the pair's last relevant event: items bought at
    nearly the same time are more closely related. It needs the matrix of items: where that is too large, closeness is
    left out, and reg / (1 + closeness) takes the place of reg.

    `precision` single needs half the time and memory; scores agree to about four digits.

    Source: Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019.
    """

    name: ClassVar[str] = "ease"
    reg: float = numeric(200.0, 1e-6)
    signal: str = categorical("relevant", "seen")
    closeness: float = numeric(0.0, 0.0)
    within_seconds: float = numeric(120.0, 1e-3)
    max_items: int = numeric(6_000, 1)
    precision: str = categorical("double", "single")

    def cost(self, data: TrainData) -> Cost:
        """See `ArrayModel.cost`; of the plan within the budget."""
        plan, history = self._plan(data), self._history(data)
        block = min(blocks.BLOCK_BYTES, 8 * plan.size * (data.n_items if plan.by_users else plan.size))
        memory = self._bytes_per_cell(plan) * plan.size**2 + block + 40 * history.nnz
        if plan.by_users:
            gram = by_leverage = float(history.nnz) * plan.size
            return Cost.of(memory, dense=plan.size**3, other=gram + by_leverage)
        others = neighbour_regression.cost(plan.n_other_items, plan.size)
        inverse = Cost.of(memory, dense=plan.size**3 / (1 if self.precision == "double" else 2))
        gram = squared_lengths(history) * (40.0 if plan.closeness else 10.0)
        return inverse + others + Cost.of(0, other=gram)

    def fit(self, data: TrainData) -> Self:
        """Invert the matrix of the smaller side.

        Raises
        ------
        UserError
            If the memory that the fit needs is not available, or reg is too small.
        """
        require_available(self.name, self.cost(data))
        plan, history = self._plan(data), self._history(data)
        self.notes = self._notes(plan)
        self.arrays = {"history": history, "popularity": data.popularity()}
        self.arrays |= _fit_users(history, plan.reg) if plan.by_users else self._fit_items(data, history, plan)
        return self

    def score(self, users: np.ndarray) -> np.ndarray:
        """See `ItemToItem.score`."""
        if "inverse" not in self.arrays:
            return super().score(users)
        return fill_with_popularity(self._scores_of_users(users), self.arrays["popularity"])

    def score_histories(self, history: sparse.csr_matrix) -> np.ndarray:
        """See `ItemToItem.score_histories`."""
        a = self.arrays
        if "inverse" in a:
            known = a["history"][a["users"]]
            return _leave_own_out((history @ known.T).toarray() @ a["inverse"] @ known, history, a["leverage"])
        history = history.astype(a["weights"].dtype)  # with two dtypes, SciPy would copy the large matrix each time
        if "items" not in a:
            return history @ a["weights"]
        history = history[:, a["items"]]
        scores = (history @ a["others"]).toarray()
        scores[:, a["items"]] = history @ a["weights"]
        return scores

    def weight(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        """See `ItemToItem.weight`."""
        a = self.arrays
        if "inverse" in a:
            return self._weight_by_users(because, item)
        if "items" not in a:
            return a["weights"][because, item]
        if not len(because):  # SciPy would return an empty matrix
            return np.empty(0)
        place = _places(a["items"], a["history"].shape[1])
        row, column = place[because], place[item]
        values = np.where(column < 0, np.asarray(a["others"][row, item]).ravel(), a["weights"][row, column])
        return np.where(row < 0, 0.0, values)

    def _history(self, data: TrainData) -> sparse.csr_matrix:
        return data.relevant if self.signal == "relevant" else data.seen

    def _plan(self, data: TrainData) -> Plan:
        """The smaller side if it is at most as large as it may be, else the best supported items."""
        history = self._history(data)
        n_users, n_items = (np.count_nonzero(history.getnnz(axis)) for axis in (1, 0))
        limit = min(self.max_items, _affordable_size(data.budget))
        without = self.reg / (1 + self.closeness)
        if n_items <= limit and (self.closeness or n_items <= 2 * n_users):
            size = data.n_items if data.n_items <= min(limit, FEW_INACTIVE * n_items) else n_items
            return Plan(by_users=False, size=size, reg=self.reg, closeness=self.closeness, n_other_items=0)
        if n_users <= min(limit, n_items) and without >= SMALLEST_REG:
            return Plan(by_users=True, size=n_users, reg=without, closeness=0.0, n_other_items=0)
        size = min(n_items, limit)
        return Plan(by_users=False, size=size, reg=without, closeness=0.0, n_other_items=n_items - size)

    def _bytes_per_cell(self, plan: Plan) -> int:
        if self.precision == "double" or plan.by_users:
            return 8
        return 12 if plan.closeness else 4  # closeness is added in double precision

    def _notes(self, plan: Plan) -> list[str]:
        notes = []
        if plan.closeness != self.closeness:
            notes.append("closeness is left out: it would need the matrix of all items")
        if plan.n_other_items:
            notes.append(
                f"exact for the {plan.size:,} products with the most users; the other {plan.n_other_items:,} get "
                f"scores from their {neighbour_regression.N_NEIGHBOURS} nearest neighbours among these"
            )
        return notes

    def _fit_items(self, data: TrainData, history: sparse.csr_matrix, plan: Plan) -> dict:
        """`weights` (size, size); `items` are its item_idx unless it has all, `others` the weights of other items."""
        support = history.getnnz(axis=0)
        best = np.lexsort((np.arange(len(support)), -support))[: plan.size]
        items = np.sort(best)
        is_whole = len(items) == data.n_items
        matrix = self._regularised_gram(data, history if is_whole else history[:, items], items, plan)
        arrays = {}
        if not is_whole:
            targets = np.setdiff1d(np.flatnonzero(support), items)
            arrays = {"items": items, "others": neighbour_regression.weights(history, targets, items, matrix)}
        weights = _inverse(matrix)
        weights /= -weights.diagonal().copy()
        np.fill_diagonal(weights, 0.0)
        return {"weights": weights, **arrays}

    def _regularised_gram(
        self, data: TrainData, history: sparse.csr_matrix, items: np.ndarray, plan: Plan
    ) -> np.ndarray:
        dtype = np.float64 if self.precision == "double" else np.float32
        matrix = positive_definite.gram(history, np.float64 if plan.closeness else dtype)
        if plan.closeness:
            closeness.add(matrix, data, items, self.within_seconds, plan.closeness)
        matrix[np.diag_indices_from(matrix)] = matrix.diagonal().astype(np.float64) + plan.reg  # rounded once
        return np.asfortranarray(matrix, dtype=dtype)

    def _scores_of_users(self, users: np.ndarray) -> np.ndarray:
        """As `score_histories` of the histories in the training data, without a product with the histories of all."""
        a = self.arrays
        row = _places(a["users"], a["history"].shape[0])[users]
        smoothed = -a["reg"] * a["inverse"][row]  # x(u) X' (X X' + reg I)^-1 = e(u) - reg (X X' + reg I)^-1 [u]
        smoothed[np.arange(len(row)), row] += 1
        smoothed[row < 0] = 0  # a user without history
        return _leave_own_out(smoothed @ a["history"][a["users"]], a["history"][users], a["leverage"])

    def _weight_by_users(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        a = self.arrays
        known = a["history"][a["users"]]
        by_item, items = known.T.tocsr(), np.unique(item)
        values, step = np.empty(len(item)), blocks.rows(sum(known.shape))
        for block in np.split(items, range(step, len(items), step)):
            inside = np.flatnonzero(np.isin(item, block))
            columns = by_item @ (a["inverse"] @ by_item[block].T.toarray())
            values[inside] = columns[because[inside], np.searchsorted(block, item[inside])]
        return np.where(because == item, 0.0, values / (1 - a["leverage"][item]))


def _places(chosen: np.ndarray, n: int) -> np.ndarray:
    """The place of each of n indices in `chosen`, -1 where it is not there."""
    places = np.full(n, -1)
    places[chosen] = np.arange(len(chosen))
    return places


def _fit_users(history: sparse.csr_matrix, reg: float) -> dict:
    """`users` with history; `inverse` = (X X' + reg I)^-1 of these; `leverage`, the diagonal of M; see `Ease`."""
    users = np.flatnonzero(np.diff(history.indptr))
    by_item = history[users].T.tocsr()
    matrix = positive_definite.gram(by_item)
    matrix[np.diag_indices_from(matrix)] += reg
    inverse, leverage = _inverse(matrix), np.zeros(by_item.shape[0])
    step = blocks.rows(len(users))
    for start in range(0, len(leverage), step):
        block = by_item[start : start + step]
        row = row_numbers(block)
        leverage[start : start + step] = np.bincount(
            row, (block @ inverse)[row, block.indices], minlength=block.shape[0]
        )
    return {"users": users, "inverse": inverse, "leverage": leverage, "reg": np.array(reg)}


def _leave_own_out(products: np.ndarray, history: sparse.csr_matrix, leverage: np.ndarray) -> np.ndarray:
    """x B from x M: an item of the history adds nothing to its own score. Changes `products`, x M, in place."""
    row, item = history.nonzero()
    own = products[row, item] - np.asarray(history[row, item]).ravel() * leverage[item]
    products[row, item] = np.where(np.abs(own) < ROUNDING, 0.0, own)
    products /= 1 - leverage
    return products


def _affordable_size(budget: Budget) -> int:
    """The largest number of rows of a dense matrix that can be inverted within the budget, in double precision."""
    spare = 2 * blocks.BLOCK_BYTES
    return max(1, int(min(np.sqrt(max(budget.memory - spare, 0) / 8), np.cbrt(0.8 * budget.seconds * DENSE_SPEED))))


def _inverse(matrix: np.ndarray) -> np.ndarray:
    inverse = positive_definite.inverse(matrix)
    if inverse is None:
        raise UserError("ease: the matrix cannot be inverted: increase reg.")
    return inverse
