"""Which hyper-parameters are searched: a search space as people declare it in params.yaml's train.models.

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

WHERE = "params.yaml: train.models"


@dataclass(frozen=True)
class Range:
    """All values from `low` to `high`, both included; integers if the model's own default is one.

    `log`: equal ratios are equally likely, not equal distances. `step`: only low, low + step, ...; None: every one.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether these are integers."""
        return isinstance(self.low, int)

    @property
    def count(self) -> float:
        """How many values; infinite for a continuum."""
        step = self.step or (1 if self.whole else None)
        if self.low == self.high:
            return 1
        # a hair of tolerance, for 0.3 / 0.1 is a little less than 3
        return math.inf if step is None else int((self.high - self.low) / step + 1e-9) + 1

    @property
    def values(self) -> list[float]:
        """All values of a range that is no continuum."""
        return [self.low + n * (self.step or 1) for n in range(int(self.count))]

    @property
    def declared(self) -> dict[str, Any]:
        """As params.yaml would say it: low, high, and what else is not the default."""
        rest = {"log": self.log, "step": self.step}
        return {"low": self.low, "high": self.high, **{name: value for name, value in rest.items() if value}}

    def nearest(self, value: float) -> float:
        """The value of the range that is nearest to another."""
        inside = min(max(value, self.low), self.high)
        if self.step is None:
            return type(self.low)(inside)
        return self.low + min(round((inside - self.low) / self.step), int(self.count) - 1) * self.step


@dataclass(frozen=True)
class Space:
    """One model's hyper-parameters: `fixed` values, `free` ones with their alternatives, and the `first` to try.

    The first are the model's own defaults; where these are no alternatives, the first of a list and the nearest value
    of a range.
    """

    fixed: dict[str, Any]
    free: dict[str, list[Any] | Range]
    first: dict[str, Any]

    @property
    def size(self) -> float:
        """The number of different combinations; infinite for a continuum, 1 where all is fixed."""
        return math.prod(one.count if isinstance(one, Range) else len(one) for one in self.free.values())

    @property
    def declared(self) -> dict[str, Any]:
        """The free hyper-parameters as params.yaml would say them, for machines."""
        return {name: one.declared if isinstance(one, Range) else one for name, one in self.free.items()}

    def combinations(self) -> list[dict[str, Any]]:
        """All combinations of a finite space, the first to try on top, then in the order of declaration."""
        found = itertools.product(*(one.values if isinstance(one, Range) else one for one in self.free.values()))
        every = [dict(zip(self.free, values, strict=True)) for values in found]
        return sorted(every, key=lambda one: one != self.first)


def parse(model: str, declared: dict[str, Any]) -> Space:
    """A model's entry in train.models, checked against the model.

    >>> parse("ease", {"reg": {"low": 20, "high": 2_000, "log": True}, "max_items": 9}).first
    {'reg': 200.0}

    Raises
    ------
    UserError
        Naming the key, if the model or the hyper-parameter does not exist (the nearest is suggested), a list is empty
        or says a value twice, a range is none, or a value is not one that the model takes.
    """
    try:
        defaults = models.create(model).hyper
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
            _taken(key, model, name, value)
    fixed = {name: value for name, value in declared.items() if name not in free}
    return Space(fixed, free, {name: _first(one, defaults[name]) for name, one in free.items()})


def _choice(key: str, model: str, name: str, values: list[Any]) -> list[Any]:
    if not values:
        raise UserError(f"{key} is an empty list: nothing would be tried.")
    for value in values:
        _taken(key, model, name, value)
        if values.count(value) > 1:
            raise UserError(f"{key} lists {value!r} more than once.")
    return values


def _range(key: str, model: str, name: str, declared: dict[str, Any], default: Any) -> Range:
    known = ("low", "high", "log", "step")
    if strangers := [word for word in declared if word not in known]:
        raise UserError(f"{key}.{strangers[0]}: no part of a range. {suggestion(strangers[0], list(known))}")
    if missing := [word for word in ("low", "high") if word not in declared]:
        raise UserError(f"{key}: a range needs low and high; {' and '.join(missing)} is missing.")
    if isinstance(default, str):
        raise UserError(f"{key}: {name} is a word, and words have no range. List the alternatives: [{default}, ...].")
    for word in ("low", "high"):
        _taken(f"{key}.{word}", model, name, declared[word])
    low, high, log, step = (declared.get(word) for word in known)
    if low > high:
        raise UserError(f"{key}: low = {low} is above high = {high}. Swap them.")
    if not isinstance(log, bool | None):
        raise UserError(f"{key}.log is {log!r}; expected true or false.")
    if log and low <= 0:
        raise UserError(f"{key}: a log range cannot start at {low}: low must be above 0, or leave log out.")
    if step is not None:
        _check_step(key, log, step, high - low, isinstance(default, int))
    kind = int if isinstance(default, int) else float
    return Range(kind(low), kind(high), bool(log), None if step is None else kind(step))


def _check_step(key: str, log: bool | None, step: Any, width: float, whole: bool) -> None:
    if log:
        raise UserError(f"{key}: a range has log or step, not both.")
    number = isinstance(step, int if whole else int | float) and not isinstance(step, bool)
    if not number or not 0 < step <= width:
        kind = "an integer" if whole else "a number"
        raise UserError(f"{key}.step is {step!r}; expected {kind} above 0 and at most high - low = {width}.")


def _taken(key: str, model: str, name: str, value: Any) -> None:
    """Let the model itself judge a value."""
    try:
        models.create(model, **{name: value})
    except (UserError, TypeError) as problem:
        raise UserError(f"{key}: {problem}") from None


def _first(one: list[Any] | Range, default: Any) -> Any:
    if isinstance(one, Range):
        return one.nearest(default)
    return default if default in one else one[0]
