"""Why a product is recommended: one sentence from the data for each."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.models.base import TrainData
from recomart_lib.train.train_data import Tables

BLOCK = 1_024


def with_reasons(suggested: pl.DataFrame, data: TrainData, window: Tables, items: pl.DataFrame) -> pl.DataFrame:
    """Add `reason`, one sentence per suggestion, in plain text."""
    names = items.select("item_id", "name")
    pairs = window["interactions"].select("user_id", "item_id", "n_orders", "last_relevant_timestamp")
    rows = (
        suggested.join(
            _evidence(suggested, data, window).join(
                window["items"].rename({"item_id": "because"}), left_on="because_idx", right_on="item_idx", how="left"
            ),
            on=["user_id", "item_id"],
            how="left",
        )
        .join(names.rename({"item_id": "because", "name": "because_name"}), on="because", how="left")
        .join(pairs, on=["user_id", "item_id"], how="left")
        .join(_buyers(data, window), on="item_id", how="left")
    )
    return rows.with_columns(reason=_sentence()).select(*suggested.columns, "reason").sort("user_id", "rank")


def reason_kinds(suggested: pl.DataFrame) -> pl.DataFrame:
    """One row per kind of reason: kind, n (suggestions), most frequent first."""
    kind = (
        pl.when(pl.col("reason").str.starts_with("You chose"))
        .then(pl.lit("chosen before"))
        .when(pl.col("reason").str.contains("chose this too"))
        .then(pl.lit("chosen together"))
        .otherwise(pl.lit("popular in the shop"))
    )
    return suggested.group_by(kind=kind).agg(n=pl.len()).sort("n", "kind", descending=[True, False])


def _sentence() -> pl.Expr:
    last = pl.col("last_relevant_timestamp").dt.strftime("%Y-%m-%d")
    times = pl.when(pl.col("n_orders") == 1).then(pl.lit("once")).otherwise(pl.format("{} times", "n_orders"))
    own = pl.format("You chose this {} before, last on {}.", times, last)
    together = pl.format("{} customers who chose {} chose this too.", "n_together", "because_name")
    sells = pl.format("Popular in the shop: {} customers chose it.", pl.col("buyers").fill_null(0))
    return pl.when(pl.col("n_orders") > 0).then(own).when(pl.col("n_together") > 1).then(together).otherwise(sells)


def _evidence(suggested: pl.DataFrame, data: TrainData, window: Tables) -> pl.DataFrame:
    """Per suggestion to a warm user: the product of the user's history with which it was chosen by most people.

    Columns user_id, item_id, because_idx, n_together. The item itself does not count; ties go to the smaller index.
    """
    index = suggested.join(window["users"], on="user_id").join(window["items"], on="item_id").sort("user_idx", "rank")
    chosen = data.relevant.astype(np.float32)
    together = (chosen.T @ chosen).tolil()
    together.setdiag(0)
    together = together.tocsr()
    because, count = [], []
    for start in range(0, index.height, BLOCK * 16):
        rows = index.slice(start, BLOCK * 16)
        best, n = _strongest(
            chosen[rows.get_column("user_idx").to_numpy()], together[rows.get_column("item_idx").to_numpy()]
        )
        because.append(best)
        count.append(n)
    return index.select("user_id", "item_id").with_columns(
        because_idx=pl.Series(np.concatenate([np.empty(0), *because]).astype(np.int32)),
        n_together=pl.Series(np.concatenate([np.empty(0), *count]).astype(np.int64)),
    )


def _strongest(history: sparse.csr_matrix, together: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Per row, the column where history x co-purchases is largest, and its value (0: none)."""
    strength = history.multiply(together).tocsr()
    best = np.asarray(strength.argmax(axis=1)).ravel()
    return best, np.asarray(strength.max(axis=1).todense()).ravel()


def _buyers(data: TrainData, window: Tables) -> pl.DataFrame:
    """One row per item: item_id, buyers (distinct users with a relevant event)."""
    buyers = data.popularity().astype(np.int64)
    return window["items"].sort("item_idx").select("item_id", buyers=pl.Series(buyers))
