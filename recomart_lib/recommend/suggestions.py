"""Recommendations for every user, including cold users; what a user chose before."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.schemas import RANKED_LISTS
from recomart_lib.models.base import Model, TrainData
from recomart_lib.models.top_k import recommend
from recomart_lib.models.two_stage import TwoStage
from recomart_lib.train.model_lists import cold_list, decode, mask_of
from recomart_lib.train.train_data import Tables


def lists_for_all_users(
    model: Model, bestsellers: Model, data: TrainData, window: Tables, users: pl.DataFrame, protocol: str, k: int
) -> pl.DataFrame:
    """Return `schemas.RANKED_LISTS` for every user. Users without history get the bestsellers.

    In protocol *novel*, a user who has every product gets the list of protocol *all*: nothing is new, and no list would
    look as if the user were unknown.
    """
    warm_users = window["users"].get_column("user_idx")
    if isinstance(model, TwoStage):
        model.keep_columns(k, new_only=protocol == "novel")  # for `explain.candidate_columns`
    novel = recommend(model, warm_users.to_numpy(), k, mask_of(data, protocol), progress=True)
    have_all = warm_users.filter(~warm_users.is_in(novel.get_column("user_idx").implode()))
    indexed = pl.concat([novel, recommend(model, have_all.to_numpy(), k)])
    warm = decode(indexed, window).with_columns(model=pl.lit(model.name))
    cold = users.select("user_id").join(window["users"], on="user_id", how="anti")
    default = cold.join(cold_list(bestsellers, window, k), how="cross").with_columns(model=pl.lit(bestsellers.name))
    columns = list(RANKED_LISTS)
    return pl.concat([warm.select(columns), default.select(columns)]).cast(RANKED_LISTS).sort("user_id", "rank")


def purchase_history(user_id: str, window: Tables, items: pl.DataFrame) -> pl.DataFrame:
    """Return a user's products, most recent first: item_id, name, n_orders, last (day of the last relevant event)."""
    relevant = window["interactions"].filter(pl.col("user_id") == user_id, pl.col("n_relevant") > 0)
    relevant = relevant.sort("last_relevant_timestamp", "item_id", descending=[True, False])
    named = relevant.join(items.select("item_id", "name"), on="item_id", how="left", maintain_order="left")
    last = pl.col("last_relevant_timestamp").dt.strftime("%Y-%m-%d").alias("last")
    return named.select("item_id", "name", "n_orders", last)
