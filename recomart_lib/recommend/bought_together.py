"""Products that are bought in the same orders, more often than by chance."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse
from scipy.special import gammaincinv

from recomart_lib.core.schemas import BOUGHT_TOGETHER
from recomart_lib.models.sparse_scores import row_numbers
from recomart_lib.recommend.orders import Orders
from recomart_lib.recommend.sparse_blocks import best_of_rows, products, values_at

MIN_ORDERS = 5  # orders with both products: two rare products in a few orders may be chance
MIN_USERS = 3  # users who chose both: the habit of one customer says nothing about the others
CONFIDENCE = 0.95


def bought_together(orders: Orders, relevant: sparse.csr_matrix, shown: np.ndarray, k: int) -> pl.DataFrame:
    """The k products of each product that are bought together with it, by the lower end of the lift's interval.

    The lift is the number of orders with both over the number that is expected if orders chose them independently,
    n(a) n(b) / N. Its interval is the exact one of a Poisson count (Garwood, 1936). Only pairs with at least
    `MIN_ORDERS` orders and `MIN_USERS` users, and with a lower end above 1, are in the table.

    Parameters
    ----------
    relevant
        (n_users, n_items): 1 where the user chose the product.
    shown
        Per product, whether it may be shown.

    Returns
    -------
    DataFrame
        `schemas.BOUGHT_TOGETHER` with item_idx and other_idx instead of the ids, without `reason`.
    """
    contains, parts = orders.matrix(), [pl.DataFrame(schema=_COLUMNS)]
    sizes = np.asarray(contains.sum(axis=0)).ravel()
    for start, counts in products(contains.T.tocsr(), contains):
        pairs = counts.tocoo()
        kept = (pairs.data >= MIN_ORDERS) & (pairs.col != pairs.row + start) & shown[pairs.col]
        row, other, support = pairs.row[kept], pairs.col[kept], pairs.data[kept]
        item = row + start
        expected = sizes[item] * sizes[other] / max(contains.shape[0], 1)
        low = gammaincinv(support, (1 - CONFIDENCE) / 2) / expected
        more = low > 1
        scores = sparse.csr_matrix((low[more], (row[more], other[more])), shape=counts.shape)
        users = _users(relevant, start, scores)
        scores.data[users < MIN_USERS] = 0
        scores.eliminate_zeros()
        parts.append(_rows(start, scores, counts, sizes, contains.shape[0], k))
    return pl.concat(parts)


_COLUMNS = {
    "item_idx": pl.Int32,
    "other_idx": pl.Int32,
    **{name: dtype for name, dtype in BOUGHT_TOGETHER.items() if name not in ("item_id", "other_item_id", "reason")},
}


def _users(relevant: sparse.csr_matrix, start: int, scores: sparse.csr_matrix) -> np.ndarray:
    """The users who chose both products of each stored pair."""
    scores.sort_indices()
    block = relevant[:, start : start + scores.shape[0]].T.tocsr()
    return values_at(block, relevant, row_numbers(scores), scores.indices)


def _rows(
    start: int, scores: sparse.csr_matrix, counts: sparse.csr_matrix, sizes: np.ndarray, n_orders: int, k: int
) -> pl.DataFrame:
    row, other, low, rank = best_of_rows(scores, k)
    support = np.asarray(counts[row, other]).ravel() if len(row) else np.empty(0)
    n_with = sizes[row + start]
    columns = {
        "item_idx": row + start,
        "other_idx": other,
        "rank": rank,
        "support": support,
        "n_orders": n_with,
        "share": support / n_with,
        "lift": support * n_orders / (n_with * sizes[other]),
        "lift_low": low,
    }
    return pl.DataFrame({name: pl.Series(columns[name]).cast(dtype) for name, dtype in _COLUMNS.items()})
