"""Beyond accuracy: coverage, Gini index, novelty, diversity.

`items` are lists as an array (n_lists, longest): the index of the item on each place, `NO_ITEM` where a list is
shorter. Results are arrays (longest,): the metric of the first place, the first two places, ...
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

NO_ITEM = -1
GRAM_ENTRIES = 10_000_000  # of the matrix of cosines that are in memory at once: 120 MB, or one row if that is more
PLACES = 200_000  # of lists, whose cosines are looked up at once: 250 MB, for lists of 20


def coverage(items: np.ndarray, n_items: int) -> np.ndarray:
    """Distinct items shown / items in the catalogue; 0 for no lists."""
    longest = items.shape[1]
    first = np.full(max(n_items, items.max(initial=NO_ITEM) + 1), longest)  # the best place of each item
    for place in reversed(range(longest)):
        first[items[items[:, place] != NO_ITEM, place]] = place
    return np.cumsum(np.bincount(first, minlength=longest)[:longest]) / n_items


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


def information(times: np.ndarray, n_users: int) -> np.ndarray:
    """-log2(share of train users who have the item), in bits (n_items,); `times` (n_items,) counts these users.

    An item without users counts as if one user had it: its information is large, but finite.
    """
    return -np.log2(np.maximum(times, 1) / n_users)


def novelty(items: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Mean over recommendations of the `information` of the item, in bits; NaN for no lists.

    Source: Vargas and Castells, Rank and relevance in novelty and diversity metrics, RecSys 2011.
    """
    shown = items != NO_ITEM
    total, n = np.where(shown, bits[items], 0).sum(axis=0).cumsum(), shown.sum(axis=0).cumsum()
    return np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)


def diversity(items: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """1 - mean over lists of the mean pairwise cosine of their items; NaN where no list has two items.

    Parameters
    ----------
    cosines
        Of these lists: see `cosines_to_earlier`.

    Source: Ziegler et al., Improving recommendation lists through topic diversification, WWW 2005.
    """
    length = (items != NO_ITEM).cumsum(axis=1)
    n_pairs = length * (length - 1) / 2
    means = np.divide(cosines.cumsum(axis=1), n_pairs, out=np.zeros(items.shape), where=n_pairs > 0)
    n_lists = (n_pairs > 0).sum(axis=0)
    return 1 - np.divide(means.sum(axis=0), n_lists, out=np.full(items.shape[1], np.nan), where=n_lists > 0)


def cosines_to_earlier(items: np.ndarray, user_items: sparse.csr_matrix) -> np.ndarray:
    """For every place of every list, the sum of the cosines of its item and all items before it: (n_lists, longest).

    The cosine of two items is that of their users' vectors; 0 for an item without users. Cosines are computed once per
    pair of items, in blocks of items bounded by `GRAM_ENTRIES`, and looked up for all lists: the cost grows with the
    pairs of items that users have in common, and with the lists, but not with both.

    Parameters
    ----------
    items
        Lists of any number of models; items are columns of `user_items`.
    user_items
        (n_users, n_items), binary: the training interactions.
    """
    norm = np.sqrt(np.asarray(user_items.sum(axis=0)).ravel())
    unit = sparse.csr_matrix(user_items @ sparse.diags_array(1 / np.where(norm > 0, norm, 1)))
    by_item = unit.T.tocsr()
    result, places = np.zeros(items.shape), items.ravel()
    order = np.argsort(places, kind="stable")  # the places of an item are next to each other
    for first, last in _item_blocks(user_items):
        begin, end = np.searchsorted(places, (first, last), sorter=order)
        if begin == end:
            continue
        gram = sparse.csr_matrix(by_item[first:last] @ unit)
        gram.sort_indices()  # then SciPy finds an entry by bisection
        for start in range(begin, end, PLACES):
            chosen = order[start : min(start + PLACES, end)]
            result.ravel()[chosen] = _sums_of_cosines(gram, places[chosen] - first, _earlier(items, chosen))
    return result


def _item_blocks(user_items: sparse.csr_matrix) -> list[tuple[int, int]]:
    """Ranges of items whose rows of the Gram matrix have at most about `GRAM_ENTRIES` entries."""
    pairs = np.asarray(user_items.T @ np.diff(user_items.indptr)).ravel()  # per item: an upper bound of the entries
    block = np.cumsum(pairs) // GRAM_ENTRIES
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    return list(zip(starts, [*starts[1:], len(pairs)], strict=True))


def _earlier(items: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The items before each of these places of the flat lists, NO_ITEM elsewhere: (n, longest)."""
    row, place = np.divmod(places, items.shape[1])
    return np.where(np.arange(items.shape[1]) < place[:, None], items[row], NO_ITEM)


def _sums_of_cosines(gram: sparse.csr_matrix, row: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Per entry of `row`, the sum of the cosines in this row of `gram` and the columns that `others` has for it."""
    n, place = np.nonzero(others != NO_ITEM)
    if not len(n):  # SciPy returns an empty matrix, not an empty array
        return np.zeros(len(row))
    rows, columns = row[n], others[n, place]
    # in the order of memory: bisections in long rows, here and there, would take ten times as long
    order = np.argsort(rows.astype(np.int64) * gram.shape[1] + columns)
    cosines = np.empty(len(order))
    cosines[order] = np.asarray(gram[rows[order], columns[order]]).ravel()
    return np.bincount(n, cosines, minlength=len(row))
