"""A user's list after events that are newer than the stored lists: ranked anew at once, by a small model.

The lists that stage 08_recommend stores are those of the best model, which may need minutes for all users. Beside them
it leaves an exact item-to-item model, `item_knn`, whose score is a sum over a history: a history that has grown by some
events is ranked in milliseconds. Whoever did nothing since keeps the stored list.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib import models
from recomart_lib.core import paths
from recomart_lib.features import online_events
from recomart_lib.models.base import popularity_where_silent
from recomart_lib.models.item_to_item import ItemToItem
from recomart_lib.models.top_k import top_k
from recomart_lib.prepare.settings import Prepare

MODEL = paths.RECOMMENDATIONS / "live"
# One row: one suggestion; rank 1 is the best. `because` is the product of the history that adds most to its score
# (null: none does, it is shown for its popularity); event_type and timestamp: of the user's last fresh event with it
# (null: it was in the history before).
RANKED = {
    "rank": pl.Int32,
    "item_id": pl.String,
    "score": pl.Float64,
    "because": pl.String,
    "event_type": pl.String,
    "timestamp": pl.Datetime("us", "UTC"),
}


def fresh_events(user_id: str, root: Path | None = None) -> pl.DataFrame:
    """What the user did since the lists were made (`stream_features.FRESH`)."""
    root = root or paths.root()
    return online_events.events_of(user_id, root, online_events.known_until(root))


def list_of(
    user_id: str, fresh: pl.DataFrame, prepare: Prepare, protocol: str, k: int, root: Path | None = None
) -> pl.DataFrame | None:
    """The user's list with these fresh events (`stream_features.FRESH`): `RANKED`; None without events or a model."""
    root = root or paths.root()
    card = root / MODEL / "model.json"
    if not fresh.height or not card.exists():
        return None
    model, users, items = _opened(root, card.stat().st_mtime_ns)
    before = users.filter(user_id=user_id).get_column("user_idx")
    return ranked(model, before[0] if len(before) else None, fresh, items, prepare, protocol, k)


def ranked(
    model: ItemToItem,
    user_idx: int | None,
    fresh: pl.DataFrame,
    items: pl.DataFrame,
    prepare: Prepare,
    protocol: str,
    k: int,
) -> pl.DataFrame:
    """The best k products for the user's history and fresh events together.

    A product of the history counts 1; one of fresh events alone its implicit score, in purchases, 1 at most; one that
    was only sent back does not count. Products that the model has not seen cannot count.

    Parameters
    ----------
    user_idx
        The user's row in the model's history; None: the user had none.
    fresh
        See `stream_features.FRESH`.
    items
        One row per product of the model: item_id, item_idx.

    Returns
    -------
    DataFrame
        `RANKED`, the best first.
    """
    history = _history(model, user_idx, fresh, items, prepare)
    scores = popularity_where_silent(model.through(history), model.arrays["popularity"])
    found, best = top_k(scores, k, history >= 1 if protocol == "novel" else None)
    shown = found[0][found[0] >= 0]
    parts = history.data[:, None] * model.weight(
        np.repeat(history.indices, len(shown)), np.tile(shown, history.nnz)
    ).reshape(history.nnz, len(shown))
    largest = [history.indices[column.argmax()] if len(column) and column.max() > 0 else None for column in parts.T]
    listed = pl.DataFrame(
        {
            "rank": np.arange(1, len(shown) + 1),
            "item_idx": shown,
            "score": best[0][: len(shown)],
            "because_idx": largest,
        },
        schema={"rank": pl.Int32, "item_idx": pl.Int32, "score": pl.Float64, "because_idx": pl.Int32},
    )
    last = fresh.group_by("item_id").agg(pl.col("event_type", "timestamp").last())
    named = listed.join(items, on="item_idx", how="left", maintain_order="left")
    named = named.join(
        items.rename({"item_id": "because", "item_idx": "because_idx"}),
        on="because_idx",
        how="left",
        maintain_order="left",
    )
    return named.join(last, left_on="because", right_on="item_id", how="left", maintain_order="left").select(*RANKED)


def _history(
    model: ItemToItem, user_idx: int | None, fresh: pl.DataFrame, items: pl.DataFrame, prepare: Prepare
) -> sparse.csr_matrix:
    """One row: what each product of the user's history counts."""
    n_items = model.arrays["history"].shape[1]
    row = np.zeros(n_items)
    if user_idx is not None:
        row = model.arrays["history"][user_idx].toarray()[0]
    known = fresh.join(items, on="item_id", how="inner").group_by("item_idx").agg(pl.col("weight").sum())
    counted = np.minimum(1.0, known.get_column("weight").to_numpy() / max(prepare.weight_purchase, 1e-9))
    place = known.get_column("item_idx").to_numpy()
    row[place] = np.maximum(row[place], counted)
    return sparse.csr_matrix(row[None, :])


@lru_cache(maxsize=2)
def _opened(root: Path, written: int) -> tuple[ItemToItem, pl.DataFrame, pl.DataFrame]:
    """The live model, and the users and products of its rows and columns."""
    folder = root / paths.PREPARED / "live"
    users, items = (pl.read_parquet(folder / f"{name}.parquet") for name in ("users", "items"))
    return models.load(root / MODEL), users.select("user_id", "user_idx"), items.select("item_id", "item_idx")
