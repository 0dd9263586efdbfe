"""Similar products: chosen by the same users or, where too few chose a product, alike by their attributes."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.content import Content, item_terms, tf_idf
from recomart_lib.models.item_to_item import SparseItemToItem
from recomart_lib.models.sparse_scores import row_numbers
from recomart_lib.recommend.sparse_blocks import best_of_rows, products, values_at

MIN_USERS = 3  # users who chose both products: fewer may be chance
MIN_COSINE = 0.3  # of attributes: less is a price level or one frequent word in common
COLUMNS = {"item_idx": pl.Int32, "other_idx": pl.Int32, "rank": pl.Int32, "similarity": pl.Float64, "support": pl.Int64}


def by_users(model: SparseItemToItem, relevant: sparse.csr_matrix, shown: np.ndarray, k: int) -> pl.DataFrame:
    """The k most similar products by `model` that at least `MIN_USERS` users chose with the product: `COLUMNS`.

    Parameters
    ----------
    model
        Fitted `item_knn`: its weights are the similarity.
    relevant
        (n_users, n_items): 1 where the user chose the product.
    shown
        Per product, whether it may be shown as similar.
    """
    similarity = model.arrays[model.weights].copy()
    similarity.sort_indices()
    row = row_numbers(similarity)
    support = values_at(relevant.T.tocsr(), relevant, row, similarity.indices)
    kept = (similarity.indices != row) & shown[similarity.indices] & (support >= MIN_USERS) & (similarity.data > 0)
    shape = similarity.shape
    scores = sparse.csr_matrix((similarity.data[kept], (row[kept], similarity.indices[kept])), shape=shape)
    counts = sparse.csr_matrix((support[kept], (row[kept], similarity.indices[kept])), shape=shape)
    item, other, value, rank = best_of_rows(scores, k)
    n_users = np.asarray(counts[item, other]).ravel() if len(item) else np.empty(0)
    return _table(item, other, rank, value, n_users)


def by_attributes(items: pl.DataFrame, wanted: np.ndarray, shown: np.ndarray, k: int) -> pl.DataFrame:
    """The k most similar products by name, category, brand and price for the products `wanted`: `COLUMNS`, support 0.

    Compared as the model `content` does, with its default parameters.

    Parameters
    ----------
    items
        One row per product, in the order of item_idx: item_idx, name, category, brand, price.
    """
    content, parts = Content(), []
    vectors = tf_idf(item_terms(items, content.n_price_levels), items.height, content.fact_weight)
    for start, cosines in products(vectors[wanted], vectors.T.tocsr()):
        row, item = row_numbers(cosines), wanted[start : start + cosines.shape[0]]
        kept = (cosines.indices != item[row]) & shown[cosines.indices] & (cosines.data >= MIN_COSINE)
        alike = sparse.csr_matrix((cosines.data[kept], (row[kept], cosines.indices[kept])), shape=cosines.shape)
        row, other, value, rank = best_of_rows(alike, k)
        parts.append(_table(item[row], other, rank, value, np.zeros(len(row))))
    return pl.concat([pl.DataFrame(schema=COLUMNS), *parts])


def _table(*columns: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {name: pl.Series(values).cast(dtype) for (name, dtype), values in zip(COLUMNS.items(), columns, strict=True)}
    )
