"""Hyper-parameter search with Optuna, whose finished trials are stored in a file. Only this module uses Optuna.

A search resumes where a killed run stopped, with the same result as an uninterrupted run: the file contains finished
trials only, and the next parameters depend only on them and on the seed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recomart_lib.core import files
from recomart_lib.core.errors import UserError
from recomart_lib.train.search_space import Range, Space

log = logging.getLogger(__name__)

MAX_GRID = 12  # spaces of up to this many combinations are searched completely; a sampler would repeat some
N_RANDOM = 4  # random trials before the sampler uses the results (Optuna's 10 are too many for a small budget)
MIN_TRIALS = 10  # required to estimate the importance of hyper-parameters
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
        A JSON file with the finished trials of all studies of a model; created if missing, and replaced after every
        trial: a killed run leaves no partial trial in it.
    objective
        Free hyper-parameters -> scores by name.

    Raises
    ------
    UserError
        If the file cannot be read.

    Source: Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011; Optuna's TPESampler.
    """
    studies = _read(file)
    stored = studies.setdefault(search.name, [])
    finished = [_trial(number, entry, search.goal) for number, entry in enumerate(stored)]
    n_total = search.budget(n_trials)
    log.info("%s: %d of %d trials are in %s", search.name, min(len(finished), n_total), n_total, file.name)
    yield from finished[:n_total]
    while len(finished) < n_total:
        params = _next_params(finished, search)
        repeated = [trial.scores for trial in finished if trial.params == params]
        scores = repeated[0] if repeated else objective(params)
        stored.append({"params": _as_declared(params, search.space), "scores": scores})
        files.write_text(file, json.dumps(studies, indent=1) + "\n")
        finished.append(_trial(len(finished), stored[-1], search.goal))
        yield finished[-1]


def importance(space: Space, finished: list[Trial]) -> dict[str, float] | None:
    """The importance of each free hyper-parameter for the value of trials, largest first; the shares sum to 1.

    None where it cannot be estimated: fewer than two free ones, fewer than `MIN_TRIALS` trials, or all equally good.

    Source: Watanabe et al., PED-ANOVA, IJCAI 2023; Optuna.
    """
    import optuna

    if len(space.free) < 2 or len(finished) < MIN_TRIALS or len({trial.value for trial in finished}) < 2:
        return None
    study = _study(finished, _distributions(space))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _next_params(finished: list[Trial], search: Search) -> dict[str, Any]:
    """The hyper-parameters to try after the finished trials."""
    if not finished:
        return search.space.first
    if search.space.size <= MAX_GRID:
        return search.space.combinations()[len(finished)]
    import optuna  # half a second to import: only where it is used

    distributions = _distributions(search.space)
    seed = zlib.crc32(f"{search.seed}:{search.model}:{len(finished)}".encode())
    sampler = optuna.samplers.TPESampler(n_startup_trials=N_RANDOM, seed=seed)
    return _study(finished, distributions, sampler).ask(distributions).params


def _study(finished: list[Trial], distributions: dict[str, Any], sampler: Any = None) -> Any:
    """A study in memory with these trials."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for trial in finished:
        value = trial.value or 0.0
        study.add_trial(optuna.trial.create_trial(params=trial.params, distributions=distributions, value=value))
    return study


def _as_declared(params: dict[str, Any], space: Space) -> dict[str, Any]:
    """Equal values of the types in the space: of the choices [15, 40], a default of 40.0 is 40."""
    kinds = _distributions(space) if params else {}
    return {name: kinds[name].to_external_repr(kinds[name].to_internal_repr(value)) for name, value in params.items()}


def _read(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The name of each study -> `params` and `scores` of its finished trials, in order. Empty if there is no file.

    Plain JSON: Optuna's database takes longer to create than most models to fit, and its journal stays locked after a
    killed run.
    """
    if not file.exists():
        return {}
    try:
        studies = json.loads(file.read_bytes())
        for entry in itertools.chain.from_iterable(studies.values()):
            dict(entry["params"]), dict(entry["scores"])
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise UserError(
            f"{file} contains no trials that can be read ({problem}). Remove the file: the search then starts again."
        ) from problem
    return studies


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


def _trial(number: int, entry: dict[str, Any], goal: str) -> Trial:
    return Trial(number, entry["params"], _value(entry["scores"], goal), entry["scores"])


def _value(scores: dict[str, float | None], goal: str) -> float | None:
    values = [score for name, score in scores.items() if score is not None and goal in ("mean", name)]
    return sum(values) / len(values) if values else None
