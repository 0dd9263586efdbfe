"""What to show to whom, and why: lists for every user, cold ones too, each suggestion with a reason.

A reason is a fact about the shop's data that speaks for the suggestion, the strongest that there is:
the user bought it before; people who bought X bought it too; it sells. It is evidence, not the model's own arithmetic.
"""

from __future__ import annotations

import polars as pl

from recomart_lib.core.schemas import RECOMMENDATIONS
from recomart_lib.models.base import ArrayModel, Model, TrainData
from recomart_lib.models.similar_items import similar_items
from recomart_lib.models.top_k import recommend
from recomart_lib.train.model_lists import cold_list, decode, mask_of
from recomart_lib.train.train_data import Tables


def for_everybody(
    model: Model, bestsellers: Model, data: TrainData, window: Tables, users: pl.DataFrame, protocol: str, k: int
) -> pl.DataFrame:
    """One row per suggestion: user_id, item_id, score, rank, model. Users without history get the bestsellers."""
    everyone = window["users"].get_column("user_idx").to_numpy()
    warm = decode(recommend(model, everyone, k, mask_of(data, protocol), progress=True), window).with_columns(
        model=pl.lit(model.name)
    )
    cold = users.select("user_id").join(window["users"], on="user_id", how="anti")
    shown = cold.join(cold_list(bestsellers, window, k), how="cross").with_columns(model=pl.lit(bestsellers.name))
    columns = list(RECOMMENDATIONS)
    return pl.concat([warm.select(columns), shown.select(columns)]).cast(RECOMMENDATIONS).sort("user_id", "rank")


def gallery(window: Tables, users: pl.DataFrame) -> dict[str, str]:
    """Three users to look at: the most active (`heavy`), the least active (`light`), one without history (`cold`).

    Where there is no such user, the nearest one stands in.
    """
    active = window["interactions"].group_by("user_id").len().sort("len", "user_id")
    cold = users.join(window["users"], on="user_id", how="anti").sort("user_id").get_column("user_id")
    light = active.get_column("user_id")[0]
    return {"heavy": active.get_column("user_id")[-1], "light": light, "cold": cold[0] if len(cold) else light}


def history(user_id: str, window: Tables, items: pl.DataFrame) -> pl.DataFrame:
    """What a user took, the last first: one row per product, with item_id, name, n_orders, last (a day, as text)."""
    had = window["interactions"].filter(pl.col("user_id") == user_id, pl.col("n_relevant") > 0)
    had = had.sort("last_relevant_timestamp", "item_id", descending=[True, False])
    named = had.join(items.select("item_id", "name"), on="item_id", how="left", maintain_order="left")
    last = pl.col("last_relevant_timestamp").dt.strftime("%Y-%m-%d").alias("last")
    return named.select("item_id", "name", "n_orders", last)


def beside(user_id: str, named: pl.DataFrame, window: Tables, items: pl.DataFrame) -> pl.DataFrame:
    """A user's list with the history beside it, what was taken last first: one row per suggestion.

    Parameters
    ----------
    named
        Suggestions with rank, name, category, price and reason.

    Returns
    -------
    DataFrame
        rank, suggestion, category, price, reason, | history (a product's name), last (day of its last relevant event).
        As many rows as the list has; null where the history is shorter.
    """
    listed = named.filter(pl.col("user_id") == user_id).sort("rank")
    rank = pl.int_range(1, pl.len() + 1, dtype=listed.schema["rank"]).alias("rank")
    placed = history(user_id, window, items).select(rank, pl.col("name").alias("history"), "last")
    columns = ("rank", pl.col("name").alias("suggestion"), "category", "price", "reason")
    return listed.select(columns).join(placed, on="rank", how="left", maintain_order="left")


def look_alikes(model: ArrayModel, item_ids: list[str], window: Tables, items: pl.DataFrame, k: int) -> pl.DataFrame:
    """The products most similar to these (`similar_items`): product, similar, category, same_category, similarity.

    Products that the window does not know have no rows; categories that are unknown are the same as none.
    """
    asked = window["items"].filter(pl.col("item_id").is_in(item_ids)).get_column("item_idx").sort().to_numpy()
    names = window["items"].join(items.select("item_id", "name", "category"), on="item_id", how="left")
    found = similar_items(model, asked, k).join(names, on="item_idx", maintain_order="left")
    found = found.join(names, left_on="similar_idx", right_on="item_idx", suffix="_other", maintain_order="left")
    same = (pl.col("category") == pl.col("category_other")).fill_null(False)
    return found.select(
        product="name", similar="name_other", category="category_other", same_category=same, similarity="similarity"
    )
