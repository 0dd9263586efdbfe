"""The shop's rules for a live list: one user, with events since the lists of all users were stored.

A live list starts from the stored lists of all users. A product that as many users are shown there as the rules allow
is not newly shown to this user; two users' live lists do not know each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from recomart_lib.core import paths
from recomart_lib.core.schemas import RANKED_LISTS
from recomart_lib.core.shop_lists import Lists
from recomart_lib.lists import rules as engine
from recomart_lib.lists.catalogue import Context

COLUMNS = ["user_id", "item_id", "n_relevant", "last_relevant_timestamp"]


def context(user_id: str, fresh: pl.DataFrame, relevant_events: Sequence[str], protocol: str, root: Path) -> Context:
    """What the rules know at the user's newest event: the stored interactions, and those of the new events.

    Parameters
    ----------
    fresh
        See `online_events.FRESH`; at least one event.
    relevant_events
        Types of events that count as a choice.
    """
    chosen = fresh.filter(pl.col("event_type").is_in(list(relevant_events)))
    newest = chosen.group_by("item_id").agg(
        n_relevant=pl.len().cast(pl.Int64), last_relevant_timestamp=pl.col("timestamp").max()
    )
    newest = newest.with_columns(user_id=pl.lit(user_id)).select(COLUMNS)
    stored = _read(root, paths.PREPARED / "live" / "interactions.parquet").select(COLUMNS)
    interactions = pl.concat([stored, newest], how="vertical_relaxed")
    own = interactions.filter(pl.col("user_id") == user_id, pl.col("n_relevant") > 0).select("user_id", "item_id")
    items = _read(root, paths.PREPARED / "items.parquet")
    return Context(items, interactions, fresh.get_column("timestamp").max(), own if protocol == "novel" else None)


def apply(rules: Lists, user_id: str, ranked: pl.DataFrame, popular: pl.Series, known: Context, k: int) -> pl.DataFrame:
    """The user's list under the rules: item_id, score, rank.

    Parameters
    ----------
    ranked
        item_id, score, rank: the model's best products.
    popular
        The ids of all products of the model, most popular first: they fill the list.
    """
    places = pl.int_range(1, len(popular) + 1, eager=True)
    fallback = pl.DataFrame({"item_id": popular, "rank": places}).with_columns(score=-pl.col("rank").cast(pl.Float64))
    fallback = fallback.with_columns(model=pl.lit("popularity"))
    pool = ranked.with_columns(user_id=pl.lit(user_id), model=pl.lit("live")).select(*RANKED_LISTS)
    if not pool.height:
        return pool.select("item_id", "score", "rank")
    return engine.apply(rules, pool, fallback, known, k).lists.select("item_id", "score", "rank")


def for_user(rules: Lists, user_id: str, root: Path) -> Lists:
    """The rules for one user: the share of users per product as a list of blocked products.

    Blocked are the products that the stored lists show to as many users as the rules allow, but not to this one. Pinned
    products are shown to everybody.
    """
    path = root / paths.RECOMMENDATIONS / "recommendations.parquet"
    if "max_share_of_users" not in rules.names or not path.exists():
        return rules
    stored = pl.read_parquet(path, glob=False, columns=["user_id", "item_id"])
    most = engine.max_users(rules, stored.get_column("user_id").n_unique())
    shown = stored.group_by("item_id").len().filter(pl.col("len") >= most)
    full = shown.join(stored.filter(user_id=user_id), on="item_id", how="anti").get_column("item_id")
    items = [*rules.block.items, *(item for item in full.sort() if item not in rules.pinned.values())]
    return rules.model_copy(
        update={"max_share_of_users": 1.0, "block": rules.block.model_copy(update={"items": items})}
    )


def _read(root: Path, path: Path) -> pl.DataFrame:
    return pl.read_parquet(root / path, glob=False)
