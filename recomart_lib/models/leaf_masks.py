"""Scores of boosted trees by bit masks: the same numbers as LightGBM's, several times faster for candidates.

Every node of a tree that sends a row to the right rules out the leaves at its left; the row ends in the first leaf that
no node rules out. One number per tree has a bit per leaf, so all nodes of a column are one look-up by the column's
value, and the columns are combined by AND. Nothing depends on the path of a row: what candidates share, such as the
columns of a user, is looked up once.

Source: Lucchese et al., QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees,
SIGIR 2015.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import polars as pl

SHARED = {"user__": "user_idx", "item__": "item_idx"}  # columns with these names depend on this column alone
RARE = "interaction__"  # all of these are null in most rows: a new item of a user has no events
ROWS = 1_024  # rows at once: their leaves of all trees fit into the processor's cache
MAX_LEAVES = 64  # bits of a number
DEFAULT_LEFT, MISSING_IS_NAN = 2, 2  # LightGBM's decision_type: this bit; the number in the bits 2 and 3
Masks = np.ndarray  # (n, n_trees), unsigned integers: 1 in the bits of the leaves that are still possible


@dataclass(frozen=True)
class LeafMasks:
    """Trees as tables of masks: see the module.

    Parameters
    ----------
    thresholds
        Per column that is used: ascending float32.
    masks
        Per column, (n_thresholds + 2, n_trees): row n for values above n thresholds; the last one for null.
    leaf_values
        (n_trees, n_bits), float64: by the leaves' order from left to right.
    """

    thresholds: dict[str, np.ndarray]
    masks: dict[str, Masks]
    leaf_values: np.ndarray

    def score(self, rows: pl.DataFrame) -> np.ndarray:
        """The raw scores (n_rows,), as LightGBM adds them up."""
        shared = list(self._shared(rows))
        names = [name for name in self.masks if not (_prefix(name, rows) or name.startswith(RARE))]
        tables = [*shared, *((self.masks[name], self._bins(rows, name)) for name in names)]
        parts = range(0, rows.height, ROWS)
        scores = [self._sums(_combined(tables, slice(start, start + ROWS))) for start in parts]
        return np.concatenate([np.empty(0), *scores])

    def _shared(self, rows: pl.DataFrame) -> Iterator[tuple[Masks, np.ndarray]]:
        """Masks of columns that few different rows have, and which of them each row has."""
        for prefix, key in SHARED.items():
            names = [name for name in self.masks if _prefix(name, rows) == prefix]
            if names:
                _, first, index = np.unique(rows.get_column(key).to_numpy(), return_index=True, return_inverse=True)
                yield self._leaves(rows[first], names), index
        if names := [name for name in self.masks if name.startswith(RARE)]:
            is_known = rows.select(pl.any_horizontal(pl.col(names).is_not_null())).to_series()
            null = rows.clear(1)  # one row of nulls
            index = np.where(is_known.to_numpy(), is_known.cast(pl.Int64).cum_sum().to_numpy(), 0)
            yield np.vstack([self._leaves(part, names) for part in (null, rows.filter(is_known))]), index

    def _leaves(self, rows: pl.DataFrame, names: Iterable[str]) -> Masks:
        return _combined([(self.masks[name], self._bins(rows, name)) for name in names], slice(None))

    def _bins(self, rows: pl.DataFrame, name: str) -> np.ndarray:
        """The row of the column's masks, for each row."""
        values, thresholds = rows.get_column(name).cast(pl.Float32).to_numpy(), self.thresholds[name]
        bins = np.searchsorted(thresholds, values)
        bins[np.isnan(values)] = len(thresholds) + 1
        return bins

    def _sums(self, leaves: Masks) -> np.ndarray:
        n_trees, n_bits = self.leaf_values.shape
        first = np.bitwise_count(~leaves & (leaves - 1)).T  # the zeros below the lowest 1
        place = np.add(first, n_bits * np.arange(n_trees)[:, None], order="C")
        values = self.leaf_values.ravel().take(place, mode="clip")
        scores = np.zeros(len(leaves))
        for of_tree in values:  # one after the other, as LightGBM does; np.sum may round differently
            scores += of_tree
        return scores


def _combined(tables: list[tuple[Masks, np.ndarray]], part: slice) -> Masks:
    """The leaves that all tables leave: each is masks, and their row for each row."""
    (first, index), *others = tables
    leaves = first.take(index[part], axis=0)
    buffer = np.empty_like(leaves)
    for masks, index in others:
        masks.take(index[part], axis=0, out=buffer, mode="clip")  # clip: NumPy would copy to check the rows
        np.bitwise_and(leaves, buffer, out=leaves)
    return leaves


def _prefix(name: str, rows: pl.DataFrame) -> str | None:
    """The prefix in `SHARED` of a column's name, if the rows have its key."""
    return next((prefix for prefix, key in SHARED.items() if name.startswith(prefix) and key in rows.columns), None)


@dataclass(frozen=True)
class _Tree:
    """A tree in LightGBM's text format; children that are leaves have the numbers -1 (leaf 0), -2 (leaf 1), ..."""

    split_feature: np.ndarray
    threshold: np.ndarray
    decision_type: np.ndarray
    left_child: np.ndarray
    right_child: np.ndarray
    leaf_value: np.ndarray

    @classmethod
    def of(cls, lines: dict[str, str]) -> _Tree:
        def numbers(name: str, dtype: type) -> np.ndarray:
            return np.array(lines.get(name, "").split(), dtype=dtype)

        kinds = {name: float if name in ("threshold", "leaf_value") else int for name in cls.__dataclass_fields__}
        return cls(**{name: numbers(name, dtype) for name, dtype in kinds.items()})

    @property
    def sends_missing_right(self) -> np.ndarray:
        """Per node, whether null goes to the right; where no value was missing in training, null counts as 0."""
        as_nan = (self.decision_type >> 2) == MISSING_IS_NAN
        return np.where(as_nan, (self.decision_type & DEFAULT_LEFT) == 0, self.threshold < 0)

    def leaves(self) -> tuple[list[int], dict[int, int]]:
        """The leaves from left to right, and per node the bits of the leaves at its left."""
        order: list[int] = []
        at_left: dict[int, int] = {}

        def bits(node: int) -> int:
            if node < 0:
                order.append(-node - 1)
                return 1 << (len(order) - 1)
            at_left[node] = bits(self.left_child[node])
            return at_left[node] | bits(self.right_child[node])

        bits(0 if len(self.left_child) else -1)
        return order, at_left


@lru_cache(maxsize=4)
def of_text(text: bytes) -> LeafMasks | None:
    """The masks of trees in LightGBM's text format; None if they have something that masks cannot express.

    That is more than `MAX_LEAVES` leaves, columns of categories, linear leaves, or zero as a missing value.
    """
    header, *blocks = text.decode().split("\nend of trees")[0].split("\nTree=")
    columns = _lines(header)["feature_names"].split()
    lines = [_lines(block) for block in blocks]
    trees = [_Tree.of(tree) for tree in lines]
    n_leaves = max((len(tree.leaf_value) for tree in trees), default=0)
    is_plain = all(tree.get("num_cat", "0") == "0" and tree.get("is_linear", "0") == "0" for tree in lines)
    is_plain &= all(np.isin(tree.decision_type >> 2, (0, MISSING_IS_NAN)).all() for tree in trees)
    if not 1 < n_leaves <= MAX_LEAVES or not is_plain:
        return None
    return _compile(columns, trees, np.uint32 if n_leaves <= 32 else np.uint64)


def _lines(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.split("\n") if "=" in line)


def _compile(columns: list[str], trees: list[_Tree], dtype: type[np.unsignedinteger]) -> LeafMasks:
    thresholds = _thresholds(columns, trees)
    all_leaves = np.iinfo(dtype).max
    masks = {name: np.full((len(own) + 2, len(trees)), all_leaves, dtype) for name, own in thresholds.items()}
    leaf_values = np.zeros((len(trees), np.iinfo(dtype).bits))
    for n, tree in enumerate(trees):
        order, at_left = tree.leaves()
        leaf_values[n, : len(order)] = tree.leaf_value[order]
        rounded, missing_right = _below(tree.threshold), tree.sends_missing_right
        for node, left in at_left.items():
            name = columns[tree.split_feature[node]]
            remaining = dtype(int(all_leaves) & ~left)
            above = np.searchsorted(thresholds[name], rounded[node]) + 1
            masks[name][above:-1, n] &= remaining
            if missing_right[node]:
                masks[name][-1, n] &= remaining
    return LeafMasks(thresholds, masks, leaf_values)


def _thresholds(columns: list[str], trees: list[_Tree]) -> dict[str, np.ndarray]:
    feature = np.concatenate([tree.split_feature for tree in trees])
    threshold = _below(np.concatenate([tree.threshold for tree in trees]))
    return {columns[n]: np.unique(threshold[feature == n]) for n in np.unique(feature)}


def _below(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 up to each: a float32 is at most the one if and only if it is at most the other."""
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
