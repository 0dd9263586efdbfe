"""Search hyper-parameters and select models by their lists in the validation window."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib import models
from recomart_lib.core import parallel
from recomart_lib.core.schemas import PROTOCOLS
from recomart_lib.metrics import by_model
from recomart_lib.metrics import ranking as metrics_ranking
from recomart_lib.models.base import TrainData
from recomart_lib.prepare import splits
from recomart_lib.train import candidates, choice, limits, optuna_search
from recomart_lib.train.choice import SCORE
from recomart_lib.train.model_lists import duration, is_large, lists
from recomart_lib.train.optuna_search import Search
from recomart_lib.train.search_space import Space, search_spaces
from recomart_lib.train.settings import Train
from recomart_lib.train.train_data import Tables

log = logging.getLogger(__name__)

LIST_LENGTH = 10  # as in the headline
LOG = {
    "model": pl.String,
    "trial": pl.Int32,
    "parameters": pl.String,
    "protocol": pl.String,
    SCORE: pl.Float64,
    "value": pl.Float64,
}
IMPORTANCE = {"model": pl.String, "parameter": pl.String, "share": pl.Float64}


def searches(train: Train, data: TrainData, window: Tables, seed: int, left_out: Collection[str] = ()) -> list[Search]:
    """One search per model. Other data, another space, seed, protocol, budget or model code is another search.

    Models that need ratings are left out if there are none before the cut, and those that `left_out` names
    (see `limits.left_out`).
    """
    fingerprints = (_data_digest(data, window), _code(), SCORE, str(data.budget))
    return [
        Search(name, space, seed, train.tune_protocol, fingerprints)
        for name, space in search_spaces(train, seed).items()
        if name not in left_out and limits.is_possible(name, data)
    ]


class Evaluator:
    """Fit models on `data` and evaluate them in the window that follows; equal models are fitted once."""

    def __init__(self, data: TrainData, window: Tables) -> None:
        self.data, self.window = data, window
        self._cache: dict[tuple[str, str], pl.DataFrame] = {}

    def __call__(self, name: str, hyperparameters: dict[str, Any]) -> pl.DataFrame:
        """The model's lists in both protocols, evaluated: see `evaluate_lists`."""
        key = (name, json.dumps(hyperparameters, sort_keys=True))
        if key not in self._cache:
            model = self.data.fitted(models.create(name, **hyperparameters))
            recommendations = lists(model, self.data, self.window, LIST_LENGTH)
            self._cache[key] = pl.concat(self._evaluated(recommendations, protocol, name) for protocol in PROTOCOLS)
        return self._cache[key]

    def _evaluated(self, recommendations: pl.DataFrame, protocol: str, name: str) -> pl.DataFrame:
        """Unlike in `evaluate_lists`, a model without any list in a protocol counts with zeros."""
        relevant = splits.relevant(self.window["holdout"], protocol)
        in_protocol = recommendations.filter(pl.col("protocol") == protocol)
        per_user = metrics_ranking.per_user(in_protocol, relevant, [LIST_LENGTH])
        return per_user.select(pl.lit(protocol).alias("protocol"), pl.lit(name).alias("model"), pl.all())


def evaluate_lists(recommendations: pl.DataFrame, window: Tables) -> pl.DataFrame:
    """Evaluate lists (see `model_lists.lists`) against the holdout of their window.

    Returns
    -------
    DataFrame
        One row per protocol, model and evaluated user: protocol, model, and `ranking.per_user` at `LIST_LENGTH`.
    """
    ids = {name: recommendations.schema[name] for name in ("user_id", "item_id")}  # Enums, in `model_lists.all_lists`
    relevant = {protocol: splits.relevant(window["holdout"], protocol).cast(ids) for protocol in PROTOCOLS}
    first = recommendations.filter(pl.col("rank") <= LIST_LENGTH)
    evaluated = by_model.per_user(first, relevant, [LIST_LENGTH])
    return evaluated.with_columns(pl.col("user_id").cast(pl.String))


def tune(evaluator: Evaluator, searches: list[Search], n_trials: int, folder: Path) -> pl.DataFrame:
    """Search the hyper-parameters of every model in one window (validation).

    Parameters
    ----------
    folder
        Where trials are stored, one file per model (see `optuna_search.trials`): those of an earlier run are reused.

    Returns
    -------
    DataFrame
        One row per model, trial and protocol: model, trial (0: the defaults), parameters (JSON), protocol, ndcg@10,
        value (to maximise). Scores are null if no user can be evaluated.
    """

    def run(search: Search) -> list[optuna_search.Trial]:
        objective = partial(_scores, evaluator, search)
        return list(optuna_search.trials(search, n_trials, folder / f"{search.model}.json", objective))

    def defaults(search: Search) -> tuple[str, dict[str, Any]]:
        return search.model, {**search.space.fixed, **search.space.first}

    finished = parallel.thread_map(
        run,
        searches,
        "searches",
        "model",
        is_large=lambda search: is_large(evaluator.data, *defaults(search)),
        duration=lambda search: search.budget(n_trials) * duration(evaluator.data, *defaults(search)),
    )
    rows = [
        (search.model, trial.number, json.dumps({**search.space.fixed, **trial.params}), protocol, score, trial.value)
        for search, trials in zip(searches, finished, strict=True)
        for trial in trials
        for protocol, score in trial.scores.items()
    ]
    return pl.DataFrame(rows, schema=LOG, orient="row")


def _scores(evaluator: Evaluator, search: Search, params: dict[str, Any]) -> dict[str, float | None]:
    rows = evaluator(search.model, {**search.space.fixed, **params})
    return {p: rows.filter(pl.col("protocol") == p).get_column(SCORE).mean() for p in PROTOCOLS}


def _data_digest(data: TrainData, window: Tables) -> str:
    """A digest of the cut and of all tables that the validation scores depend on."""
    tables = [data.interactions, data.examples, data.features, *(window[name] for name in sorted(window))]
    digest = hashlib.sha256(data.cut.isoformat().encode())
    for table in tables:
        if table is not None:
            digest.update(str(table.schema).encode() + table.hash_rows(seed=0).to_numpy().tobytes())
    return digest.hexdigest()[:12]


def _code() -> str:
    """A digest of the code that fits and evaluates models: after a correction, old scores are not reused.

    Of all models together: some are built from others.
    """
    files = sorted(Path(models.__file__).parent.glob("*.py"))
    files += [Path(module.__file__) for module in (candidates, metrics_ranking, splits)]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    return hashlib.sha256(source.encode()).hexdigest()[:12]


def best_trials(log: pl.DataFrame) -> pl.DataFrame:
    """The rows of `tune` of each model's best trial; of equally good ones, the first."""
    ordered = log.with_columns(pl.col("value").fill_null(0.0)).sort("value", descending=True, maintain_order=True)
    trials = ordered.unique("model", keep="first", maintain_order=True).select("model", "trial")
    return log.join(trials, on=["model", "trial"], how="semi", maintain_order="left")


def search_results(log: pl.DataFrame) -> pl.DataFrame:
    """One row per model, best first: model, trials, defaults (the value of the first trial), best (of the best trial),
    ndcg@10 of the best trial in each protocol, parameters."""
    best = best_trials(log).pivot(on="protocol", index=["model", "parameters", "value"], values=SCORE)
    best = best.rename({"value": "best"})
    first = pl.col("value").sort_by("trial").first()
    table = log.group_by("model").agg(trials=pl.col("trial").n_unique(), defaults=first).join(best, on="model")
    return table.select("model", "trials", "defaults", "best", *PROTOCOLS, "parameters").sort(
        "best", "model", descending=[True, False], nulls_last=True
    )


def hyperparameter_importance(log: pl.DataFrame, searches: list[Search]) -> pl.DataFrame:
    """One row per model and hyper-parameter whose importance can be estimated (`optuna_search.importance`): model,
    parameter, share (they sum to 1 per model)."""
    rows = []
    for search in searches:
        table = log.filter(pl.col("model") == search.model).unique("trial", keep="first").sort("trial")
        trials = [_as_trial(row, search.space) for row in table.iter_rows(named=True)]
        shares = optuna_search.importance(search.space, trials) or {}
        rows += [(search.model, name, share) for name, share in shares.items()]
    return pl.DataFrame(rows, schema=IMPORTANCE, orient="row")


def _as_trial(row: dict[str, Any], space: Space) -> optuna_search.Trial:
    parameters = json.loads(row["parameters"])
    return optuna_search.Trial(row["trial"], {name: parameters[name] for name in space.free}, row["value"], {})


def best_parameters(log: pl.DataFrame) -> dict[str, dict[str, Any]]:
    """Model -> the hyper-parameters of its best trial. `log`: see `tune`."""
    rows = best_trials(log).unique("model").sort("model").select("model", "parameters")
    return {name: json.loads(parameters) for name, parameters in rows.iter_rows()}


def choose(log: pl.DataFrame, evidence: pl.DataFrame) -> dict[str, Any]:
    """The decisions of the search.

    Parameters
    ----------
    log
        See `tune`.
    evidence
        See `choice.table`.

    Returns
    -------
    dict
        `chosen` (protocol -> model), `choice` (see `choice.report`), `validation` (protocol -> model -> ndcg@10 in the
        validation window alone), `parameters` (see `best_parameters`).
    """
    best = best_trials(log).with_columns(pl.col(SCORE).fill_null(0.0)).filter(pl.col("model") != choice.FLOOR)
    by_protocol = {protocol: best.filter(pl.col("protocol") == protocol).sort("model") for protocol in PROTOCOLS}
    return {
        "chosen": choice.choose(evidence),
        "choice": choice.report(evidence),
        "validation": {p: dict(rows.select("model", SCORE).iter_rows()) for p, rows in by_protocol.items()},
        "parameters": best_parameters(log),
    }


def tuning_report(
    log: pl.DataFrame, searches: list[Search], settings: Train, seed: int, decisions: dict[str, Any]
) -> dict[str, Any]:
    """The content of reports/metrics/tuning.json.

    Returns
    -------
    dict
        The keys of `choose` (chosen, choice, validation, parameters), and

        - feature_service, n_training_users, tune_protocol, max_memory_gb, max_fit_minutes: settings of the run; seed
        - search: see `search_summary`
    """
    return {
        **decisions,
        "feature_service": settings.feature_service,
        "max_fit_minutes": settings.max_fit_minutes,
        "max_memory_gb": settings.max_memory_gb,
        "n_training_users": settings.n_training_users,
        "seed": seed,
        "tune_protocol": settings.tune_protocol,
        "search": search_summary(log, searches),
    }


def search_summary(log: pl.DataFrame, searches: list[Search]) -> dict[str, dict[str, Any]]:
    """Model -> n_trials, best (the value in the validation window), space (empty if all was fixed)."""
    spaces = {search.model: search.space.declared for search in searches}
    return {
        row["model"]: {"n_trials": row["trials"], "best": row["best"], "space": spaces[row["model"]]}
        for row in search_results(log).sort("model").iter_rows(named=True)
    }
