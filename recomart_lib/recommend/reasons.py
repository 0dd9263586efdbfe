"""Why a product is recommended: a kind of reason and one sentence for each recommendation.

A reason is evidence from the shop's data, not the model's own arithmetic (see explain.py for that). Stage 08,
`recomart recommend` and live lists all write their sentences with `add_reason`.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from recomart_lib.core.schemas import RECOMMENDATIONS, TIMESTAMP
from recomart_lib.lists import rules
from recomart_lib.models import blocks
from recomart_lib.models.base import TrainData
from recomart_lib.models.sparse_scores import row_numbers
from recomart_lib.train.train_data import Tables

BLOCK = 16_384  # recommendations whose evidence is found at once
# Values of `reason_kind`.
CHOSEN_BEFORE = "chosen before"  # the user chose the product before
NOTHING_NEW = "nothing is new"  # protocol novel: the user has every product; the list is what to choose again
CHOSEN_TOGETHER = "chosen together"  # other users chose it together with a product of the user's history
RECENT_EVENT = "recent event"  # live lists: similar to the product of an event since the last run
SIMILAR = "similar product"  # live lists: similar to a product of the user's history
POPULAR = "popular in the shop"
SHOP_CHOICE = "chosen by the shop"  # the shop's rules pin the product to a place
NEW_IN_SHOP = "new in the shop"  # the shop's rules admit products without any event
OF_RULES = {rules.SHOP: SHOP_CHOICE, rules.NEW_PRODUCT: NEW_IN_SHOP}  # by the column `model`
# The columns that sentences are made of. Days and times are UTC.
EVIDENCE = {
    "n_orders": pl.Int64,
    "last_relevant_timestamp": TIMESTAMP,
    "n_together": pl.Int64,
    "because": pl.String,  # a product's id; the sentence has it where the product has no name
    "because_name": pl.String,
    "event_type": pl.String,
    "timestamp": TIMESTAMP,
    "buyers": pl.Int64,
}


def with_reasons(
    lists: pl.DataFrame, data: TrainData, window: Tables, items: pl.DataFrame, protocol: str = "all"
) -> pl.DataFrame:
    """Add `reason_kind` and `reason` to the lists of stage 08: `schemas.RECOMMENDATIONS`.

    The reason is the strongest that exists: the shop's rules pin the product, or admit it as a new one; the user chose
    the product before (in protocol *novel*: only a user who has every product, see `suggestions.lists_for_all_users`);
    at least two users chose it together with a product of the user's history; it is popular.
    """
    names = items.select(because="item_id", because_name="name")
    pairs = window["interactions"].select("user_id", "item_id", "n_orders", "last_relevant_timestamp")
    because = window["items"].select(because="item_id", because_idx="item_idx")
    evidence = (
        _evidence(lists, data, window).join(because, on="because_idx", how="left").join(names, on="because", how="left")
    )
    rows = lists.join(evidence, on=["user_id", "item_id"], how="left").join(
        pairs, on=["user_id", "item_id"], how="left"
    )
    rows = rows.join(_buyers(data, window), on="item_id", how="left").with_columns(pl.col("buyers").fill_null(0))
    kind = (
        pl.when(pl.col("model").is_in(list(OF_RULES)))
        .then(pl.col("model").replace_strict(OF_RULES, default=None, return_dtype=pl.String))
        .when(pl.col("n_orders") > 0)
        .then(pl.lit(NOTHING_NEW if protocol == "novel" else CHOSEN_BEFORE))
        .when(pl.col("n_together") > 1)
        .then(pl.lit(CHOSEN_TOGETHER))
        .otherwise(pl.lit(POPULAR))
    )
    return add_reason(rows.with_columns(reason_kind=kind)).select(*RECOMMENDATIONS).sort("user_id", "rank")


def add_reason(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `reason`, one sentence in plain text, from `reason_kind` and the columns of `EVIDENCE` (missing: null)."""
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in EVIDENCE.items() if name not in rows.columns]
    last = pl.col("last_relevant_timestamp").dt.strftime("%Y-%m-%d")
    times = pl.when(pl.col("n_orders") == 1).then(pl.lit("once")).otherwise(pl.format("{} times", "n_orders"))
    moment = pl.col("timestamp").dt.strftime("%Y-%m-%d %H:%M:%S")
    because = pl.coalesce("because_name", "because")
    sentences = {
        CHOSEN_BEFORE: pl.format("You chose this {} before, last on {}.", times, last),
        NOTHING_NEW: pl.format("You have chosen every product: this one {}, last on {}.", times, last),
        CHOSEN_TOGETHER: pl.format("{} customers who chose {} chose this too.", "n_together", because),
        RECENT_EVENT: pl.format("Your recent {} of {}, {} (UTC).", "event_type", because, moment),
        SIMILAR: pl.format("You chose {} before.", because),
        SHOP_CHOICE: pl.lit("Chosen by the shop."),
        NEW_IN_SHOP: pl.lit("New in the shop."),
        POPULAR: pl.coalesce(
            pl.format("Popular in the shop: {} customers chose it.", "buyers"), pl.lit("Popular in the shop.")
        ),
    }
    of_kind = [pl.when(pl.col("reason_kind") == kind).then(sentence) for kind, sentence in sentences.items()]
    return (
        rows.with_columns(missing)
        .with_columns(reason=pl.coalesce(of_kind))
        .drop(name.meta.output_name() for name in missing)
    )


def reason_kinds(lists: pl.DataFrame) -> pl.DataFrame:
    """One row per kind of reason: reason_kind, n (recommendations), most frequent first."""
    return lists.group_by("reason_kind").agg(n=pl.len()).sort("n", "reason_kind", descending=[True, False])


def _evidence(lists: pl.DataFrame, data: TrainData, window: Tables) -> pl.DataFrame:
    """Find, per recommendation to a warm user, the product of the history that most users chose together with it.

    Columns: user_id, item_id, because_idx, n_together. The item itself does not count; ties go to the smaller index.
    """
    index = lists.join(window["users"], on="user_id").join(window["items"], on="item_id").sort("item_idx", "user_idx")
    user, item = (index.get_column(name).cast(pl.Int64).to_numpy() for name in ("user_idx", "item_idx"))
    because, n_together = np.zeros(len(item), dtype=np.int32), np.zeros(len(item), dtype=np.int64)
    listed = np.flatnonzero(np.diff(item, prepend=-1))  # the first row of each item
    size = blocks.rows(data.n_items)
    for first in range(0, len(listed), size):
        stop = listed[first + size] if first + size < len(listed) else len(item)
        items = item[listed[first : first + size]]
        together = _together(data.relevant, items)
        for start in range(listed[first], stop, BLOCK):
            rows = slice(start, min(start + BLOCK, stop))
            history = data.relevant[user[rows]]
            because[rows], n_together[rows] = _strongest(history, together, np.searchsorted(items, item[rows]))
    return index.select("user_id", "item_id").with_columns(
        because_idx=pl.Series(because), n_together=pl.Series(n_together)
    )


def _together(relevant: sparse.csr_matrix, items: np.ndarray) -> np.ndarray:
    """(len(items), n_items): the users who have both; 0 for the item itself."""
    together = (relevant[:, items].T @ relevant).toarray()
    together[np.arange(len(items)), items] = 0
    return together


def _strongest(history: sparse.csr_matrix, together: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, per row, the item of its history where row `place` of `together` is largest, and its value (0: none)."""
    history.sort_indices()
    row = row_numbers(history)
    values = together[place[row], history.indices]
    largest = np.zeros(len(place))
    np.maximum.at(largest, row, values)
    best = np.flatnonzero(values == largest[row])[::-1]  # the last one written stays: the smallest index
    because = np.zeros(len(place), dtype=np.int32)
    because[row[best]] = history.indices[best]
    return because, largest


def _buyers(data: TrainData, window: Tables) -> pl.DataFrame:
    """One row per item: item_id, buyers (distinct users with a relevant event)."""
    buyers = data.popularity().astype(np.int64)
    return window["items"].sort("item_idx").select("item_id", buyers=pl.Series(buyers))
