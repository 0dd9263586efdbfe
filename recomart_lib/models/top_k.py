"""From scores to top-k lists: exact, fast, and with deterministic ties."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl
from scipy import sparse
from tqdm.auto import tqdm

from recomart_lib.models.base import Model

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
    if k < 1:
        raise ValueError(f"k must be at least 1: {k}")
    if mask is not None and mask.shape != scores.shape:
        raise ValueError(f"the mask has shape {mask.shape}, the scores have {scores.shape}")
    clean = np.where(np.isfinite(scores), scores, -np.inf)
    if mask is not None:
        clean[mask.nonzero()] = -np.inf
    n, width = len(clean), min(k, clean.shape[1])
    idx, best = np.full((n, k), -1, dtype=np.int64), np.full((n, k), -np.inf)
    row, item = np.nonzero(_promising(clean, width))
    value = clean[row, item]
    order = np.lexsort((item, -value, row))
    place = np.arange(len(row)) - np.searchsorted(row, row)  # `row` ascends, before and after sorting
    first = place < width
    row, place, order = row[first], place[first], order[first]
    idx[row, place], best[row, place] = item[order], value[order]
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


def recommend(
    model: Model,
    users: np.ndarray,
    k: int,
    mask: sparse.csr_matrix | None = None,
    block: int = 1_024,
    progress: bool = False,
) -> pl.DataFrame:
    """The model's lists: one row per recommendation, in the order of `users` and rank.

    Memory holds one block of scores (block, n_items) at a time.

    Parameters
    ----------
    users
        Distinct user_idx.
    mask
        (n_users, n_items), of all users: items that must not be recommended to a user; None: no restriction.

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
    block: int = 1_024,
    progress: bool = False,
) -> dict[str, pl.DataFrame]:
    """As `recommend`, with several masks: every user is scored once."""
    users = np.asarray(users, dtype=np.int64)
    if users.size and users.min() < 0:
        raise IndexError(f"user_idx must not be negative: {users.min()}")
    lists = {name: [_lists_table([], [], [], [])] for name in masks}
    starts = tqdm(
        range(0, len(users), block), desc=f"lists of {model.name}", unit="block", disable=None if progress else True
    )
    for start in starts:
        block_users = users[start : start + block]
        scores = model.score(block_users)
        for name, mask in masks.items():
            lists[name].append(_lists(block_users, scores, k, mask))
    return {name: pl.concat(parts) for name, parts in lists.items()}


def _lists(users: np.ndarray, scores: np.ndarray, k: int, mask: sparse.csr_matrix | None) -> pl.DataFrame:
    idx, best = top_k(scores, k, None if mask is None else mask[users])
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
