"""The ridge regression of each item on a few others, its nearest neighbours."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from recomart_lib.models import blocks
from recomart_lib.models.cost import Cost
from recomart_lib.models.top_k import top_k

N_NEIGHBOURS = 50


def weights(history: sparse.csr_matrix, targets: np.ndarray, others: np.ndarray, gram: np.ndarray) -> sparse.csr_matrix:
    """The weights of `others` in the score of each target: argmin |x(target) - X(neighbours) w|^2 + reg |w|^2.

    The neighbours of a target are the `N_NEIGHBOURS` of `others` with the largest cosine (ties: the smaller index)
    that share a user with it.

    Parameters
    ----------
    targets, others
        Distinct item_idx, in ascending order; no item is in both.
    gram
        X'X of the others plus reg on its diagonal (len(others), len(others)).

    Returns
    -------
    csr_matrix
        (len(others), n_items).
    """
    n_items = history.shape[1]
    if not len(targets):
        return sparse.csr_matrix((len(others), n_items))
    norms = np.sqrt(np.bincount(history.indices, minlength=history.shape[1])[others])
    by_item, of_others = history.T.tocsr(), history[:, others]
    step = blocks.rows(3 * len(others) + 2 * N_NEIGHBOURS**2)
    parts = [
        _solve((by_item[block] @ of_others).toarray(), norms, gram)
        for block in np.split(targets, range(step, len(targets), step))
    ]
    solution = sparse.vstack(parts).T.tocsr()
    return sparse.csr_matrix((solution.data, targets[solution.indices], solution.indptr), shape=(len(others), n_items))


def cost(n_targets: int, n_others: int) -> Cost:
    """What `weights` needs."""
    if not n_targets:
        return Cost(0, 0)
    stored = 3 * 12 * N_NEIGHBOURS * n_targets
    block = min(blocks.BLOCK_BYTES, 8 * n_targets * (3 * n_others + 2 * N_NEIGHBOURS**2))
    return Cost.of(stored + block, dense=n_targets * N_NEIGHBOURS**3, other=n_targets * (10.0 * n_others + 10_000))


def _solve(common: np.ndarray, norms: np.ndarray, gram: np.ndarray) -> sparse.csr_matrix:
    """The weights of the neighbours of each target (n, len(norms)). `common`, of the same shape: shared users."""
    neighbours, _ = top_k(common / np.maximum(norms, 1), min(N_NEIGHBOURS, len(norms)))
    shared = np.take_along_axis(common, neighbours, axis=1)
    kept = shared > 0
    matrices = gram[neighbours[:, :, None], neighbours[:, None, :]].astype(np.float64)
    # an item without a shared user is no neighbour: its row becomes that of an identity matrix, its weight 0
    matrices = np.where(kept[:, :, None] & kept[:, None, :], matrices, np.eye(kept.shape[1]))
    solution = np.linalg.solve(matrices, shared[:, :, None])[:, :, 0]
    row, place = np.nonzero(kept)
    return sparse.csr_matrix((solution[row, place], (row, neighbours[row, place])), shape=common.shape)
