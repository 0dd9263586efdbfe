"""Hyper-parameter search: one Optuna study per model, stored in a file. Only this module uses Optuna.

A study resumes where a killed run stopped, with the same result as an uninterrupted run: the file contains finished
trials only, and the next parameters depend only on them and on the seed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from recomart_lib.core.errors import UserError
from recomart_lib.train.search_space import Range, Space

log = logging.getLogger(__name__)

MAX_GRID = 12  # spaces of up to this many combinations are searched completely; a sampler would repeat some
N_RANDOM = 4  # random trials before the sampler uses the results (Optuna's 10 are too many for a small budget)
MIN_TRIALS = 10  # required to estimate the importance of hyper-parameters
NO_TIME = datetime(2000, 1, 1)  # Optuna stores times, by which equal runs would differ
Objective = Callable[[dict[str, Any]], dict[str, float | None]]


@dataclass(frozen=True)
class Trial:
    """One finished trial: its number (0: the defaults), the free hyper-parameters, the `value` to maximise (None: no
    user can be evaluated), and all scores by name."""

    number: int
    params: dict[str, Any]
    value: float | None
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Search:
    """What identifies a search: the model, its space, the seed, the `goal` (the name of the score to maximise, or
    `mean` of all) and `fingerprints` of everything else that the scores depend on: data and code."""

    model: str
    space: Space
    seed: int
    goal: str
    fingerprints: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`<model>-<12 hex digits>`, the name of the study."""
        text = json.dumps(asdict(self))
        return f"{self.model}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def budget(self, n_trials: int) -> int:
        """The number of trials to run: at most the number of combinations, so that a fixed model is fitted once."""
        return int(min(n_trials, self.space.size))


def trials(search: Search, n_trials: int, file: Path, objective: Objective) -> Iterator[Trial]:
    """The trials of a search in order, each as soon as it is finished; those in the file come immediately.

    The first trial has the defaults, so that the best is never worse. A small space is searched completely; in a larger
    one the tree-structured Parzen estimator chooses, with a seed derived from the search's seed, the model and the
    number of finished trials: an interrupted search resumes identically. Repeated parameters are not fitted again.

    Parameters
    ----------
    file
        An SQLite file; created if missing. A killed run leaves neither a lock nor a partial trial in it.
    objective
        Free hyper-parameters -> scores by name.

    Raises
    ------
    UserError
        If this version of Optuna cannot read the file.

    Source: Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011; Optuna's TPESampler.
    """
    import optuna  # half a second to import: only where it is used

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, distributions = _open(file, search.name), _distributions(search.space)
    finished = [_trial(stored, search.goal) for stored in study.get_trials(deepcopy=False)]
    n_total = search.budget(n_trials)
    log.info("%s: %d of %d trials are in %s", search.name, min(len(finished), n_total), n_total, file.name)
    yield from finished[:n_total]
    while len(finished) < n_total:
        params = _next_params(study, search, distributions)
        repeated = [trial.scores for trial in finished if trial.params == params]
        scores = repeated[0] if repeated else objective(params)
        trial = optuna.trial.create_trial(
            params=params,
            distributions=distributions,
            value=_value(scores, search.goal) or 0.0,
            user_attrs={"scores": scores},
        )
        trial.datetime_start = trial.datetime_complete = NO_TIME
        study.add_trial(trial)
        finished.append(_trial(study.get_trials(deepcopy=False)[-1], search.goal))
        yield finished[-1]


def importance(space: Space, finished: list[Trial]) -> dict[str, float] | None:
    """The importance of each free hyper-parameter for the value of trials, largest first; the shares sum to 1.

    None where it cannot be estimated: fewer than two free ones, fewer than `MIN_TRIALS` trials, or all equally good.

    Source: Watanabe et al., PED-ANOVA, IJCAI 2023; Optuna.
    """
    import optuna

    if len(space.free) < 2 or len(finished) < MIN_TRIALS or len({trial.value for trial in finished}) < 2:
        return None
    study, distributions = optuna.create_study(direction="maximize"), _distributions(space)
    for trial in finished:
        value = trial.value or 0.0
        study.add_trial(optuna.trial.create_trial(params=trial.params, distributions=distributions, value=value))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _next_params(study: Any, search: Search, distributions: dict[str, Any]) -> dict[str, Any]:
    """The hyper-parameters to try after the finished trials.

    From a copy in memory: `ask` adds a running trial, which a killed run would leave in the file.
    """
    import optuna

    finished = study.get_trials(deepcopy=False)
    if not finished:
        return search.space.first
    if search.space.size <= MAX_GRID:
        return search.space.combinations()[len(finished)]
    seed = zlib.crc32(f"{search.seed}:{search.model}:{len(finished)}".encode())
    sampler = optuna.samplers.TPESampler(n_startup_trials=N_RANDOM, seed=seed)
    copy = optuna.create_study(direction="maximize", sampler=sampler)
    copy.add_trials(finished)
    return copy.ask(distributions).params


def _open(file: Path, name: str) -> Any:
    """The study of this name, created if missing. SQLite, as Optuna's journal file stays locked after a killed run."""
    import optuna

    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with sqlite3.connect(file) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
        connection.close()
        storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    except (sqlite3.DatabaseError, RuntimeError) as problem:
        raise UserError(
            f"{file} contains no studies that this version of Optuna can read ({problem}). "
            "Remove the file: the search then starts again."
        ) from problem
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def _distributions(space: Space) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    distributions: dict[str, Any] = {}
    for name, values in space.free.items():
        if isinstance(values, Range):
            high = values.values[-1] if values.step else values.high  # Optuna warns if no step reaches the upper end
            step = {"step": values.step} if values.step else {}
            distribution = IntDistribution if values.is_integer else FloatDistribution
            distributions[name] = distribution(values.low, high, log=values.log, **step)
        else:
            distributions[name] = CategoricalDistribution(values)
    return distributions


def _trial(stored: Any, goal: str) -> Trial:
    scores = stored.user_attrs["scores"]
    return Trial(stored.number, stored.params, _value(scores, goal), scores)


def _value(scores: dict[str, float | None], goal: str) -> float | None:
    values = [score for name, score in scores.items() if score is not None and goal in ("mean", name)]
    return sum(values) / len(values) if values else None
