"""Choose on valid, refit before the cut, write the lists: what happens between the models and their evaluation."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import polars as pl
from scipy.sparse import csr_matrix
from tqdm.auto import tqdm

from recomart_lib import metrics, models, splits
from recomart_lib.errors import UserError
from recomart_lib.models.base import Model, Rows, TrainData
from recomart_lib.models.ranking import recommend
from recomart_lib.models.rating import RatingModel
from recomart_lib.params import Train
from recomart_lib.schemas import PREDICTIONS, PROTOCOLS

log = logging.getLogger(__name__)

TUNED_AT = 10  # parameters are chosen by ndcg at this list length
SEEDED = ("als", "bpr", "svd", "svdpp", "random", "repurchase", "two_stage")
TAUGHT = ("repurchase", "two_stage")  # learn from lessons
FOR_RATINGS = ("svdpp",)  # from weights it would learn for minutes what is a guess anyway; svd shows that case
COLD_MODELS = ("popularity", "recent_popularity")
Tables = dict[str, pl.DataFrame]


def candidates(train: Train, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Model -> the hyper-parameters to try: all combinations of the lists in `train.models`; plus SVD, random."""
    svd = {"n_factors": train.svd_n_factors, "n_epochs": train.svd_n_epochs,
           "learning_rate": train.svd_learning_rate, "reg": train.svd_reg}  # fmt: skip
    asked = {"random": {}, **train.models, "svd": svd}
    return {name: [_seeded(name, choice, seed) for choice in _grid(hyper)] for name, hyper in asked.items()}


def possible(tried: dict[str, list[dict[str, Any]]], data: TrainData) -> dict[str, list[dict[str, Any]]]:
    """The candidates without those that are made for ratings, where nobody rated before the cut."""
    if data.interactions.get_column("rating").count():
        return tried
    for name in sorted(set(FOR_RATINGS) & set(tried)):
        log.warning("%s: left out; it learns from ratings, and there are none before %s", name, data.cut.date())
    return {name: choices for name, choices in tried.items() if name not in FOR_RATINGS}


def check(train: Train) -> None:
    """Everything about `train.models` that can be known without data.

    Raises
    ------
    UserError
        If a model or hyper-parameter does not exist, a value is out of range, a list of candidates is empty, or the
        floor (popularity) that others are compared with is missing.
    """
    for name, hyper in train.models.items():
        if name in ("svd", "random"):
            raise UserError(f"params.yaml: train.models.{name}: always fitted; svd is set by train.svd_*. Take it out.")
        for key, value in hyper.items():
            if value == []:
                raise UserError(f"params.yaml: train.models.{name}.{key} is an empty list: nothing would be tried.")
    if "popularity" not in train.models:
        raise UserError("params.yaml: train.models lacks popularity, which every other model is compared with.")
    for name, choices in candidates(train, seed=0).items():
        for hyper in choices:
            models.create(name, **hyper)


def _grid(hyper: dict[str, Any]) -> Iterator[dict[str, Any]]:
    values = [value if isinstance(value, list) else [value] for value in hyper.values()]
    return (dict(zip(hyper, choice, strict=True)) for choice in itertools.product(*values))


def _seeded(name: str, hyper: dict[str, Any], seed: int) -> dict[str, Any]:
    return {**hyper, "seed": seed} if name in SEEDED else hyper


def data_of(
    window: Tables,
    cut: datetime,
    lesson: pl.DataFrame | None = None,
    features: pl.DataFrame | None = None,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    baskets: pl.DataFrame | None = None,
    candidates: Rows | None = None,
) -> TrainData:
    """What a model may learn from: the interactions of a window (see `splits.split`), with features (`lessons`).

    `users` and `items` tell, by user_id and item_id, attributes as they were known at the cut; `baskets` see
    `splits.baskets`, `candidates` see `TrainData`.
    """
    known = [
        None if facts is None else window[name].join(facts, on=key, how="left")
        for name, key, facts in (("users", "user_id", users), ("items", "item_id", items))
    ]
    n_users, n_items = window["users"].height, window["items"].height
    return TrainData.of(window["interactions"], n_users, n_items, cut, lesson, features, *known, baskets, candidates)


def tune(data: TrainData, window: Tables, tried: dict[str, list[dict[str, Any]]]) -> pl.DataFrame:
    """Fit every candidate on the window's past (`data`) and judge it by what followed.

    Returns
    -------
    DataFrame
        One row per model, candidate and protocol: model, parameters (JSON), protocol, ndcg@10 (null: nobody to judge).
    """
    rows = []
    jobs = [(name, hyper) for name, choices in tried.items() for hyper in choices]
    for name, hyper in tqdm(jobs, desc="tuning on valid", unit="fit", disable=None):
        model = models.create(name, **hyper).fit(data)
        for protocol in PROTOCOLS:
            found = lists(model, data, window, protocol, TUNED_AT)
            rows.append((name, json.dumps(hyper), protocol, _mean_ndcg(found, window, protocol)))
    return pl.DataFrame(rows, schema={"model": pl.String, "parameters": pl.String, "protocol": pl.String,
                                      f"ndcg@{TUNED_AT}": pl.Float64}, orient="row")  # fmt: skip


def _mean_ndcg(found: pl.DataFrame, window: Tables, protocol: str) -> float | None:
    relevant = splits.relevant(window["answers"], protocol)
    if not relevant.height:
        return None
    return metrics.per_user(found, relevant, [TUNED_AT]).get_column(f"ndcg@{TUNED_AT}").mean()


def choose(log: pl.DataFrame) -> dict[str, Any]:
    """The decisions of tuning: each model's parameters (best in protocol *all*; ties: the first tried), and the best
    model of each protocol (reports/metrics/tuning.json). The floor `random` takes no part."""
    score = f"ndcg@{TUNED_AT}"
    ordered = log.with_columns(pl.col(score).fill_null(0.0)).sort(score, descending=True, maintain_order=True)
    best = ordered.filter(pl.col("protocol") == "all").unique("model", keep="first", maintain_order=True)
    parameters = {row["model"]: json.loads(row["parameters"]) for row in best.iter_rows(named=True)}
    kept = ordered.join(best, on=["model", "parameters"], how="semi", maintain_order="left")
    kept = kept.filter(pl.col("model") != "random")
    winners = {p: kept.filter(pl.col("protocol") == p).row(0, named=True) for p in PROTOCOLS}
    return {
        "chosen": {protocol: row["model"] for protocol, row in winners.items()},
        "valid": {protocol: {row["model"]: row[score] for row in kept.filter(pl.col("protocol") == protocol)
                             .sort("model").iter_rows(named=True)} for protocol in PROTOCOLS},
        "parameters": dict(sorted(parameters.items())),
    }  # fmt: skip


def fit(data: TrainData, parameters: dict[str, dict[str, Any]]) -> dict[str, Model]:
    """Fit every model with its chosen parameters on all that lies before the cut."""
    names = tqdm(parameters.items(), desc="fitting before the cut", unit="model", disable=None)
    return {name: models.create(name, **hyper).fit(data) for name, hyper in names}


def mask_of(data: TrainData, protocol: str) -> csr_matrix | None:
    """What a protocol forbids, (n_users, n_items): in *novel* all that the user already had, in *all* nothing."""
    return data.relevant if protocol == "novel" else None


def lists(model: Model, data: TrainData, window: Tables, protocol: str, k: int) -> pl.DataFrame:
    """The model's top k for every user that the protocol judges: user_id, item_id, score, rank, model, protocol."""
    judged = splits.relevant(window["answers"], protocol).select("user_id").unique()
    users = window["users"].join(judged, on="user_id", how="semi").get_column("user_idx").to_numpy()
    found = recommend(model, users, k, mask_of(data, protocol))
    return decode(found, window).with_columns(model=pl.lit(model.name), protocol=pl.lit(protocol))


def decode(found: pl.DataFrame, window: Tables) -> pl.DataFrame:
    """Indices back to ids: user_id, item_id, score, rank, in the order of user and rank."""
    named = found.join(window["users"], on="user_idx").join(window["items"], on="item_idx")
    return named.select("user_id", "item_id", pl.col("score").cast(pl.Float64), pl.col("rank").cast(pl.Int32)).sort(
        "user_id", "rank"
    )


def all_lists(fitted: dict[str, Model], data: TrainData, window: Tables, k: int) -> pl.DataFrame:
    """The test lists of every model in both protocols, and what cold users would be shown (protocol `cold`).

    This is data/models/recommendations.parquet; evaluation reads nothing else of the models.
    """
    jobs = [(model, protocol) for model in fitted.values() for protocol in PROTOCOLS]
    parts = [lists(model, data, window, protocol, k) for model, protocol in tqdm(jobs, desc="test lists", disable=None)]
    cold = window["answers"].filter(~pl.col("warm") & pl.col("in_catalogue")).select("user_id").unique()
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
