"""More of the kind that the user takes: by name, category, brand and price, so that items without buyers count too."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core.schemas import UNKNOWN
from recomart_lib.models.base import TrainData, at_least
from recomart_lib.models.item_to_item import ItemToItem

log = logging.getLogger(__name__)

WORD = r"[\p{L}\p{N}]+"


@dataclass(eq=False)
class Content(ItemToItem):
    """score(u, i) = sum over the user's items j of exp(-days(u, j) / decay_days) * cos(v(j), v(i)).

    `days` are the whole days from the pair's last relevant event to the cut. v(i) is made of the item's facts alone
    (see `vectors`), so that an item without any event is scored like the others. The user's own items are among the
    similar ones. Where nothing is similar, for a user without history, and where nothing is known of items
    (`TrainData.items`), popularity decides.

    Source: Pazzani and Billsus, Content-based recommendation systems, 2007.
    """

    name: ClassVar[str] = "content"
    decay_days: float = at_least(60.0, 1.0)
    fact_weight: float = at_least(0.25, 0.0)
    n_price_levels: int = at_least(4, 1)

    def fit(self, data: TrainData) -> Self:
        """Describe the items, and remember who took what, and when."""
        if data.items is None:
            log.warning("content: nothing is known of the items; popularity is kept")
        days = (pl.lit(data.cut) - pl.col("last_relevant_timestamp")).dt.total_days()
        fresh = pl.when(pl.col("n_relevant") > 0).then((-days / self.decay_days).exp())
        self.arrays = {
            "history": data.matrix(fresh),
            "popularity": data.popularity(),
            "vectors": vectors(words(data.items, self.n_price_levels), data.n_items, self.fact_weight),
        }
        return self

    def through(self, history: sparse.csr_matrix) -> np.ndarray:
        """See `ItemToItem.through`; the profiles of the histories, compared with every item."""
        profiles = (history @ self.arrays["vectors"]).toarray()
        return (self.arrays["vectors"] @ profiles.T).T

    def weight(self, because: np.ndarray, item: np.ndarray) -> np.ndarray:
        """See `ItemToItem.weight`."""
        both = self.arrays["vectors"][because].multiply(self.arrays["vectors"][item])
        return np.asarray(both.sum(axis=1), dtype=np.float64).ravel()


def words(items: pl.DataFrame | None, n_price_levels: int) -> pl.DataFrame:
    """One row per item and word that describes it: item_idx, kind (brand, category, name, price), word.

    A name gives its words in lower case; category and brand are one word each, unless unknown; so is the price level:
    the quantile (1 = cheapest) of the price among all known prices, equal prices sharing their mean rank.
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
    known = pl.concat(parts).drop_nulls("word").filter((pl.col("word") != UNKNOWN) | (pl.col("kind") == "name"))
    return known.unique().sort("kind", "word", "item_idx")


def vectors(described: pl.DataFrame, n_items: int, fact_weight: float) -> sparse.csr_matrix:
    """Unit vectors of the items (n_items, n_words), so that a dot product is a cosine; zero where nothing is known.

    A word weighs ln((1 + n_items) / (1 + items with it)) + 1. The words of a name together have length 1 before the
    last step, and each of category, brand and price level has length `fact_weight`.

    Source: Salton and Buckley, Term-weighting approaches in automatic text retrieval, 1988 (with smoothed idf).
    """
    rows = described.with_columns(
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
