"""What one fit may need: models that would need more are left out, with a sentence that says so."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from recomart_lib import models
from recomart_lib.models import cost
from recomart_lib.models.base import TrainData
from recomart_lib.train.search_space import Range, Space

log = logging.getLogger(__name__)

ALWAYS_FITTED = ("random", "popularity")  # the baselines
NEEDS_RATINGS = ("svdpp",)  # without ratings it would fit a guess for minutes; svd covers that case


def use(max_memory_gb: float, max_fit_minutes: float) -> None:
    """Set what each fit of this process may need: see `Budget`."""
    cost.use_budget(cost.Budget(max_memory_gb, max_fit_minutes))


def left_out(spaces: Mapping[str, Space], data: TrainData) -> dict[str, str]:
    """Model -> what its fit would exceed, for the models of `spaces` that do not keep the budget of `data`.

    Estimated for the largest values that a search may try; the baselines are never left out.

    Parameters
    ----------
    data
        The largest data that the models will be fitted on.
    """
    reasons = {}
    for name, space in spaces.items():
        if name in ALWAYS_FITTED:
            continue
        estimate = models.create(name, **largest(space)).cost(data)
        if reason := data.budget.excess(estimate):
            log.warning("%s: left out: %s", name, reason)
            reasons[name] = reason
    return reasons


def is_possible(name: str, data: TrainData) -> bool:
    """Whether the data have what a model learns from: ratings, for some."""
    if name not in NEEDS_RATINGS or data.interactions.get_column("rating").count():
        return True
    log.warning("%s: left out; it learns from ratings, and there are none before %s", name, data.cut.date())
    return False


def largest(space: Space) -> dict[str, Any]:
    """The first hyper-parameters to try, with the largest value of each number that is searched."""
    values = {**space.fixed, **space.first}
    for name, alternatives in space.free.items():
        if isinstance(alternatives, Range):
            values[name] = alternatives.values[-1] if alternatives.step else alternatives.high
        elif all(isinstance(value, int | float) for value in alternatives):
            values[name] = max(alternatives)
    return values
