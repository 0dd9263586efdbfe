"""Live lists: rank a user's products again immediately after new events, with a small model.

Stage 08_recommend stores the lists of the best model, which may need minutes for all users. It also stores an exact
item-to-item model, `item_knn`. Its score is a sum over the user's history, so a history with a few new events is ranked
in milliseconds. Users without new events keep their stored list.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib import models
from recomart_lib.core import paths
from recomart_lib.core.shop_lists import Lists
from recomart_lib.core.shops import Shop
from recomart_lib.features import online_events
from recomart_lib.models.base import fill_with_popularity
from recomart_lib.models.item_to_item import ItemToItem
from recomart_lib.models.top_k import top_k
from recomart_lib.prepare.settings import Prepare
from recomart_lib.recommend import live_rules, reasons
from recomart_lib.train.list_pool import DEPTH

MODEL = paths.RECOMMENDATIONS / "live"
# One row: a recommendation; rank 1 is the best. `because`: the product of the history that contributes most to the
# score (null: none, the product is popular); event_type and timestamp: the user's last new event with `because` (null:
# it was in the history before).
RANKED = {
    "rank": pl.Int32,
    "item_id": pl.String,
    "score": pl.Float64,
    "because": pl.String,
    "event_type": pl.String,
    "timestamp": pl.Datetime("us", "UTC"),
}


def fresh_events(user_id: str, root: Path | None = None) -> pl.DataFrame:
    """Return the user's events since the lists were stored (`online_events.FRESH`)."""
    root = root or paths.root()
    return online_events.events_of(user_id, root, online_events.known_until(root))


def live_list(
    user_id: str,
    fresh: pl.DataFrame,
    prepare: Prepare,
    protocol: str,
    k: int,
    root: Path | None = None,
    shop: Shop | None = None,
) -> pl.DataFrame | None:
    """Return the user's list with these new events (`online_events.FRESH`): `RANKED`; None without events or model.

    The list obeys the rules of the shop, if it is given: see `live_rules`.
    """
    root = root or paths.root()
    card = root / MODEL / "model.json"
    if not fresh.height or not card.exists():
        return None
    model, users, items = _load(root, card.stat().st_mtime_ns)
    user = users.filter(user_id=user_id).get_column("user_idx")
    user_idx = user[0] if len(user) else None
    if shop is None or shop.lists.is_empty:
        return rank(model, user_idx, fresh, items, prepare, protocol, k)
    ranked = rank(model, user_idx, fresh, items, prepare, protocol, max(k, DEPTH))
    known = live_rules.context(user_id, fresh, shop.relevant_events, protocol, root)
    best_first = np.argsort(-model.arrays["popularity"], kind="stable")
    popular = items.sort("item_idx").get_column("item_id").gather(best_first)
    rules = live_rules.for_user(shop.lists, user_id, root)
    listed = live_rules.apply(rules, user_id, ranked, popular, known, k)
    because = ranked.select("item_id", "because", "event_type", "timestamp")
    return listed.join(because, on="item_id", how="left", maintain_order="left").select(*RANKED)


def rank(
    model: ItemToItem,
    user_idx: int | None,
    fresh: pl.DataFrame,
    items: pl.DataFrame,
    prepare: Prepare,
    protocol: str,
    k: int,
) -> pl.DataFrame:
    """Return the best k products for the user's history and new events together.

    A product of the history has weight 1. A product of new events alone has its implicit score, in purchases, at most
    1; a product that was only returned has none. Products unknown to the model are ignored.

    Parameters
    ----------
    user_idx
        The user's row in the model's history; None: the user has no history.
    fresh
        See `online_events.FRESH`.
    items
        One row per product of the model: item_id, item_idx.

    Returns
    -------
    DataFrame
        `RANKED`, best first.
    """
    history = _history(model, user_idx, fresh, items, prepare)
    scores = fill_with_popularity(model.score_histories(history), model.arrays["popularity"])
    top, best = top_k(scores, k, history >= 1 if protocol == "novel" else None)
    shown = top[0][top[0] >= 0]
    columns = {"rank": pl.Int32, "item_idx": pl.Int32, "score": pl.Float64, "because_idx": pl.Int32}
    values = (np.arange(1, len(shown) + 1), shown, best[0][: len(shown)], _largest_contributions(model, history, shown))
    listed = pl.DataFrame(dict(zip(columns, values, strict=True)), schema=columns)
    because = items.select(because="item_id", because_idx="item_idx")
    last = fresh.group_by(because="item_id").agg(pl.col("event_type", "timestamp").last())
    for table, key in ((items, "item_idx"), (because, "because_idx"), (last, "because")):
        listed = listed.join(table, on=key, how="left", maintain_order="left")
    return listed.select(*RANKED)


def with_reasons(ranked: pl.DataFrame, items: pl.DataFrame, rules: Lists | None = None) -> pl.DataFrame:
    """Add `name`, `reason_kind` and `reason` to a live list (`RANKED`). `items`: item_id, name.

    What the shop's rules put in has no score: pinned products, and products without any event.
    """
    names = items.select(because="item_id", because_name="name")
    rows = ranked.join(items.select("item_id", "name"), on="item_id", how="left", maintain_order="left")
    rows = rows.join(names, on="because", how="left", maintain_order="left")
    is_pinned = pl.col("item_id").is_in(list(rules.pinned.values()) if rules else [])
    kind = (
        pl.when(pl.col("score").is_null() & is_pinned)
        .then(pl.lit(reasons.SHOP_CHOICE))
        .when(pl.col("score").is_null())
        .then(pl.lit(reasons.NEW_IN_SHOP))
        .when(pl.col("event_type").is_not_null())
        .then(pl.lit(reasons.RECENT_EVENT))
        .when(pl.col("because").is_not_null())
        .then(pl.lit(reasons.SIMILAR))
        .otherwise(pl.lit(reasons.POPULAR))
    )
    rows = reasons.add_reason(rows.with_columns(reason_kind=kind))
    return rows.select(*RANKED, "name", "reason_kind", "reason")


def _largest_contributions(model: ItemToItem, history: sparse.csr_matrix, shown: np.ndarray) -> list[int | None]:
    """Return, per shown product, the product of the history that contributes most to its score (None: none does)."""
    weights = model.weight(np.repeat(history.indices, len(shown)), np.tile(shown, history.nnz))
    parts = history.data[:, None] * weights.reshape(history.nnz, len(shown))
    return [history.indices[column.argmax()] if len(column) and column.max() > 0 else None for column in parts.T]


def _history(
    model: ItemToItem, user_idx: int | None, fresh: pl.DataFrame, items: pl.DataFrame, prepare: Prepare
) -> sparse.csr_matrix:
    """Return the weight of each product in the user's history, shape (1, n_items)."""
    n_items = model.arrays["history"].shape[1]
    row = np.zeros(n_items)
    if user_idx is not None:
        row = model.arrays["history"][user_idx].toarray()[0]
    counted = fresh.join(items, on="item_id", how="inner").group_by("item_idx").agg(pl.col("weight").sum())
    weights = np.minimum(1.0, counted.get_column("weight").to_numpy() / max(prepare.weight_purchase, 1e-9))
    columns = counted.get_column("item_idx").to_numpy()
    row[columns] = np.maximum(row[columns], weights)
    return sparse.csr_matrix(row[None, :])


@lru_cache(maxsize=2)
def _load(root: Path, written: int) -> tuple[ItemToItem, pl.DataFrame, pl.DataFrame]:
    """Load the live model, and the users and products of its rows and columns; `written` invalidates the cache."""
    folder = root / paths.PREPARED / "live"
    users, items = (pl.read_parquet(folder / f"{name}.parquet", glob=False) for name in ("users", "items"))
    return models.load(root / MODEL), users.select("user_id", "user_idx"), items.select("item_id", "item_idx")
