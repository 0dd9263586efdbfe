"""Search spaces of hyper-parameters, as declared in `train.models` of params.yaml.

A plain value is fixed, a list is a choice, a mapping with `low` and `high` is a range.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from recomart_lib import models
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.train.settings import Train

WHERE = "params.yaml: train.models"
RANGE_KEYS = ("low", "high", "log", "step")


@dataclass(frozen=True)
class Range:
    """All values from `low` to `high`, both included; integers if the model's own default is one.

    `log`: sampled on a logarithmic scale. `step`: only low, low + step, ...; None: every value.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def is_integer(self) -> bool:
        """Whether the values are integers."""
        return isinstance(self.low, int)

    @property
    def count(self) -> float:
        """The number of values; infinite for a continuous range."""
        step = self.step or (1 if self.is_integer else None)
        if self.low == self.high:
            return 1
        # with a small tolerance: 0.3 / 0.1 is slightly less than 3
        return math.inf if step is None else int((self.high - self.low) / step + 1e-9) + 1

    @property
    def values(self) -> list[float]:
        """All values of a discrete range."""
        return [self.low + n * (self.step or 1) for n in range(int(self.count))]

    @property
    def declared(self) -> dict[str, Any]:
        """As in params.yaml: low, high, and whatever differs from the default."""
        options = {"log": self.log, "step": self.step}
        return {"low": self.low, "high": self.high, **{name: value for name, value in options.items() if value}}

    def nearest(self, value: float) -> float:
        """The value of the range that is nearest to this one."""
        inside = min(max(value, self.low), self.high)
        if self.step is None:
            return type(self.low)(inside)
        return self.low + min(round((inside - self.low) / self.step), int(self.count) - 1) * self.step


@dataclass(frozen=True)
class Space:
    """One model's hyper-parameters: `fixed` values, `free` ones with their alternatives, and the `first` to try.

    The first are the model's own defaults; if the alternatives do not include them, the first of a list and the nearest
    value of a range.
    """

    fixed: dict[str, Any]
    free: dict[str, list[Any] | Range]
    first: dict[str, Any]

    @property
    def size(self) -> float:
        """The number of different combinations; infinite for a continuum, 1 where all is fixed."""
        return math.prod(values.count if isinstance(values, Range) else len(values) for values in self.free.values())

    @property
    def declared(self) -> dict[str, Any]:
        """The free hyper-parameters as in params.yaml, ready for JSON."""
        return {name: values.declared if isinstance(values, Range) else values for name, values in self.free.items()}

    def combinations(self) -> list[dict[str, Any]]:
        """All combinations of a finite space: `first`, then the others in the order of declaration."""
        alternatives = (values.values if isinstance(values, Range) else values for values in self.free.values())
        combinations = [dict(zip(self.free, values, strict=True)) for values in itertools.product(*alternatives)]
        return sorted(combinations, key=lambda combination: combination != self.first)


def search_spaces(train: Train, seed: int) -> dict[str, Space]:
    """Model -> search space: of `train.models`, and always of random (a baseline) and svd (for its ratings)."""
    declared = {"random": {}, **train.models}
    declared.setdefault("svd", {})
    return {name: parse(name, _with_seed(name, entry, seed)) for name, entry in declared.items()}


def check(train: Train) -> None:
    """Check everything about `train.models` that does not depend on data.

    Raises
    ------
    UserError
        If a model or hyper-parameter does not exist, a value is out of range, a search space is invalid (see `parse`),
        or the baseline popularity is missing.
    """
    if "random" in train.models:
        raise UserError("params.yaml: train.models.random: this baseline is always fitted. Remove it.")
    if "popularity" not in train.models:
        raise UserError("params.yaml: train.models lacks popularity, which every other model is compared with.")
    search_spaces(train, seed=0)


def _with_seed(name: str, declared: dict[str, Any], seed: int) -> dict[str, Any]:
    has_seed = name in models.MODELS and "seed" in models.MODELS[name].hyperparameter_names()
    return {**declared, "seed": seed} if has_seed else declared


def parse(model: str, declared: dict[str, Any]) -> Space:
    """A model's entry in train.models, checked against the model.

    >>> parse("ease", {"reg": {"low": 20, "high": 2_000, "log": True}, "max_items": 9}).first
    {'reg': 200.0}

    Raises
    ------
    UserError
        Naming the key, if the model or the hyper-parameter does not exist (the nearest name is suggested), a list is
        empty or repeats a value, a range is invalid, or the model refuses a value.
    """
    try:
        defaults = models.create(model).hyperparameters
    except UserError as problem:
        raise UserError(f"{WHERE}: {problem}") from None
    free: dict[str, list[Any] | Range] = {}
    for name, value in declared.items():
        key = f"{WHERE}.{model}.{name}"
        if name not in defaults:
            raise UserError(f"{key}: {model} has no such hyper-parameter. {suggestion(name, list(defaults))}")
        if isinstance(value, dict):
            free[name] = _range(key, model, name, value, defaults[name])
        elif isinstance(value, list):
            free[name] = _choice(key, model, name, value)
        else:
            _check_value(key, model, name, value)
    fixed = {name: value for name, value in declared.items() if name not in free}
    return Space(fixed, free, {name: _first(values, defaults[name]) for name, values in free.items()})


def _choice(key: str, model: str, name: str, values: list[Any]) -> list[Any]:
    if not values:
        raise UserError(f"{key} is an empty list: it needs at least one value.")
    for value in values:
        _check_value(key, model, name, value)
        if values.count(value) > 1:
            raise UserError(f"{key} lists {value!r} more than once.")
    return values


def _range(key: str, model: str, name: str, declared: dict[str, Any], default: Any) -> Range:
    _check_keys(key, declared)
    if isinstance(default, str):
        raise UserError(
            f"{key}: {name} is a string, and strings have no range. List the alternatives: [{default}, ...]."
        )
    for end in ("low", "high"):
        _check_value(f"{key}.{end}", model, name, declared[end])
    low, high, log, step = (declared.get(option) for option in RANGE_KEYS)
    _check_bounds(key, low, high, log)
    kind = int if isinstance(default, int) else float
    if step is not None:
        _check_step(key, log, step, high - low, kind is int)
        step = kind(step)
    return Range(kind(low), kind(high), bool(log), step)


def _check_keys(key: str, declared: dict[str, Any]) -> None:
    if unknown := [name for name in declared if name not in RANGE_KEYS]:
        raise UserError(f"{key}.{unknown[0]}: not a key of a range. {suggestion(unknown[0], list(RANGE_KEYS))}")
    if missing := [end for end in ("low", "high") if end not in declared]:
        raise UserError(f"{key}: a range needs low and high; {' and '.join(missing)} is missing.")


def _check_bounds(key: str, low: float, high: float, log: Any) -> None:
    if low > high:
        raise UserError(f"{key}: low = {low} is above high = {high}. Swap them.")
    if not isinstance(log, bool | None):
        raise UserError(f"{key}.log is {log!r}; expected true or false.")
    if log and low <= 0:
        raise UserError(f"{key}: a log range cannot start at {low}: low must be above 0, or leave log out.")


def _check_step(key: str, log: bool | None, step: Any, width: float, is_integer: bool) -> None:
    if log:
        raise UserError(f"{key}: a range has log or step, not both.")
    is_number = isinstance(step, int if is_integer else int | float) and not isinstance(step, bool)
    if not is_number or not 0 < step <= width:
        kind = "an integer" if is_integer else "a number"
        raise UserError(f"{key}.step is {step!r}; expected {kind} above 0 and at most high - low = {width}.")


def _check_value(key: str, model: str, name: str, value: Any) -> None:
    """Let the model itself check a value."""
    try:
        models.create(model, **{name: value})
    except (UserError, TypeError) as problem:
        raise UserError(f"{key}: {problem}") from None


def _first(values: list[Any] | Range, default: Any) -> Any:
    if isinstance(values, Range):
        return values.nearest(default)
    return default if default in values else values[0]
