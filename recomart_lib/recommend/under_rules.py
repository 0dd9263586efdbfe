"""The lists of all users under the shop's rules (`recomart_lib.lists`), and the default list for new users."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core.schemas import enum_of
from recomart_lib.core.shop_lists import Lists
from recomart_lib.lists import hard_filters
from recomart_lib.lists.catalogue import Context
from recomart_lib.lists.rules import Applied, apply
from recomart_lib.models.base import Model, TrainData
from recomart_lib.models.top_k import recommend, recommend_each
from recomart_lib.recommend import suggestions
from recomart_lib.train import list_pool
from recomart_lib.train.list_pool import DEPTH
from recomart_lib.train.model_lists import cold_list, decode, mask_of
from recomart_lib.train.train_data import Tables

MASKED = 20_000_000  # excluded pairs that the ranking itself leaves out; more would take much memory
ANYBODY = ""  # the user of the default list


def lists_for_all_users(
    rules: Lists,
    model: Model,
    bestsellers: Model,
    data: TrainData,
    window: Tables,
    users: pl.DataFrame,
    known: Context,
    protocol: str,
    k: int,
) -> Applied:
    """As `suggestions.lists_for_all_users`, which makes the lists if there are no rules.

    Parameters
    ----------
    known
        All products, those without events included, and the interactions at the cut.
    """
    if rules.is_empty:
        lists = suggestions.lists_for_all_users(model, bestsellers, data, window, users, protocol, k)
        return apply(rules, lists, lists.clear(), known, k)
    depth = max(DEPTH, k)
    # integers for ids: the pool has many rows
    types = {"user_id": enum_of(users.get_column("user_id")), "item_id": enum_of(window["items"].get_column("item_id"))}
    names = {
        "users": window["users"].cast({"user_id": types["user_id"]}),
        "items": window["items"].cast({"item_id": types["item_id"]}),
    }
    warm_users = window["users"].get_column("user_idx")
    masks = {"own": mask_of(data, protocol), "pool": _mask(rules, known, data, window, protocol)}
    ranked = recommend_each(model, warm_users.to_numpy(), depth, masks, progress=True)
    # a user who has every product gets what is not new, as without rules
    has_all = warm_users.filter(~warm_users.is_in(ranked["pool"].get_column("user_idx").implode()))
    again = recommend(model, has_all.to_numpy(), depth)
    own = pl.concat([ranked["own"], again.join(ranked["own"], on="user_idx", how="anti")]).filter(pl.col("rank") <= k)
    warm = decode(pl.concat([ranked["pool"], again]), names).with_columns(model=pl.lit(model.name))
    cold = users.select(pl.col("user_id").cast(types["user_id"])).join(names["users"], on="user_id", how="anti")
    default = cold.join(cold_list(bestsellers, names, depth), how="cross").with_columns(model=pl.lit(bestsellers.name))
    pool = pl.concat([warm, default.select(warm.columns)]).sort("user_id", "rank")
    first = default.filter(pl.col("rank") <= k).select("user_id", "item_id", "score", "rank")
    own = pl.concat([decode(own, names), first]).sort("user_id", "rank")
    if protocol == "novel":
        others = window["users"].filter(~pl.col("user_idx").is_in(has_all.implode()))
        known = replace(known, excluded=known.chosen.join(others, on="user_id", how="semi"))
    return apply(rules, pool, list_pool.fallback(data, window), known, k, own)


def default_list(rules: Lists, ranked: pl.DataFrame, known: Context, k: int) -> pl.DataFrame:
    """The list for unknown users: item_id, score, rank. `ranked`: of `list_pool.fallback`.

    The share of users per product does not hold: unknown users are not counted.
    """
    rules = rules.model_copy(update={"max_share_of_users": 1.0})
    pool = ranked.head(max(DEPTH, k)).with_columns(user_id=pl.lit(ANYBODY))
    return apply(rules, pool, ranked, known, k).lists.select("item_id", "score", "rank")


def _mask(rules: Lists, known: Context, data: TrainData, window: Tables, protocol: str) -> sparse.csr_matrix | None:
    """What the ranking leaves out, so that the pool is not full of what the hard filters take out.

    (n_users, n_items); products only where few pairs are excluded: the rules are applied to the pool in any case.
    """
    shape, columns = (data.n_users, data.n_items), []
    for ids in hard_filters.excluded_items(rules, known.items).values():
        columns.append(window["items"].filter(pl.col("item_id").is_in(ids.implode())).get_column("item_idx"))
    items = np.unique(np.concatenate([part.to_numpy() for part in columns])) if columns else np.empty(0, dtype=int)
    masks = [mask_of(data, protocol)]
    if 0 < len(items) * shape[0] <= MASKED:
        indices = np.tile(items, shape[0])
        starts = np.arange(shape[0] + 1) * len(items)
        masks.append(sparse.csr_matrix((np.ones(len(indices)), indices, starts), shape=shape))
    for pairs in hard_filters.excluded_pairs(rules, known).values():
        rows = pairs.join(window["users"], on="user_id").join(window["items"], on="item_id")
        place = (rows.get_column("user_idx").to_numpy(), rows.get_column("item_idx").to_numpy())
        masks.append(sparse.csr_matrix((np.ones(rows.height), place), shape=shape))
    masks = [mask for mask in masks if mask is not None]
    return sum(masks[1:], start=masks[0]) if masks else None
