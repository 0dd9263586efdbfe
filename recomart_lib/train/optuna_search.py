"""The search for hyper-parameters: one Optuna study per model, kept in a file. Only this module knows Optuna.

A study goes on where a killed run stopped, and ends as if nobody had stopped it: the file holds finished trials only,
and what is tried next depends on the seed and on them alone.
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

SMALL = 12  # combinations up to which a space is walked through, each once; a sampler would come back to some
N_RANDOM = 4  # trials before the sampler starts to learn (Optuna's 10 would leave little of a small budget)
MIN_TRIALS = 10  # from which on the importance of hyper-parameters is told
NO_TIME = datetime(2000, 1, 1)  # Optuna's files hold times, by which equal runs would differ
Judge = Callable[[dict[str, Any]], dict[str, float | None]]


@dataclass(frozen=True)
class Trial:
    """One finished trial: its number (0: the defaults), the free hyper-parameters, the `value` to maximise (None:
    nobody can be judged), and all scores by name."""

    number: int
    params: dict[str, Any]
    value: float | None
    scores: dict[str, float | None]


@dataclass(frozen=True)
class Search:
    """What makes a search the same search: the model, its space, the seed, the `goal` (the name of the score to
    maximise, or `mean` of all) and `facts`, words for all else that the scores depend on: data and code."""

    model: str
    space: Space
    seed: int
    goal: str
    facts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`<model>-<12 hex digits>`, the name of the study."""
        text = json.dumps(asdict(self))
        return f"{self.model}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def budget(self, n_trials: int) -> int:
        """How many of these trials are made: no more than there are combinations, so a fixed model is fitted once."""
        return int(min(n_trials, self.space.size))


def trials(search: Search, n_trials: int, file: Path, judge: Judge) -> Iterator[Trial]:
    """The trials of a search in order, each as soon as it is finished; those in the file come at once.

    The first tries the defaults, so that the best is never worse than these. A small space is walked through; in a
    larger one the tree-structured Parzen estimator chooses, with a seed made of the search's seed, the model and the
    number of finished trials: a stopped search goes on alike. What was tried before is not fitted again.

    Parameters
    ----------
    file
        An SQLite file; made if it is missing. A killed run leaves neither a lock nor half a trial in it.
    judge
        Free hyper-parameters -> scores by name.

    Raises
    ------
    UserError
        If the file is no study file of this version of Optuna.

    Source: Bergstra et al., Algorithms for hyper-parameter optimization, NeurIPS 2011; Optuna's TPESampler.
    """
    import optuna  # half a second to import: only where it is used

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study, scopes = _open(file, search.name), _distributions(search.space)
    found = [_trial(one, search.goal) for one in study.get_trials(deepcopy=False)]
    wanted = search.budget(n_trials)
    log.info("%s: %d of %d trials are in %s", search.name, min(len(found), wanted), wanted, file.name)
    yield from found[:wanted]
    while len(found) < wanted:
        params = _next(study, search, scopes)
        known = [trial.scores for trial in found if trial.params == params]
        scores = known[0] if known else judge(params)
        done = optuna.trial.create_trial(
            params=params, distributions=scopes, value=_value(scores, search.goal) or 0.0, user_attrs={"scores": scores}
        )
        done.datetime_start = done.datetime_complete = NO_TIME
        study.add_trial(done)
        found.append(_trial(study.get_trials(deepcopy=False)[-1], search.goal))
        yield found[-1]


def importance(space: Space, found: list[Trial]) -> dict[str, float] | None:
    """The share of each free hyper-parameter in what makes trials good, largest first; shares sum to 1.

    None where that cannot be told: fewer than two free ones, fewer than `MIN_TRIALS` trials, or all equally good.

    Source: Watanabe et al., PED-ANOVA, IJCAI 2023; Optuna.
    """
    import optuna

    if len(space.free) < 2 or len(found) < MIN_TRIALS or len({trial.value for trial in found}) < 2:
        return None
    study, scopes = optuna.create_study(direction="maximize"), _distributions(space)
    for trial in found:
        study.add_trial(optuna.trial.create_trial(params=trial.params, distributions=scopes, value=trial.value or 0.0))
    how = optuna.importance.PedAnovaImportanceEvaluator()
    return optuna.importance.get_param_importances(study, evaluator=how)


def _next(study: Any, search: Search, scopes: dict[str, Any]) -> dict[str, Any]:
    """The hyper-parameters to try after the finished trials. Asked of a copy in memory: asking leaves a running trial
    behind, and in the file a killed run would leave it for ever."""
    import optuna

    done = study.get_trials(deepcopy=False)
    if not done:
        return search.space.first
    if search.space.size <= SMALL:
        return search.space.combinations()[len(done)]
    drawn = zlib.crc32(f"{search.seed}:{search.model}:{len(done)}".encode())
    sampler = optuna.samplers.TPESampler(n_startup_trials=N_RANDOM, seed=drawn)
    copy = optuna.create_study(direction="maximize", sampler=sampler)
    copy.add_trials(done)
    return copy.ask(scopes).params


def _open(file: Path, name: str) -> Any:
    """The study of this name, new if there is none. Not Optuna's journal file: a killed run leaves its lock there."""
    import optuna

    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with sqlite3.connect(file) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
        connection.close()
        storage = optuna.storages.RDBStorage(f"sqlite:///{file}")
    except (sqlite3.DatabaseError, RuntimeError) as problem:
        raise UserError(
            f"{file} holds no studies that this version of Optuna can read ({problem}). "
            "Remove the file: tuning starts anew."
        ) from problem
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def _distributions(space: Space) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    scopes: dict[str, Any] = {}
    for name, one in space.free.items():
        if isinstance(one, Range):
            high = one.values[-1] if one.step else one.high  # Optuna warns of ends that no step reaches
            step = {"step": one.step} if one.step else {}
            scopes[name] = (IntDistribution if one.whole else FloatDistribution)(one.low, high, log=one.log, **step)
        else:
            scopes[name] = CategoricalDistribution(one)
    return scopes


def _trial(stored: Any, goal: str) -> Trial:
    scores = stored.user_attrs["scores"]
    return Trial(stored.number, stored.params, _value(scores, goal), scores)


def _value(scores: dict[str, float | None], goal: str) -> float | None:
    known = [score for name, score in scores.items() if score is not None and goal in ("mean", name)]
    return sum(known) / len(known) if known else None
