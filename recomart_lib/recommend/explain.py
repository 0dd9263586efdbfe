"""Why this item: the model's own arithmetic, in words. (`recommend` gives evidence from the shop's data instead.)

Item-to-item models add up what each item of the history says; the two-stage ranker's score is the sum of what each of
its columns adds. Other models have no parts that could be shown.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.features import definitions
from recomart_lib.models.base import ArrayModel, TrainData
from recomart_lib.models.item_to_item import ItemToItem
from recomart_lib.models.two_stage import TwoStage
from recomart_lib.train import candidates

BLOCK = 1_024  # users whose candidates are in memory at once
# One row: one of the largest parts of a suggestion's score; place 1 = the largest. `value`: of the column that is the
# cause; null where an item of the history is.
WHY = {
    "user_id": pl.String,
    "item_id": pl.String,
    "place": pl.Int32,
    "cause": pl.String,
    "value": pl.String,
    "contribution": pl.Float64,
}


def explains(model: ArrayModel) -> bool:
    """Whether the model's scores have parts that could be shown."""
    return isinstance(model, ItemToItem) or (isinstance(model, TwoStage) and model.has_learned)


def columns_of(
    model: ArrayModel, data: TrainData, suggested: pl.DataFrame, window: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """What the ranker saw of each suggestion: user_id, item_id, and the columns of `candidates`.

    Empty for models that see no columns. Suggestions outside the candidates (by popularity) have no row.
    """
    keys = indexed(suggested, window)
    if not isinstance(model, TwoStage) or data.candidates is None:
        return keys.clear()
    users = keys.get_column("user_idx").unique().sort().to_numpy()
    blocks = np.split(users, range(BLOCK, len(users), BLOCK))
    return pl.concat([keys.join(data.candidates(block), on=["user_idx", "item_idx"]) for block in blocks])


def indexed(suggested: pl.DataFrame, window: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """user_id, item_id, user_idx, item_idx of the suggestions to users with a history."""
    keys = suggested.select("user_id", "item_id")
    for one in ("user", "item"):
        keys = keys.join(window[f"{one}s"], on=f"{one}_id", maintain_order="left")
    return keys


def told(
    model: ArrayModel, pairs: pl.DataFrame, columns: pl.DataFrame, names: pl.DataFrame, top: int = 3
) -> pl.DataFrame:
    """The largest parts that speak for each suggestion, in words: `WHY`, in the order of `pairs`.

    Parameters
    ----------
    pairs
        Suggestions to users with a history: see `indexed`.
    columns
        See `columns_of`.
    names
        One row per item: item_idx, name.

    Raises
    ------
    UserError
        If the model's scores have no parts that could be shown.
    """
    if not explains(model):
        raise UserError(
            f"{model.name} has no parts that could be shown: its score is not a sum. The reasons above are evidence "
            "from the shop's data."
        )
    if isinstance(model, TwoStage):
        parts = _of_columns(model, columns.join(pairs, on=["user_id", "item_id"], how="semi", maintain_order="left"))
    else:
        parts = _of_history(model, pairs, names)
    ordered = parts.filter(pl.col("contribution") > 0).sort("contribution", "cause", descending=[True, False])
    placed = ordered.with_columns(place=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("user_id", "item_id"))
    kept = placed.filter(pl.col("place") <= top)
    return pairs.select("user_id", "item_id").join(kept, on=["user_id", "item_id"], maintain_order="left").select(*WHY)


def _of_columns(model: TwoStage, columns: pl.DataFrame) -> pl.DataFrame:
    if not columns.height:
        return pl.DataFrame(schema=WHY)
    parts = model.contributions(columns).filter(pl.col("feature") != "(all)")
    features = parts.get_column("feature").unique().sort().to_list()
    words = pl.DataFrame({"feature": features, "words": [candidates.words(name, _formula) for name in features]})
    keys = columns.select(pl.int_range(pl.len()).alias("row"), "user_id", "item_id")
    value = pl.col("value").round_sig_figs(3).cast(pl.String).fill_null("unknown")
    named = parts.join(words, on="feature").join(keys, on="row")
    return named.select("user_id", "item_id", "contribution", cause="words", value=value)


def _formula(ref: str) -> str:
    entity, _, name = ref.partition(".")
    return f"{entity}: {definitions.find(ref)[0].formula}" if name else ref


def _of_history(model: ItemToItem, pairs: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    parts = model.explain(pairs.get_column("user_idx").to_numpy(), pairs.get_column("item_idx").to_numpy())
    named = parts.join(pairs, on=["user_idx", "item_idx"]).join(names, left_on="because_idx", right_on="item_idx")
    cause, none = pl.format("you took {}", "name"), pl.lit(None, pl.String)
    return named.select("user_id", "item_id", "contribution", cause=cause, value=none)
