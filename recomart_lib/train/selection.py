"""Choose on valid, refit before the cut, write the lists: what happens between the models and their evaluation."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib import models
from recomart_lib.core import parallel
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import PROTOCOLS
from recomart_lib.metrics import by_model
from recomart_lib.metrics import ranking as metrics_ranking
from recomart_lib.models import top_k
from recomart_lib.models.base import TrainData
from recomart_lib.prepare import splits
from recomart_lib.train import optuna_search, search_space
from recomart_lib.train.model_lists import lists
from recomart_lib.train.optuna_search import Search
from recomart_lib.train.search_space import Space
from recomart_lib.train.settings import Train
from recomart_lib.train.train_data import Tables

log = logging.getLogger(__name__)

JUDGED_AT = 10  # the headline's list length
SCORE = f"ndcg@{JUDGED_AT}"  # by which parameters and models are chosen
FOR_RATINGS = ("svdpp",)  # from weights it would learn for minutes what is a guess anyway; svd shows that case


LOG = {
    "model": pl.String,
    "trial": pl.Int32,
    "parameters": pl.String,
    "protocol": pl.String,
    SCORE: pl.Float64,
    "value": pl.Float64,
}


def spaces_of(train: Train, seed: int) -> dict[str, Space]:
    """Model -> its hyper-parameters and what is searched among them (`train.models`); plus SVD and random."""
    svd = {
        "n_factors": train.svd_n_factors,
        "n_epochs": train.svd_n_epochs,
        "learning_rate": train.svd_learning_rate,
        "reg": train.svd_reg,
    }
    asked = {"random": {}, **train.models, "svd": svd}
    return {name: search_space.parse(name, _seeded(name, declared, seed)) for name, declared in asked.items()}


def check(train: Train) -> None:
    """Everything about `train.models` that can be known without data.

    Raises
    ------
    UserError
        If a model or hyper-parameter does not exist, a value is out of range, a search space is none (see `spaces`), or
        the floor (popularity) that others are compared with is missing.
    """
    for name in ("svd", "random"):
        if name in train.models:
            raise UserError(f"params.yaml: train.models.{name}: always fitted; svd is set by train.svd_*. Take it out.")
    if "popularity" not in train.models:
        raise UserError("params.yaml: train.models lacks popularity, which every other model is compared with.")
    spaces_of(train, seed=0)


def _seeded(name: str, hyper: dict[str, Any], seed: int) -> dict[str, Any]:
    draws = name in models.MODELS and "seed" in models.MODELS[name].hyper_names()
    return {**hyper, "seed": seed} if draws else hyper


def searches(train: Train, data: TrainData, window: Tables, seed: int) -> list[Search]:
    """One search per model. Other data, another space, seed, protocol or code of models: another search.

    Models that are made for ratings are left out where nobody rated before the cut.
    """
    known, code = _digest(data, window), _code()
    return [
        Search(name, space, seed, train.tune_protocol, (known, code, SCORE))
        for name, space in spaces_of(train, seed).items()
        if _possible(name, data)
    ]


def _possible(name: str, data: TrainData) -> bool:
    if name not in FOR_RATINGS or data.interactions.get_column("rating").count():
        return True
    log.warning("%s: left out; it learns from ratings, and there are none before %s", name, data.cut.date())
    return False


class Judge:
    """What models that learn from `data` are worth in the window that followed; the same model is fitted once."""

    def __init__(self, data: TrainData, window: Tables) -> None:
        self.data, self.window = data, window
        self._known: dict[tuple[str, str], pl.DataFrame] = {}

    def __call__(self, name: str, hyper: dict[str, Any]) -> pl.DataFrame:
        """The model's lists in both protocols, judged: see `judged`."""
        key = (name, json.dumps(hyper, sort_keys=True))
        if key not in self._known:
            model = models.create(name, **hyper).fit(self.data)
            found = lists(model, self.data, self.window, JUDGED_AT)
            self._known[key] = pl.concat(self._judged(found, protocol, name) for protocol in PROTOCOLS)
        return self._known[key]

    def _judged(self, found: pl.DataFrame, protocol: str, name: str) -> pl.DataFrame:
        """Unlike in `judged`, a model without any list under a protocol counts: with zeros."""
        relevant = splits.relevant(self.window["holdout"], protocol)
        per_user = metrics_ranking.per_user(found.filter(pl.col("protocol") == protocol), relevant, [JUDGED_AT])
        return per_user.select(pl.lit(protocol).alias("protocol"), pl.lit(name).alias("model"), pl.all())


def judged(found: pl.DataFrame, window: Tables) -> pl.DataFrame:
    """Judge lists (`lists`) by the answers of their window: protocol, model, and `metrics.per_user` at `JUDGED_AT`."""
    relevant = {protocol: splits.relevant(window["holdout"], protocol) for protocol in PROTOCOLS}
    return by_model.per_user(found, relevant, [JUDGED_AT])


def tune(judge: Judge, asked: list[Search], n_trials: int, folder: Path) -> pl.DataFrame:
    """Search every model's hyper-parameters, judged by a window (`valid`).

    Parameters
    ----------
    folder
        Where the trials are kept, in a file per model (`tuning.trials`): those of an earlier run are not made again.

    Returns
    -------
    DataFrame
        One row per model, trial and protocol: model, trial (0: the defaults), parameters (JSON), protocol, ndcg@10,
        value (what is maximised). Null scores: nobody to judge.
    """

    def made(search: Search) -> list[optuna_search.Trial]:
        file = folder / f"{search.model}.db"
        return list(optuna_search.trials(search, n_trials, file, partial(_scores, judge, search)))

    longest_first = sorted(asked, key=lambda search: -search.budget(n_trials))
    found = dict(
        zip([one.model for one in longest_first], parallel.each(made, longest_first, "searches", "model"), strict=True)
    )
    rows = [
        (search.model, trial.number, json.dumps({**search.space.fixed, **trial.params}), protocol, score, trial.value)
        for search in asked
        for trial in found[search.model]
        for protocol, score in trial.scores.items()
    ]
    return pl.DataFrame(rows, schema=LOG, orient="row")


def _scores(judge: Judge, search: Search, params: dict[str, Any]) -> dict[str, float | None]:
    rows = judge(search.model, {**search.space.fixed, **params})
    return {p: rows.filter(pl.col("protocol") == p).get_column(SCORE).mean() for p in PROTOCOLS}


def _digest(data: TrainData, window: Tables) -> str:
    """Stands for the content of all tables that the scores on valid come from, and for the cut."""
    tables = [data.interactions, data.lesson, data.features, *(window[name] for name in sorted(window))]
    found = hashlib.sha256(data.cut.isoformat().encode())
    for table in tables:
        if table is not None:
            found.update(str(table.schema).encode() + table.hash_rows(seed=0).to_numpy().tobytes())
    return found.hexdigest()[:12]


def _code() -> str:
    """Stands for the code by which models are fitted and judged: corrected code is not believed old scores.

    Of all models at once: some are made of others.
    """
    kinds = {kind for model in models.CLASSES for kind in model.__mro__ if kind.__module__.startswith("recomart")}
    parts = {inspect.getmodule(kind) for kind in kinds} | {top_k, metrics_ranking, splits}
    text = "".join(sorted(inspect.getsource(part) for part in parts))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def best(log: pl.DataFrame) -> pl.DataFrame:
    """The rows of `tune` of each model's best trial; of equally good ones, of the first tried."""
    ordered = log.with_columns(pl.col("value").fill_null(0.0)).sort("value", descending=True, maintain_order=True)
    trials = ordered.unique("model", keep="first", maintain_order=True).select("model", "trial")
    return log.join(trials, on=["model", "trial"], how="semi", maintain_order="left")


def searched(log: pl.DataFrame) -> pl.DataFrame:
    """One row per model, the best first: model, trials, defaults (the value of the first trial), best, the ndcg@10 of
    the best trial in each protocol, parameters."""
    kept = best(log).pivot(on="protocol", index=["model", "parameters", "value"], values=SCORE)
    kept = kept.rename({"value": "best"})
    first = pl.col("value").sort_by("trial").first()
    table = log.group_by("model").agg(trials=pl.col("trial").n_unique(), defaults=first).join(kept, on="model")
    return table.select("model", "trials", "defaults", "best", *PROTOCOLS, "parameters").sort(
        "best", "model", descending=[True, False], nulls_last=True
    )


def importances(log: pl.DataFrame, asked: list[Search]) -> pl.DataFrame:
    """One row per model and hyper-parameter whose share in the model's good trials can be told (`tuning.importance`):
    model, parameter, share (those of a model sum to 1)."""
    rows = []
    for search in asked:
        trials = log.filter(pl.col("model") == search.model).unique("trial", keep="first").sort("trial")
        found = [
            optuna_search.Trial(
                row["trial"],
                {name: json.loads(row["parameters"])[name] for name in search.space.free},
                row["value"],
                {},
            )
            for row in trials.iter_rows(named=True)
        ]
        rows += [(search.model, *one) for one in (optuna_search.importance(search.space, found) or {}).items()]
    return pl.DataFrame(rows, schema={"model": pl.String, "parameter": pl.String, "share": pl.Float64}, orient="row")


def choose(log: pl.DataFrame) -> dict[str, Any]:
    """The decisions of tuning: each model's parameters (its best trial), and the best model of each protocol
    (reports/metrics/tuning.json). The floor `random` takes no part."""
    kept = best(log).with_columns(pl.col(SCORE).fill_null(0.0)).sort(SCORE, descending=True, maintain_order=True)
    parameters = {row["model"]: json.loads(row["parameters"]) for row in kept.iter_rows(named=True)}
    kept = kept.filter(pl.col("model") != "random")
    winners = {p: kept.filter(pl.col("protocol") == p).row(0, named=True) for p in PROTOCOLS}
    return {
        "chosen": {protocol: row["model"] for protocol, row in winners.items()},
        "validation": {
            protocol: {
                row["model"]: row[SCORE]
                for row in kept.filter(pl.col("protocol") == protocol).sort("model").iter_rows(named=True)
            }
            for protocol in PROTOCOLS
        },
        "parameters": dict(sorted(parameters.items())),
    }


def told(log: pl.DataFrame, asked: list[Search]) -> dict[str, dict[str, Any]]:
    """How the parameters were found, by model: n_trials, best (the value on valid), space (empty: all was fixed)."""
    spaces_by_name = {search.model: search.space.declared for search in asked}
    return {
        row["model"]: {"n_trials": row["trials"], "best": row["best"], "space": spaces_by_name[row["model"]]}
        for row in searched(log).sort("model").iter_rows(named=True)
    }
