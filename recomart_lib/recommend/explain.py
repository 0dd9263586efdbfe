"""Explain scores as sums of contributions. (`reasons` gives evidence from the shop's data instead.)

The score of an item-to-item model is a sum over the items of the user's history; the score of the two-stage ranker is
a sum over its columns. Other models cannot be explained in this way.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.features import definitions
from recomart_lib.models.base import ArrayModel, TrainData
from recomart_lib.models.item_to_item import ItemToItem
from recomart_lib.models.two_stage import TwoStage
from recomart_lib.recommend import plain_causes
from recomart_lib.train import candidates

BLOCK = 1_024  # users whose candidates are in memory at the same time
# One row: one of the largest contributions to a recommendation's score; rank 1 is the largest. `value`: the value of
# the column that contributes, and `detail` its definition; null if an item of the history contributes.
CONTRIBUTIONS = {
    "user_id": pl.String,
    "item_id": pl.String,
    "rank": pl.Int32,
    "cause": pl.String,
    "value": pl.String,
    "contribution": pl.Float64,
    "detail": pl.String,
}


def can_explain(model: ArrayModel) -> bool:
    """Whether the model's scores are sums of contributions."""
    return isinstance(model, ItemToItem) or (isinstance(model, TwoStage) and model.has_learned)


def candidate_columns(
    model: ArrayModel, data: TrainData, lists: pl.DataFrame, window: dict[str, pl.DataFrame]
) -> pl.DataFrame:
    """Return the ranker's input for each recommendation: user_id, item_id, and the columns of `candidates`.

    In the order of the lists. Empty for models without such input. Recommendations outside the candidates (filled by
    popularity) have no row. What the model kept of its ranking (`TwoStage.keep_columns`) is not computed again.
    """
    keys = with_indices(lists, window)
    if not isinstance(model, TwoStage) or data.candidates is None:
        return keys.clear()
    on, kept = ["user_idx", "item_idx"], model.kept_columns()
    missing = keys if kept is None else keys.join(kept, on="user_idx", how="anti")
    users = missing.get_column("user_idx").unique().sort().to_numpy()
    parts = [] if kept is None else [kept]
    for block in np.split(users, range(BLOCK, len(users), BLOCK)):
        parts.append(data.candidates(block).join(keys, on=on, how="semi"))
    return keys.join(pl.concat(parts), on=on, maintain_order="left")


def with_indices(lists: pl.DataFrame, window: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return user_id, item_id, user_idx, item_idx of the recommendations to users with a history."""
    keys = lists.select("user_id", "item_id")
    for entity in ("user", "item"):
        keys = keys.join(window[f"{entity}s"], on=f"{entity}_id", maintain_order="left")
    return keys


def contributions(
    model: ArrayModel, pairs: pl.DataFrame, columns: pl.DataFrame, names: pl.DataFrame, top: int = 3
) -> pl.DataFrame:
    """Return the largest positive contributions to each score, in words: `CONTRIBUTIONS`, in the order of `pairs`.

    Parameters
    ----------
    pairs
        Recommendations to users with a history: see `with_indices`.
    columns
        See `candidate_columns`.
    names
        One row per item: item_idx, name.

    Raises
    ------
    UserError
        If the model's scores are not sums of contributions.
    """
    if not can_explain(model):
        raise UserError(
            f"{model.name} cannot be explained as a sum of contributions. The reasons above are evidence "
            "from the shop's data."
        )
    if isinstance(model, TwoStage):
        parts = _of_columns(model, columns.join(pairs, on=["user_id", "item_id"], how="semi", maintain_order="left"))
    else:
        parts = _of_history(model, pairs, names)
    positive = parts.filter(pl.col("contribution") > 0).sort("contribution", "cause", descending=[True, False])
    ranked = positive.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("user_id", "item_id"))
    kept = ranked.filter(pl.col("rank") <= top)
    return (
        pairs.select("user_id", "item_id")
        .join(kept, on=["user_id", "item_id"], maintain_order="left")
        .select(*CONTRIBUTIONS)
    )


def _of_columns(model: TwoStage, columns: pl.DataFrame) -> pl.DataFrame:
    if not columns.height:
        return pl.DataFrame(schema=CONTRIBUTIONS)
    parts = model.contributions(columns).filter(pl.col("feature") != "(all)")
    features = parts.get_column("feature").unique().sort().to_list()
    details = [candidates.describe_column(name, _formula) for name in features]
    words = [plain_causes.words(name) or detail for name, detail in zip(features, details, strict=True)]
    described = pl.DataFrame({"feature": features, "words": words, "detail": details})
    keys = columns.select(pl.int_range(pl.len()).alias("row"), "user_id", "item_id")
    value = pl.col("value").round_sig_figs(3).cast(pl.String).fill_null("unknown")
    named = parts.join(described, on="feature").join(keys, on="row")
    return named.select("user_id", "item_id", "contribution", "detail", cause="words", value=value)


def _formula(ref: str) -> str:
    entity, _, name = ref.partition(".")
    return f"{entity}: {definitions.find(ref)[0].formula}" if name else ref


def _of_history(model: ItemToItem, pairs: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    parts = model.explain(pairs.get_column("user_idx").to_numpy(), pairs.get_column("item_idx").to_numpy())
    named = parts.join(pairs, on=["user_idx", "item_idx"]).join(names, left_on="because_idx", right_on="item_idx")
    cause, nothing = pl.format("you chose {}", "name"), pl.lit(None, pl.String)
    return named.select("user_id", "item_id", "contribution", cause=cause, value=nothing, detail=nothing)
