"""From scores to top-k lists: exact, fast, and with deterministic ties."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy import sparse
from tqdm.auto import tqdm

from recomart_lib.models import blocks
from recomart_lib.models.base import Model
from recomart_lib.models.sparse_scores import SparseModel, SparseScores, distinct, find, row_numbers

DENSE = 16  # sparse scores are treated as dense if more than one of so many cells is stored: it is faster
GROUPS = 16  # groups of columns per place of a list
CROWDED = 8  # rows with more remaining entries than this per place are cut exactly


def top_k(scores: np.ndarray, k: int, mask: sparse.csr_matrix | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The k best items of each row, best first; ties go to the smaller index.

    Parameters
    ----------
    scores
        (n, n_items). Non-finite scores never appear.
    mask
        (n, n_items), or None; items with a non-zero entry never appear.

    Returns
    -------
    idx, best
        Both (n, k). Where fewer than k items are left, idx is -1 and best is -inf.

    Raises
    ------
    ValueError
        If k < 1, or the mask has another shape.

    Examples
    --------
    >>> top_k(np.array([[1.0, 3.0, 3.0, 2.0]]), k=2)[0]
    array([[1, 2]])
    """
    _check_arguments(scores.shape, k, mask)
    clean = np.ascontiguousarray(np.where(np.isfinite(scores), scores, -np.inf))
    if mask is not None:
        clean[mask.nonzero()] = -np.inf
    n, width = len(clean), min(k, clean.shape[1])
    idx, best = np.full((n, k), -1, dtype=np.int64), np.full((n, k), -np.inf)
    cells = np.flatnonzero(_promising(clean, width))
    row, item = np.divmod(cells, max(clean.shape[1], 1))
    place = np.arange(len(row)) - np.searchsorted(row, np.arange(n))[row]  # each row's few entries, next to each other
    values = np.full((n, max(width, place.max(initial=0) + 1)), -np.inf)
    items = np.full(values.shape, -1, dtype=np.int64)
    values[row, place], items[row, place] = clean.ravel()[cells], item
    order = np.argsort(-values, axis=1, kind="stable")[:, :width]  # stable: the smaller index stays first
    idx[:, :width], best[:, :width] = (np.take_along_axis(table, order, axis=1) for table in (items, values))
    idx[np.isneginf(best)] = -1
    return idx, best


def _promising(scores: np.ndarray, k: int) -> np.ndarray:
    """True for the k best entries of each row, and for few others.

    At least k groups of a row's columns have a maximum that reaches the k-th largest maximum, so at least k entries do.
    Finding it is much faster than finding the k-th largest entry. Rows with too many ties are cut exactly.
    """
    n, n_items = scores.shape
    n_groups = min(GROUPS * k, n_items)
    if not n or not n_items:
        return np.zeros(scores.shape, dtype=bool)
    size = n_items // n_groups
    maxima = scores[:, : n_groups * size].reshape(n, size, n_groups).max(axis=1)  # a group: every n_groups-th column
    promising = scores >= np.partition(maxima, n_groups - k, axis=1)[:, [n_groups - k]]
    crowded = np.flatnonzero(np.count_nonzero(promising, axis=1) > CROWDED * k)
    if crowded.size:
        promising[crowded] = _exactly_k(scores[crowded], k)
    return promising


def _exactly_k(scores: np.ndarray, k: int) -> np.ndarray:
    """True for exactly k entries of each row: all above the k-th best value, and the first of those equal to it.

    A partition alone would keep arbitrary ties; they are counted only in rows with too many.
    """
    kth = np.partition(scores, scores.shape[1] - k, axis=1)[:, [scores.shape[1] - k]]
    selected = scores >= kth
    crowded = np.flatnonzero(selected.sum(axis=1) > k)
    if crowded.size:
        equal = scores[crowded] == kth[crowded]
        n_needed = k - (scores[crowded] > kth[crowded]).sum(axis=1, keepdims=True)
        selected[crowded] &= ~(equal & (np.cumsum(equal, axis=1, dtype=np.int32) > n_needed))
    return selected


def sparse_top_k(scores: SparseScores, k: int, mask: sparse.csr_matrix | None = None) -> tuple[np.ndarray, np.ndarray]:
    """As `top_k`, from the k best stored scores and the k best common ones of each row; no dense table is made."""
    _check_arguments(scores.shape, k, mask)
    scores.stored.sort_indices()
    masked = _keys(*mask.nonzero(), scores.shape) if mask is not None else np.empty(0, dtype=np.int64)
    masked.sort()
    stored, common = _best_stored(scores, k, masked), _best_common(scores, k, masked)
    idx, best = (np.hstack(parts) for parts in zip(stored, common, strict=True))
    order = np.lexsort((idx, -best))[:, :k]
    return np.take_along_axis(idx, order, axis=1), np.take_along_axis(best, order, axis=1)


def _best_stored(scores: SparseScores, k: int, masked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The k best stored items of each row that are not masked, as `top_k` returns them."""
    stored, (n, _) = scores.stored, scores.shape
    row, values = row_numbers(stored), stored.data.astype(np.float64)
    position, is_stored = find(_keys(row, stored.indices, scores.shape), masked)
    values[position[is_stored]] = -np.inf
    lengths = np.diff(stored.indptr)
    idx, best = np.full((n, k), -1, dtype=np.int64), np.full((n, k), -np.inf)
    block = blocks.rows(int(lengths.max(initial=0)))
    for rows in (np.arange(start, min(start + block, n)) for start in range(0, n, block)):
        part = slice(stored.indptr[rows[0]], stored.indptr[rows[-1] + 1])
        packed = np.full((len(rows), max(int(lengths[rows].max()), 1)), -np.inf)
        packed[row[part] - rows[0], np.arange(part.start, part.stop) - stored.indptr[row[part]]] = values[part]
        place, best[rows] = top_k(packed, k)
        found_row, found = np.nonzero(place >= 0)
        entry = stored.indptr[rows[found_row]] + place[found_row, found]
        idx[rows[found_row], found] = stored.indices[entry]
    return idx, best


def _best_common(scores: SparseScores, k: int, masked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The k best items of each row that are neither stored nor masked, as `top_k` returns them.

    They are the first free places of the common order: place j of the free ones is j + the number of taken places
    before it, and a taken place is before it if at most j free places are before the taken one.
    """
    (n, n_items), order, place = scores.shape, scores.common.order, scores.common.place
    stored, masked = (row_numbers(scores.stored), scores.stored.indices), np.divmod(masked, n_items)
    row, item = (np.concatenate(parts) for parts in zip(stored, masked, strict=True))
    is_near = place[item] < k + np.bincount(row, minlength=n)[row]  # the others come after the k-th free place
    row, at = np.divmod(distinct(_keys(row[is_near], place[item[is_near]], scores.shape)), n_items)
    n_free_before = at - (np.arange(len(row)) - np.searchsorted(row, np.arange(n))[row])
    is_early = n_free_before < k
    n_taken = np.bincount(row[is_early] * k + n_free_before[is_early], minlength=n * k).reshape(n, k)
    free = np.arange(k) + n_taken.cumsum(axis=1)
    is_item = free < n_items
    idx, best = np.full((n, k), -1, dtype=np.int64), np.full((n, k), -np.inf)
    idx[is_item] = order[free[is_item]]
    best[is_item] = scores.common_at(np.nonzero(is_item)[0], idx[is_item])
    return idx, best


def _keys(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """One number per cell, ascending by row and column."""
    return np.asarray(row, dtype=np.int64) * shape[1] + column


def _check_arguments(shape: tuple[int, int], k: int, mask: sparse.csr_matrix | None) -> None:
    if k < 1:
        raise ValueError(f"k must be at least 1: {k}")
    if mask is not None and mask.shape != shape:
        raise ValueError(f"the mask has shape {mask.shape}, the scores have {shape}")


def model_scores(model: Model, users: np.ndarray) -> np.ndarray | SparseScores:
    """The model's scores of these users: sparse where the model offers it and few are stored, else dense."""
    if not isinstance(model, SparseModel):
        return model.score(users)
    return dense_if_full(model.sparse_score(users))


def dense_if_full(scores: SparseScores) -> np.ndarray | SparseScores:
    """The same scores as a dense table where many are stored: it is faster."""
    n, n_columns = scores.shape
    return scores.toarray() if scores.stored.nnz * DENSE > n * n_columns else scores


def block_rows(model: Model, users: np.ndarray) -> int:
    """The number of users whose scores may be in memory at once: see `blocks`."""
    n_items = model_scores(model, users[:1]).shape[1]
    return model.block_rows(n_items) if isinstance(model, SparseModel) else blocks.score_rows(n_items)


def best_of(
    scores: np.ndarray | SparseScores, k: int, mask: sparse.csr_matrix | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """As `top_k`, for dense and for sparse scores."""
    best = sparse_top_k if isinstance(scores, SparseScores) else top_k
    return best(scores, k, mask)


def recommend(
    model: Model,
    users: np.ndarray,
    k: int,
    mask: sparse.csr_matrix | None = None,
    block: int | None = None,
    progress: bool = False,
) -> pl.DataFrame:
    """The model's lists: one row per recommendation, in the order of `users` and rank.

    Memory holds the scores of one block of users at a time.

    Parameters
    ----------
    users
        Distinct user_idx.
    mask
        (n_users, n_items), of all users: items that must not be recommended to a user; None: no restriction.
    block
        The number of users in a block; None: as many as `blocks.BLOCK_BYTES` has room for.

    Returns
    -------
    DataFrame
        user_idx, item_idx (Int32), score (Float64), rank (Int32, 1 = best). A list is shorter than k where fewer
        items are left.

    Raises
    ------
    IndexError
        If a user_idx is negative (NumPy would count from the end).
    """
    return recommend_each(model, users, k, {"": mask}, block, progress)[""]


def recommend_each(
    model: Model,
    users: np.ndarray,
    k: int,
    masks: Mapping[str, sparse.csr_matrix | None],
    block: int | None = None,
    progress: bool = False,
) -> dict[str, pl.DataFrame]:
    """As `recommend`, with several masks: every user is scored once."""
    users = np.asarray(users, dtype=np.int64)
    if users.size and users.min() < 0:
        raise IndexError(f"user_idx must not be negative: {users.min()}")
    if isinstance(model, SparseModel):
        model.prepare(users, progress)
    lists = {name: [_lists_table([], [], [], [])] for name in masks}
    starts = tqdm(
        range(0, len(users), block := block or block_rows(model, users)),
        desc=f"lists of {model.name}",
        unit="block",
        disable=None if progress else True,
    )
    for start in starts:
        block_users = users[start : start + block]
        scores = model_scores(model, block_users)
        for name, mask in masks.items():
            lists[name].append(_lists(block_users, scores, k, mask))
    return {name: pl.concat(parts) for name, parts in lists.items()}


def _lists(
    users: np.ndarray, scores: np.ndarray | SparseScores, k: int, mask: sparse.csr_matrix | None
) -> pl.DataFrame:
    idx, best = best_of(scores, k, None if mask is None else mask[users])
    row, place = np.nonzero(idx >= 0)
    return _lists_table(users[row], idx[row, place], best[row, place], place + 1)


def _lists_table(users: np.ndarray, items: np.ndarray, scores: np.ndarray, ranks: np.ndarray) -> pl.DataFrame:
    columns = {"user_idx": pl.Int32, "item_idx": pl.Int32, "score": pl.Float64, "rank": pl.Int32}
    return pl.DataFrame(
        [
            pl.Series(name, values, dtype=dtype)
            for (name, dtype), values in zip(columns.items(), (users, items, scores, ranks), strict=True)
        ]
    )
