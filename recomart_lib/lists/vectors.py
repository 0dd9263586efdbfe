"""Vectors of products for the knob `diversity`: products that the same users choose are alike."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
from scipy import sparse
from scipy.sparse.linalg import svds

from recomart_lib.lists.catalogue import Catalogue, Context

DIMENSIONS = 32
SEED = 0  # of the first vector of the iteration: the result is the same in every run
_kept: WeakKeyDictionary[Context, tuple[pl.Series, np.ndarray]] = WeakKeyDictionary()  # the products, their vectors


def item_vectors(catalogue: Catalogue, context: Context) -> np.ndarray:
    """Unit vectors (n_items, at most 32), whose dot product is about the cosine of the products' sets of users.

    The users of each product as a unit vector, reduced to the largest singular values. A product that nobody chose has
    the zero vector: it is like none. They are kept as long as the context: 07 applies several rules to the same one.
    """
    items, kept = _kept.get(context, (None, None))
    if items is None or not items.equals(catalogue.items):
        kept = _reduced(catalogue, context.chosen)
        _kept[context] = (catalogue.items, kept)
    return kept


def _reduced(catalogue: Catalogue, chosen: pl.DataFrame) -> np.ndarray:
    n_items, item = len(catalogue.items), catalogue.codes(chosen.get_column("item_id"))
    user = chosen.get_column("user_id").rank("dense").cast(pl.Int64).to_numpy() - 1
    shape = (n_items, int(user.max(initial=-1)) + 1)
    size = min(DIMENSIONS, min(shape) - 1)
    if size < 1:
        return np.zeros((n_items, 1), dtype=np.float32)
    rows = sparse.csr_matrix((np.ones(len(item))[item >= 0], (item[item >= 0], user[item >= 0])), shape=shape)
    scale = 1 / np.sqrt(np.maximum(np.diff(rows.indptr), 1))
    unit = sparse.diags_array(scale) @ rows
    start = np.random.default_rng(SEED).random(min(shape))
    left, values, _ = svds(unit, size, v0=start)
    return _normalised(left * values)


def _normalised(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-9).astype(np.float32)
