"""Fill lists place by place, for all users at once, so that no rule is broken.

On each place, every user asks for the best product that the rules still allow. Where more users ask for a product than
may be shown it, those who rank it best are shown it (ties: the smaller user id); the others ask for their next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from recomart_lib.lists.catalogue import NO_ITEM

CELLS = 10_000_000  # of candidates in memory at once
POOL, NEW, FALLBACK, PINNED = 0, 1, 2, 3  # where a recommendation is from


@dataclass(eq=False)
class Limits:
    """What the rules say, in integers.

    Parameters
    ----------
    k
        Places of a list.
    group_limits
        Pairs of a group per product (n_items,), -1: none, and the largest number of its products in a list.
    tail
        Per product, whether it is in the long tail; `n_tail` places of a list are for these.
    n_new
        Number of last places of a list that are for products without events.
    max_users
        The number of users who may be shown the same product.
    """

    k: int
    group_limits: list[tuple[np.ndarray, int]] = field(default_factory=list)
    tail: np.ndarray | None = None
    n_tail: int = 0
    n_new: int = 0
    max_users: int | None = None
    pinned: dict[int, int] = field(default_factory=dict)
    diversity: float = 0.0
    vectors: np.ndarray | None = None


class Selection:
    """The lists while they are filled.

    Parameters
    ----------
    candidates
        (n_users, width): the products that the model ranks for each user, best first; then, in the last `n_new`
        columns, products without events. `NO_ITEM`: none.
    is_open
        (n_users, width): the candidates that the hard filters leave.
    fallback
        The products of the next model down that the hard filters leave, best first.
    excluded
        Sorted numbers user * n_items + item of the pairs that the hard filters take out.
    n_items
        Number of products in the catalogue.
    """

    def __init__(
        self,
        candidates: np.ndarray,
        is_open: np.ndarray,
        n_new: int,
        fallback: np.ndarray,
        excluded: np.ndarray,
        n_items: int,
        limits: Limits,
    ) -> None:
        self.candidates, self.is_open, self.fallback, self.excluded = candidates, is_open, fallback, excluded
        self.n_pool, self.n_items, self.limits = candidates.shape[1] - n_new, n_items, limits
        n = len(candidates)
        self.items = np.full((n, limits.k), NO_ITEM, dtype=np.int32)
        self.source = np.full((n, limits.k), POOL, dtype=np.int8)
        self.column = np.zeros((n, limits.k), dtype=np.int32)  # of the candidate, or place in the fallback
        self.likeness = np.zeros(candidates.shape, dtype=np.float32) if limits.diversity else None
        limit = n if limits.max_users is None else limits.max_users
        self.left = np.full(n_items, limit, dtype=np.int64)  # users who may still be shown the product

    def fill(self) -> None:
        """Fill every list as far as the rules allow, and move the products up over empty places."""
        for place, item in sorted(self.limits.pinned.items()):
            if place <= self.limits.k:
                rows = np.flatnonzero(~self._is_excluded(np.arange(len(self.items)), item))
                self._show(rows, place - 1, np.full(len(rows), item), np.full(len(rows), PINNED), np.zeros(len(rows)))
        for place in range(self.limits.k):
            self._fill_place(place)
        order = np.argsort(self.items == NO_ITEM, axis=1, kind="stable")
        for name in ("items", "source", "column"):
            setattr(self, name, np.take_along_axis(getattr(self, name), order, axis=1))

    def _is_excluded(self, rows: np.ndarray, items: np.ndarray | int) -> np.ndarray:
        return is_in_sorted(rows.astype(np.int64) * self.n_items + items, self.excluded)

    def _fill_place(self, place: int) -> None:
        waiting = np.flatnonzero(self.items[:, place] == NO_ITEM)
        while len(waiting):
            asked = [self._ask(rows, place) for rows in self._blocks(waiting, self.candidates.shape[1])]
            item, source, column = (np.concatenate(parts) for parts in zip(*asked, strict=True))
            asks = item != NO_ITEM
            waiting, item, source, column = waiting[asks], item[asks], source[asks], column[asks]
            shown = self._within_limit(waiting, item, source, column)
            self._show(waiting[shown], place, item[shown], source[shown], column[shown])
            np.subtract.at(self.left, item[shown], 1)
            waiting = waiting[~shown]

    def _blocks(self, rows: np.ndarray, width: int) -> list[np.ndarray]:
        size = max(1, CELLS // max(width, 1))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def _ask(self, rows: np.ndarray, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Per user, the product asked for on this place (`NO_ITEM`: none is left), where it is from, and its column."""
        candidates = self.candidates[rows]
        eligible = self.is_open[rows] & (self.left[candidates] > 0)
        from_pool = np.arange(candidates.shape[1]) < self.n_pool
        wants_tail = self._wants_tail(rows, place)
        column = np.full(len(rows), -1)
        if place >= self.limits.k - self.limits.n_new:
            column = _first(eligible & ~from_pool)
        eligible &= from_pool
        item, source = np.full(len(rows), NO_ITEM), np.full(len(rows), FALLBACK)
        for needs_tail in (True, False):
            asking = np.flatnonzero((column < 0) & (item == NO_ITEM) & (wants_tail | (not needs_tail)))
            if not len(asking):
                continue
            fits = eligible[asking] & self.limits.tail[candidates[asking]] if needs_tail else eligible[asking]
            column[asking] = self._best(rows[asking], fits)
            for dry in self._blocks(asking[column[asking] < 0], len(self.fallback)):
                item[dry], column[dry] = self._ask_fallback(rows[dry], needs_tail)
        listed = (column >= 0) & (item == NO_ITEM)
        item[listed] = candidates[listed, column[listed]]
        source[listed] = np.where(column[listed] < self.n_pool, POOL, NEW)
        return item, source, column

    def _wants_tail(self, rows: np.ndarray, place: int) -> np.ndarray:
        """The users whose remaining places must all go to the long tail."""
        limits = self.limits
        if not limits.n_tail:
            return np.zeros(len(rows), dtype=bool)
        items = self.items[rows]
        has = ((items != NO_ITEM) & limits.tail[items]).sum(axis=1)
        remaining = (items == NO_ITEM)[:, place:].sum(axis=1)
        return limits.n_tail - has >= remaining

    def _best(self, rows: np.ndarray, fits: np.ndarray) -> np.ndarray:
        """The column of the best candidate that fits; -1: none.

        Maximal marginal relevance (Carbonell and Goldstein 1998): (1 - d) times the relevance, which falls from 1 to 0
        over the pool, minus d times the largest likeness to a product that is in the list.
        """
        if self.likeness is None:
            return _first(fits)
        relevance = 1 - np.arange(fits.shape[1]) / max(self.n_pool, 1)
        value = (1 - self.limits.diversity) * relevance - self.limits.diversity * self.likeness[rows]
        best = np.where(fits, value, -np.inf).argmax(axis=1)
        return np.where(fits[np.arange(len(fits)), best], best, -1)

    def _ask_fallback(self, rows: np.ndarray, needs_tail: bool) -> tuple[np.ndarray, np.ndarray]:
        products = self.fallback
        fits = np.broadcast_to(self.left[products] > 0, (len(rows), len(products))).copy()
        if needs_tail:
            fits &= self.limits.tail[products]
        for items in self.items[rows].T:
            fits &= products != items[:, None]
        for groups, most in self.limits.group_limits:
            listed = self._groups(rows, groups)
            for column in listed.T:
                full = (listed == column[:, None]).sum(axis=1) >= most
                fits &= ~(full[:, None] & (column >= 0)[:, None] & (groups[products] == column[:, None]))
        if len(self.excluded):
            fits &= ~self._is_excluded(np.repeat(rows, len(products)), np.tile(products, len(rows))).reshape(fits.shape)
        column = _first(fits)
        return np.where(column < 0, NO_ITEM, products[column] if len(products) else NO_ITEM), column

    def _groups(self, rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
        items = self.items[rows]
        return np.where(items == NO_ITEM, -1, groups[items])

    def _within_limit(self, rows: np.ndarray, item: np.ndarray, source: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Whether a user is among those who rank the product best, as many as may still be shown it."""
        want = np.where(source == FALLBACK, self.n_pool + column, np.where(source == NEW, 0, column))
        order = np.lexsort((rows, want, item))
        ordered = item[order]
        first = np.flatnonzero(np.diff(ordered, prepend=-2))
        place = np.arange(len(item)) - np.repeat(first, np.diff(first, append=len(item)))
        shown = np.zeros(len(item), dtype=bool)
        shown[order] = place < self.left[ordered]
        return shown

    def _show(self, rows: np.ndarray, place: int, item: np.ndarray, source: np.ndarray, column: np.ndarray) -> None:
        """Put the products on this place, and close the candidates that no longer fit."""
        self.items[rows, place], self.source[rows, place], self.column[rows, place] = item, source, column
        width = self.candidates.shape[1]
        size = 1 if self.limits.vectors is None else self.limits.vectors.shape[1]
        start = 0
        for block in self._blocks(rows, width * size):
            shown = item[start : start + len(block)]
            start += len(block)
            self._close(block, shown)

    def _close(self, rows: np.ndarray, shown: np.ndarray) -> None:
        candidates = self.candidates[rows]
        is_open = self.is_open[rows] & (candidates != shown[:, None])
        for groups, most in self.limits.group_limits:
            group = groups[shown]
            full = (group >= 0) & ((self._groups(rows, groups) == group[:, None]).sum(axis=1) >= most)
            is_open &= ~(full[:, None] & (groups[candidates] == group[:, None]))
        self.is_open[rows] = is_open
        if self.likeness is not None:
            vectors = self.limits.vectors
            alike = np.einsum("nwd,nd->nw", vectors[candidates], vectors[shown], optimize=True)
            self.likeness[rows] = np.maximum(self.likeness[rows], alike)


def _first(fits: np.ndarray) -> np.ndarray:
    """The first column that fits; -1: none."""
    if not fits.shape[1]:
        return np.full(len(fits), -1)
    best = fits.argmax(axis=1)
    return np.where(fits[np.arange(len(fits)), best], best, -1)


def is_in_sorted(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    """Whether each value is in the sorted array."""
    if not len(ordered):
        return np.zeros(np.shape(values), dtype=bool)
    place = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return ordered[place] == values
