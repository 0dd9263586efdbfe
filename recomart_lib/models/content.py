"""Items similar to the purchase history by name, category, brand and price: works for items without buyers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.models import blocks
from recomart_lib.models.base import TrainData, numeric
from recomart_lib.models.item_to_item import ItemToItem

log = logging.getLogger(__name__)

WORD = r"[\p{L}\p{N}]+"


@dataclass(eq=False)
class Content(ItemToItem):
    """score(u, i) = sum over the user's items j of exp(-days(u, j) / decay_days) * cos(v(j), v(i)).

    `days` are the whole days from the pair's last relevant event to the cut. v(i) depends on the item's attributes
    only (see `tf_idf`), so that items without any event are scored too. The user's own items are included. Users
    without history, items without similarity, and data without item attributes (`TrainData.items`) get the popularity
    order.

    Source: Pazzani and Billsus, Content-based recommendation systems, 2007.
    """

    name: ClassVar[str] = "content"
    reads: ClassVar[tuple[str, ...]] = ("items",)
    decay_days: float = numeric(60.0, 1.0)
    fact_weight: float = numeric(0.25, 0.0)
    n_price_levels: int = numeric(4, 1)

    def fit(self, data: TrainData) -> Self:
        """Compute the item vectors, and store the decayed histories."""
        if data.items is None:
            log.warning("content: there are no item attributes; falling back to popularity")
        days = (pl.lit(data.cut) - pl.col("last_relevant_timestamp")).dt.total_days()
        decayed = pl.when(pl.col("n_relevant") > 0).then((-days / self.decay_days).exp())
        self.arrays = {
            "history": data.matrix(decayed),
            "popularity": data.popularity(),
            "vectors": tf_idf(item_terms(data.items, self.n_price_levels), data.n_items, self.fact_weight),
        }
        return self

    def score_histories(self, history: sparse.csr_matrix) -> np.ndarray:
        """See `ItemToItem.score_histories`; compares the profile of each history with every item."""
        vectors, scores = self.arrays["vectors"], np.empty(history.shape)
        size = blocks.rows(vectors.shape[1])
        for start in range(0, history.shape[0], size):
            profiles = (history[start : start + size] @ vectors).toarray()
            scores[start : start + size] = (vectors @ profiles.T).T
        return scores

    def weight(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        """See `ItemToItem.weight`."""
        products = self.arrays["vectors"][because].multiply(self.arrays["vectors"][item])
        return np.asarray(products.sum(axis=1), dtype=np.float64).ravel()


def item_terms(items: pl.DataFrame | None, n_price_levels: int) -> pl.DataFrame:
    """One row per item and term that describes it: item_idx, kind (brand, category, name, price), word.

    A name has its words in lower case; category and brand are one term each, unless unknown; so is the price level: the
    quantile (1 = cheapest) of the price among all known prices, where equal prices share their mean rank.
    """
    if items is None:
        return pl.DataFrame(schema={"item_idx": pl.Int32, "kind": pl.String, "word": pl.String})
    price = pl.col("price")
    level = ((price.rank("average") - 0.5) / price.count() * n_price_levels).ceil().cast(pl.Int64)
    columns = {
        "brand": pl.col("brand"),
        "category": pl.col("category"),
        "price": level.cast(pl.String),
        "name": pl.col("name").str.to_lowercase().str.extract_all(WORD),
    }
    parts = [items.select("item_idx", kind=pl.lit(kind), word=word) for kind, word in columns.items()]
    parts[-1] = parts[-1].explode("word")
    terms = pl.concat(parts).drop_nulls("word").filter((pl.col("word") != UNKNOWN) | (pl.col("kind") == "name"))
    return terms.unique().sort("kind", "word", "item_idx")


def tf_idf(terms: pl.DataFrame, n_items: int, fact_weight: float) -> sparse.csr_matrix:
    """Unit vectors of the items (n_items, n_words), so that a dot product is a cosine; zero for items without terms.

    The weight of a term is ln((1 + n_items) / (1 + items with it)) + 1. The words of a name together have length 1
    before the last step, and each of category, brand and price level has length `fact_weight`.

    Source: Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988 (with smoothed idf).
    """
    rows = terms.with_columns(
        column=pl.struct("kind", "word").rle_id().cast(pl.Int64), with_it=pl.len().over("kind", "word")
    )
    item, column, with_it = (rows[name].to_numpy() for name in ("item_idx", "column", "with_it"))
    is_name = (rows["kind"] == "name").to_numpy()
    rarity = np.log((1 + n_items) / (1 + with_it)) + 1
    length = np.sqrt(np.bincount(item[is_name], rarity[is_name] ** 2, minlength=n_items))[item]
    value = np.where(is_name, rarity / np.where(is_name, length, 1), fact_weight)
    length = np.sqrt(np.bincount(item, value**2, minlength=n_items))[item]
    value = value / np.where(length > 0, length, 1)
    shape = (n_items, int(column.max(initial=0)) + 1)
    return sparse.csr_matrix((value, (item, column)), shape=shape, dtype=np.float64)
