"""The best customers for a product, and for a category: whom to write about it."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.models.item_to_item import SparseItemToItem
from recomart_lib.recommend.sparse_blocks import best_of_rows, products
from recomart_lib.train.train_data import Tables

MAX_ROWS = 5_000_000  # of the table of all products: a large catalogue gets fewer users per product
COLUMNS = {"rank": pl.Int32, "user_idx": pl.Int32, "affinity": pl.Float64}


def users_per_product(n_items: int, n: int) -> int:
    """At most n, and fewer if the table would have more than `MAX_ROWS` rows.

    >>> users_per_product(4_000, 100), users_per_product(200_000, 100)
    (100, 25)
    """
    return min(n, max(1, MAX_ROWS // max(n_items, 1)))


def for_products(model: SparseItemToItem, shown: np.ndarray, n: int) -> pl.DataFrame:
    """The n users with the highest affinity per product: item_idx, rank, user_idx, affinity; best first.

    The affinity is the score of `model`: the sum, over the products that the user chose, of their similarity to this
    one, itself included (1). It is not divided by the length of the history: on the validation windows of online_retail
    and simulated, the users found in this way bought the product more often than with any such division, and than the
    most active or most recent users (docs/lists.md). It orders users; it is no probability.

    Parameters
    ----------
    model
        Fitted `item_knn`.
    shown
        Per product, whether it may be shown.
    """
    similarity = model.arrays[model.weights].tocsc()
    wanted = np.flatnonzero(shown)
    rows = _best(similarity[:, wanted].T.tocsr(), model.arrays["history"], users_per_product(len(wanted), n))
    item = pl.Series("item_idx", wanted[rows.get_column("row").to_numpy()]).cast(pl.Int32)
    return rows.select(item, *COLUMNS)


def for_categories(model: SparseItemToItem, category: pl.Series, shown: np.ndarray, n: int) -> pl.DataFrame:
    """The n users with the highest affinity per category: category, rank, user_idx, affinity; best first.

    The affinity is the sum of those to the products of the category (see `for_products`).

    Parameters
    ----------
    category
        Per product; products of unknown categories (null) have none.
    """
    names = category.cast(pl.String).replace(UNKNOWN, None)
    ordered = names.drop_nulls().unique().sort()
    code = names.cast(pl.Enum(ordered)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    item = np.flatnonzero((code >= 0) & shown)
    members = sparse.csr_matrix((np.ones(len(item)), (code[item], item)), shape=(len(ordered), len(names)))
    of_category = (members @ model.arrays[model.weights].T.tocsr()).tocsr()
    rows = _best(of_category, model.arrays["history"], n)
    return rows.select(ordered.gather(rows.get_column("row")).alias("category"), *COLUMNS)


def with_purchases(rows: pl.DataFrame, window: Tables, on: list[str], of: pl.DataFrame) -> pl.DataFrame:
    """With n_orders and last: how often, and when last, the user bought the product or the category.

    Parameters
    ----------
    on
        The columns that identify a row: user_idx, and item_idx or category.
    of
        One row per product: item_idx, and category where that is in `on`.
    """
    bought = window["interactions"].filter(pl.col("n_relevant") > 0).join(of, on="item_idx")
    bought = bought.group_by(on).agg(pl.col("n_orders").sum(), last=pl.col("last_relevant_timestamp").max())
    return rows.join(bought, on=on, how="left", maintain_order="left").with_columns(pl.col("n_orders").fill_null(0))


def _best(of_rows: sparse.csr_matrix, history: sparse.csr_matrix, n: int) -> pl.DataFrame:
    """The n best users per row: row, rank, user_idx, affinity."""
    parts = [pl.DataFrame(schema={"row": pl.Int64, **COLUMNS})]
    for start, scores in products(of_rows, history.T.tocsr()):
        row, user, affinity, rank = best_of_rows(scores, n)
        columns = {"row": row + start, "rank": rank, "user_idx": user, "affinity": affinity}
        parts.append(pl.DataFrame({name: pl.Series(columns[name]).cast(parts[0].schema[name]) for name in columns}))
    return pl.concat(parts)
