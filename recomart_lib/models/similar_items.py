"""Similar items according to a fitted model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core.errors import UserError
from recomart_lib.models import blocks
from recomart_lib.models.base import ArrayModel, check_index
from recomart_lib.models.item_to_item import ItemToItem
from recomart_lib.models.top_k import top_k

Similarity = Callable[[np.ndarray], np.ndarray]
SIMILAR = {"item_idx": pl.Int32, "similar_idx": pl.Int32, "similarity": pl.Float64, "rank": pl.Int32}


def similar_items(model: ArrayModel, items: np.ndarray, k: int) -> pl.DataFrame:
    """The k items most similar to each of `items`: one row per item and similar item, in the order of `items` and rank.

    Similarity is the contribution of this item alone to the other's score (item-to-item models: a row of W), or the
    cosine of the items' factors (factor models). An item is never similar to itself; ties go to the smaller
    index.

    Parameters
    ----------
    items
        Distinct item_idx.

    Returns
    -------
    DataFrame
        item_idx, similar_idx, similarity (> 0), rank (1 = best). A list is shorter than k where fewer are similar.

    Raises
    ------
    UserError
        If the model has no item similarity.
    IndexError
        If an item_idx is out of range.
    """
    items = np.asarray(items, dtype=np.int64)
    similarity, n_items = _similarity(model)
    check_index("item_idx", items, n_items)
    size = blocks.rows(n_items)
    parts = [_similar(similarity, items[start : start + size], k) for start in range(0, len(items), size)]
    return pl.concat([pl.DataFrame(schema=SIMILAR), *parts])


def _similar(similarity: Similarity, items: np.ndarray, k: int) -> pl.DataFrame:
    values = similarity(items)
    values[np.arange(len(items)), items] = -np.inf
    idx, best = top_k(np.where(values > 0, values, -np.inf), k)
    row, place = np.nonzero(idx >= 0)
    columns = (items[row], idx[row, place], best[row, place], place + 1)
    return pl.DataFrame(
        {name: pl.Series(values).cast(dtype) for (name, dtype), values in zip(SIMILAR.items(), columns, strict=True)}
    )


def _similarity(model: ArrayModel) -> tuple[Similarity, int]:
    """A function from item_idx to their similarity with every item, (len(items), n_items), and n_items."""
    if isinstance(model, ItemToItem):
        return lambda items: _of_weights(model, items), model.arrays["history"].shape[1]
    if "item_factors" not in model.arrays:
        raise UserError(f"{model.name} has no item similarity: use ease, item_knn, content, als, bpr or svd.")
    factors = model.arrays["item_factors"].astype(np.float64)
    length = np.linalg.norm(factors, axis=1, keepdims=True)
    unit = np.divide(factors, length, out=np.zeros_like(factors), where=length > 0)
    return lambda items: unit[items] @ unit.T, len(unit)


def _of_weights(model: ItemToItem, items: np.ndarray) -> np.ndarray:
    n_items = model.arrays["history"].shape[1]
    alone = (np.ones(len(items)), (np.arange(len(items)), items))
    return np.array(model.score_histories(sparse.csr_matrix(alone, shape=(len(items), n_items))))
