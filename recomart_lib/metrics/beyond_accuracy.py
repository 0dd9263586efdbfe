"""Beyond accuracy: coverage, Gini index, novelty, diversity."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse


def coverage(recommendations: pl.DataFrame, n_items: int) -> float:
    """Distinct items shown / items in the catalogue; 0 for no lists."""
    return recommendations["item_id"].n_unique() / n_items


def gini(times: np.ndarray, n: int) -> float:
    """How unevenly n items are used: 0 if all equally often, (n - 1) / n if only one is; NaN if none is.

    With the numbers of uses sorted, x_1 <= ... <= x_n: sum (2 i - n - 1) x_i / (n sum x_i).

    Parameters
    ----------
    times
        How often each item is used; the remaining ones, up to n, are never used.

    Examples
    --------
    >>> gini(np.array([3, 3]), 2), gini(np.array([5]), 4)
    (0.0, 0.75)
    """
    used = np.sort(np.asarray(times, dtype=np.float64))
    place = np.arange(n - len(used) + 1, n + 1)
    return float(((2 * place - n - 1) * used).sum() / (n * used.sum())) if used.sum() else float("nan")


def novelty(recommendations: pl.DataFrame, train_pairs: pl.DataFrame) -> float:
    """Mean over recommendations of -log2(share of train users who have the item), in bits; NaN for no lists.

    `train_pairs` has one row per distinct pair (user_id, item_id); its users are the train users. An item
    without users counts as if one user had it: its novelty is large, but finite.

    Source: Vargas and Castells, Rank and relevance in novelty and diversity metrics, RecSys 2011.
    """
    had = train_pairs.group_by("item_id").agg(n=pl.len())
    shown = recommendations.group_by("item_id").agg(times=pl.len()).join(had, on="item_id", how="left").sort("item_id")
    if not shown.height:
        return float("nan")
    share = shown["n"].fill_null(1).to_numpy() / train_pairs["user_id"].n_unique()
    return float(np.average(-np.log2(share), weights=shown["times"].to_numpy()))


def diversity(shown: sparse.csr_matrix, user_items: sparse.csr_matrix, block: int = 1_024) -> float:
    """1 - mean over lists of the mean pairwise cosine of their items' user vectors; NaN where no list has two items.

    Items without users have cosine 0 to all others. For unit vectors u_i, sum of all cosines = |sum u_i|^2: no
    item-item matrix is needed, and memory is bounded by block x n_users.

    Parameters
    ----------
    shown
        (n_lists, n_items), binary: the items of each list.
    user_items
        (n_users, n_items), binary: the training interactions.

    Source: Ziegler et al., Improving recommendation lists through topic diversification, WWW 2005.
    """
    length = np.asarray(shown.sum(axis=1)).ravel()
    lists, length = shown[length > 1], length[length > 1]
    if not length.size:
        return float("nan")
    norm = np.sqrt(np.asarray(user_items.multiply(user_items).sum(axis=0)).ravel())
    unit = (user_items @ sparse.diags_array(1 / np.where(norm > 0, norm, 1))).T.tocsr()  # (n_items, n_users)
    sums = [_squared_norms(lists[start : start + block] @ unit) for start in range(0, len(length), block)]
    self_similarity = lists @ (norm > 0).astype(np.float64)  # the cosine of every item with itself
    cosine = (np.concatenate(sums) - self_similarity) / (length * (length - 1))
    return float(1 - cosine.mean())


def _squared_norms(rows: sparse.csr_matrix) -> np.ndarray:
    """|row|^2 of a matrix that is not needed afterwards: `power` would spend most of the time sorting its indices."""
    rows.data **= 2
    return np.asarray(rows.sum(axis=1)).ravel()
