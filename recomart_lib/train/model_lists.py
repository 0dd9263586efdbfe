"""Fit the selected models on the data before a cut, and make their top-k lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from scipy.sparse import csr_matrix

from recomart_lib import models
from recomart_lib.core import files, parallel, paths
from recomart_lib.core.schemas import PREDICTIONS, PROTOCOLS, enum_of
from recomart_lib.models.base import ArrayModel, Model, TrainData
from recomart_lib.models.rating_base import RatingModel
from recomart_lib.models.top_k import recommend, recommend_each
from recomart_lib.prepare import splits
from recomart_lib.train.train_data import Tables

Result = TypeVar("Result")
COLD = "cold"  # the protocol of the default list
COLD_MODELS = ("popularity", "recent_popularity")
LARGE_FIT = 5e8  # bytes
ROWS_PER_GROUP = 262_144  # of the stored lists


def fit(data: TrainData, parameters: dict[str, dict[str, Any]]) -> dict[str, ArrayModel]:
    """Fit every model with its chosen parameters on all data before the cut."""
    return for_each(parameters, data, lambda name, chosen: data.fitted(models.create(name, **chosen)), "fitting")


def for_each(
    parameters: Mapping[str, dict[str, Any]],
    data: TrainData,
    work: Callable[[str, dict[str, Any]], Result],
    desc: str,
) -> dict[str, Result]:
    """Model -> the result of `work`, which fits it on these data; in parallel, as memory allows."""
    results = parallel.thread_map(
        lambda entry: work(*entry),
        parameters.items(),
        desc,
        "model",
        is_large=lambda entry: is_large(data, *entry),
        duration=lambda entry: duration(data, *entry),
    )
    return dict(zip(parameters, results, strict=True))


def duration(data: TrainData, name: str, hyperparameters: dict[str, Any]) -> float:
    """How long a fit takes, to start the longest first: seconds, infinite for models that learn from many examples."""
    model = models.create(name, **hyperparameters)
    return math.inf if model.reads_features else model.cost(data).seconds


def is_large(data: TrainData, name: str, hyperparameters: dict[str, Any]) -> bool:
    """Whether a fit needs so much memory that two of them should not run at the same time."""
    return models.create(name, **hyperparameters).cost(data).memory > LARGE_FIT


def mask_of(data: TrainData, protocol: str) -> csr_matrix | None:
    """The items that a protocol excludes, (n_users, n_items): purchased items in *novel*, None in *all*."""
    return data.relevant if protocol == "novel" else None


def lists(model: Model, data: TrainData, window: Tables, k: int) -> pl.DataFrame:
    """The model's top k for every user who can be evaluated: user_id, item_id, score, rank, model, protocol."""
    evaluated = {p: splits.relevant(window["holdout"], p).select("user_id").unique() for p in PROTOCOLS}
    users = window["users"].join(pl.concat(evaluated.values()), on="user_id", how="semi")
    top = recommend_each(model, users.get_column("user_idx").to_numpy(), k, {p: mask_of(data, p) for p in PROTOCOLS})
    parts = [
        decode(top[p], window)
        .join(evaluated[p], on="user_id", how="semi", maintain_order="left")
        .with_columns(model=pl.lit(model.name), protocol=pl.lit(p))
        for p in PROTOCOLS
    ]
    return pl.concat(parts)


def decode(indexed: pl.DataFrame, window: Tables) -> pl.DataFrame:
    """Indices back to ids: user_id, item_id, score, rank, in the order of user and rank."""
    named = indexed.join(window["users"], on="user_idx").join(window["items"], on="item_idx")
    return named.select("user_id", "item_id", pl.col("score").cast(pl.Float64), pl.col("rank").cast(pl.Int32)).sort(
        "user_id", "rank"
    )


def all_lists(fitted: dict[str, ArrayModel], data: TrainData, window: Tables, k: int) -> pl.DataFrame:
    """The test lists of every model in both protocols, and the default list for cold users (protocol `cold`).

    Stored as data/models/recommendations.parquet (see `write`); the evaluation reads nothing else of the models.

    Returns
    -------
    DataFrame
        user_id, item_id, score, rank, model, protocol, sorted by model, protocol, user_id and rank. Ids and names are
        Enums, which sort like the strings: all lists together take less than half of the memory.
    """
    cold = window["holdout"].filter(~pl.col("warm") & pl.col("in_catalogue")).select("user_id").unique()
    dtypes = {
        "user_id": enum_of(window["users"].get_column("user_id"), cold.get_column("user_id")),
        "item_id": enum_of(window["items"].get_column("item_id")),
        "model": pl.Enum(sorted(fitted)),
        "protocol": pl.Enum(sorted([*PROTOCOLS, COLD])),
    }

    def lists_of(model: ArrayModel) -> pl.DataFrame:
        table = lists(model, data, window, k)
        if model.name in COLD_MODELS:
            default_lists = cold.join(cold_list(model, window, k), how="cross")
            default_lists = default_lists.with_columns(model=pl.lit(model.name), protocol=pl.lit(COLD))
            table = pl.concat([table, default_lists.select(table.columns)])
        return table.cast(dtypes).sort("protocol", "user_id", "rank")

    by_name = [fitted[name] for name in sorted(fitted)]
    return pl.concat(
        parallel.thread_map(lists_of, by_name, "test lists", "model", duration=lambda model: model.reads_features)
    )


def count_repeats(recommendations: pl.DataFrame) -> int:
    """How many recommendations of `all_lists` repeat a product of the same list."""
    lists_by_group = recommendations.select("model", "protocol", "user_id", "item_id").group_by("model", "protocol")
    pairs = pl.struct("user_id", "item_id")
    return lists_by_group.agg(pl.len() - pairs.n_unique()).get_column("len").sum()


def write(recommendations: pl.DataFrame, *parts: Path | str) -> None:
    """Write the table of `all_lists` as Parquet, with strings for Enums; in pieces, as strings take much memory."""
    strings = pl.selectors.enum().cast(pl.String)
    with files.complete(paths.place(Path(*parts))) as unfinished:
        recommendations.lazy().with_columns(strings).sink_parquet(unfinished, row_group_size=ROWS_PER_GROUP)


def cold_list(model: Model, window: Tables, k: int) -> pl.DataFrame:
    """The list of a model that does not personalise: item_id, score, rank."""
    first = window["users"].head(1).get_column("user_idx").to_numpy()
    return decode(recommend(model, first, k, None), window).drop("user_id")


def predictions(
    fitted: dict[str, ArrayModel], window: Tables, events: pl.DataFrame, start: datetime, end: datetime
) -> pl.DataFrame:
    """True and estimated ratings of the test window, for warm users and known items (`schemas.PREDICTIONS`).

    Estimated by the rating models in `fitted`, and by `global_mean`, the mean rating before the window. Empty if there
    are no ratings.
    """
    inside = pl.col("timestamp").is_between(start, end, closed="left") & pl.col("rating").is_not_null()
    true = events.filter(inside).group_by("user_id", "item_id").agg(pl.col("rating").mean())
    true = true.join(window["users"], on="user_id").join(window["items"], on="item_id").sort("user_id", "item_id")
    earlier = events.filter(pl.col("timestamp") < start).get_column("rating").drop_nulls()
    if not true.height or not len(earlier):
        return pl.DataFrame(schema=PREDICTIONS)
    pairs = (true.get_column("user_idx").to_numpy(), true.get_column("item_idx").to_numpy())
    rating_models = {name: model for name, model in fitted.items() if isinstance(model, RatingModel)}
    estimates = {name: model.estimate(*pairs) for name, model in rating_models.items()}
    estimates["global_mean"] = [earlier.mean()] * true.height
    tables = [
        true.with_columns(estimate=pl.Series(values, dtype=pl.Float64), model=pl.lit(name))
        for name, values in estimates.items()
    ]
    return pl.concat(tables).select(*PREDICTIONS)
