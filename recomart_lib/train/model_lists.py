"""Fit the selected models before a cut, and write the top k of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl
from scipy.sparse import csr_matrix

from recomart_lib import models
from recomart_lib.core import parallel
from recomart_lib.core.schemas import PREDICTIONS, PROTOCOLS
from recomart_lib.models.base import ArrayModel, Model, TrainData
from recomart_lib.models.rating_base import RatingModel
from recomart_lib.models.top_k import recommend, recommend_each
from recomart_lib.prepare import splits
from recomart_lib.train.train_data import Tables

COLD_MODELS = ("popularity", "recent_popularity")


def fit(data: TrainData, parameters: dict[str, dict[str, Any]]) -> dict[str, ArrayModel]:
    """Fit every model with its chosen parameters on all that lies before the cut."""
    fitted = parallel.each(
        lambda one: models.create(one[0], **one[1]).fit(data), parameters.items(), "fitting", "model"
    )
    return dict(zip(parameters, fitted, strict=True))


def mask_of(data: TrainData, protocol: str) -> csr_matrix | None:
    """What a protocol forbids, (n_users, n_items): in *novel* all that the user already had, in *all* nothing."""
    return data.relevant if protocol == "novel" else None


def lists(model: Model, data: TrainData, window: Tables, k: int) -> pl.DataFrame:
    """The model's top k for every user that a protocol judges: user_id, item_id, score, rank, model, protocol."""
    judged = {p: splits.relevant(window["holdout"], p).select("user_id").unique() for p in PROTOCOLS}
    asked = window["users"].join(pl.concat(judged.values()), on="user_id", how="semi").get_column("user_idx").to_numpy()
    found = recommend_each(model, asked, k, {p: mask_of(data, p) for p in PROTOCOLS})
    parts = [
        decode(found[p], window)
        .join(judged[p], on="user_id", how="semi", maintain_order="left")
        .with_columns(model=pl.lit(model.name), protocol=pl.lit(p))
        for p in PROTOCOLS
    ]
    return pl.concat(parts)


def decode(found: pl.DataFrame, window: Tables) -> pl.DataFrame:
    """Indices back to ids: user_id, item_id, score, rank, in the order of user and rank."""
    named = found.join(window["users"], on="user_idx").join(window["items"], on="item_idx")
    return named.select("user_id", "item_id", pl.col("score").cast(pl.Float64), pl.col("rank").cast(pl.Int32)).sort(
        "user_id", "rank"
    )


def all_lists(fitted: dict[str, ArrayModel], data: TrainData, window: Tables, k: int) -> pl.DataFrame:
    """The test lists of every model in both protocols, and what cold users would be shown (protocol `cold`).

    This is data/models/recommendations.parquet; evaluation reads nothing else of the models.
    """
    slow_first = sorted(fitted.values(), key=lambda model: not model.reads_features)
    parts = parallel.each(lambda model: lists(model, data, window, k), slow_first, "test lists", "model")
    cold = window["holdout"].filter(~pl.col("warm") & pl.col("in_catalogue")).select("user_id").unique()
    for name in COLD_MODELS:
        if name in fitted:
            shown = cold_list(fitted[name], window, k)
            one = cold.join(shown, how="cross").with_columns(model=pl.lit(name), protocol=pl.lit("cold"))
            parts.append(one.select(parts[0].columns))
    return pl.concat(parts).sort("model", "protocol", "user_id", "rank")


def cold_list(model: Model, window: Tables, k: int) -> pl.DataFrame:
    """The list of a model that is the same for everybody: item_id, score, rank."""
    first = window["users"].head(1).get_column("user_idx").to_numpy()
    return decode(recommend(model, first, k, None), window).drop("user_id")


def predictions(
    fitted: dict[str, Model], window: Tables, events: pl.DataFrame, start: datetime, end: datetime
) -> pl.DataFrame:
    """True and estimated ratings of the test window, for warm users and known items (`schemas.PREDICTIONS`).

    By the rating models among `fitted`, and by `global_mean`, the mean of the ratings before the window. Empty where
    there are no ratings.
    """
    inside = pl.col("timestamp").is_between(start, end, closed="left") & pl.col("rating").is_not_null()
    true = events.filter(inside).group_by("user_id", "item_id").agg(pl.col("rating").mean())
    true = true.join(window["users"], on="user_id").join(window["items"], on="item_id").sort("user_id", "item_id")
    earlier = events.filter(pl.col("timestamp") < start).get_column("rating").drop_nulls()
    if not true.height or not len(earlier):
        return pl.DataFrame(schema=PREDICTIONS)
    pairs = (true.get_column("user_idx").to_numpy(), true.get_column("item_idx").to_numpy())
    raters = {name: model for name, model in fitted.items() if isinstance(model, RatingModel)}
    guesses = {name: model.estimate(*pairs) for name, model in raters.items()}
    guesses["global_mean"] = [earlier.mean()] * true.height
    tables = [
        true.with_columns(estimate=pl.Series(values, dtype=pl.Float64), model=pl.lit(name))
        for name, values in guesses.items()
    ]
    return pl.concat(tables).select(*PREDICTIONS)
