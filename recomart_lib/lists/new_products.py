"""Products without any event, which no model ranks: the best of them for each user, by content."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.lists.catalogue import NO_ITEM, Catalogue, Context

CELLS = 20_000_000  # of scores in memory at once


def best_for_users(catalogue: Catalogue, context: Context, allowed: np.ndarray, n: int) -> np.ndarray:
    """The n best products without events per user, best first: (n_users, n), `NO_ITEM` where fewer are left.

    The score of a product is the number of products that the user chose in its category, plus those of its brand. A
    product that shares neither is not shown; ties go to the smaller id.
    """
    seen = catalogue.is_one_of(context.interactions.get_column("item_id").unique())
    new = np.flatnonzero(allowed & ~seen)
    n_users, kept = len(catalogue.users), min(n, len(new))
    best = np.full((n_users, n), NO_ITEM, dtype=np.int32)
    if not kept:
        return best
    facts = _facts(catalogue)
    taste, of_new = _history(catalogue, context.chosen) @ facts, facts[new].T.tocsr()
    block = max(1, CELLS // len(new))
    for start in range(0, n_users, block):
        scores = (taste[start : start + block] @ of_new).toarray()
        order = np.argsort(-scores, axis=1, kind="stable")[:, :kept]
        shown = np.take_along_axis(scores, order, axis=1) > 0
        best[start : start + block, :kept] = np.where(shown, new[order], NO_ITEM)
    return best


def _facts(catalogue: Catalogue) -> sparse.csr_matrix:
    """(n_items, categories and brands): 1 where a product has it."""
    parts = []
    for groups in (catalogue.category, catalogue.brand):
        item = np.flatnonzero(groups >= 0)
        shape = (len(groups), int(groups.max(initial=0)) + 1)
        parts.append(sparse.csr_matrix((np.ones(len(item)), (item, groups[item])), shape=shape))
    return sparse.hstack(parts, format="csr")


def _history(catalogue: Catalogue, chosen: pl.DataFrame) -> sparse.csr_matrix:
    """(n_users, n_items): 1 where the user chose the product."""
    keys = catalogue.keys(chosen)
    row, item = np.divmod(keys, len(catalogue.items))
    return sparse.csr_matrix((np.ones(len(keys)), (row, item)), shape=(len(catalogue.users), len(catalogue.items)))
