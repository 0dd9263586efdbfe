"""What a fit needs: memory and time, estimated before it starts, and the bounds that it must keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import psutil
from scipy import sparse

from recomart_lib.core.errors import UserError

# Operations per second of a nominal core: in dense linear algebra, and in everything else. They are constants, not
# measured: which models are left out must not depend on the machine.
DENSE_SPEED, OTHER_SPEED = 20e9, 1e9


@dataclass(frozen=True)
class Cost:
    """The largest amount of memory in use during a fit (bytes, without the training data), and its time on one nominal
    core (seconds)."""

    memory: float
    seconds: float

    @classmethod
    def of(cls, memory: float, dense: float = 0.0, other: float = 0.0) -> Cost:
        """The cost of this many bytes, and operations in dense linear algebra and in everything else."""
        return cls(memory, dense / DENSE_SPEED + other / OTHER_SPEED)

    def __add__(self, further: Cost) -> Cost:
        """The cost of both, with the results of both in memory."""
        return Cost(self.memory + further.memory, self.seconds + further.seconds)


@dataclass(frozen=True)
class Budget:
    """What one fit may need: `train.max_memory_gb`, and `train.max_fit_minutes` of one nominal core."""

    max_memory_gb: float = 2.0
    max_fit_minutes: float = 10.0

    @property
    def memory(self) -> float:
        """In bytes."""
        return self.max_memory_gb * 1e9

    @property
    def seconds(self) -> float:
        """In seconds of one nominal core."""
        return self.max_fit_minutes * 60

    def excess(self, cost: Cost) -> str | None:
        """What the cost exceeds, in words; None if it is within the budget.

        Examples
        --------
        >>> Budget(max_memory_gb=2).excess(Cost(memory=3.21e9, seconds=5))
        'a fit would need about 3.2 GB of memory, more than train.max_memory_gb (2)'
        """
        if cost.memory > self.memory:
            return (
                f"a fit would need about {cost.memory / 1e9:,.1f} GB of memory, more than train.max_memory_gb "
                f"({self.max_memory_gb:g})"
            )
        if cost.seconds > self.seconds:
            return (
                f"a fit would take about {cost.seconds / 60:,.1f} minutes of one core, more than "
                f"train.max_fit_minutes ({self.max_fit_minutes:g})"
            )
        return None


_budget = Budget()


def use_budget(budget: Budget) -> None:
    """Set the budget of all training data that this process makes from now on: a stage calls it once, first."""
    global _budget
    _budget = budget


def current_budget() -> Budget:
    """What `use_budget` set; the defaults before."""
    return _budget


def squared_lengths(history: sparse.csr_matrix) -> float:
    """The sum of squares of the numbers of entries of the rows: how often two items are in one history."""
    return float(np.square(np.diff(history.indptr), dtype=np.float64).sum())


def require_available(name: str, cost: Cost) -> None:
    """Raise UserError unless the memory is available now: better than a process that the system ends."""
    if cost.memory > (available := available_memory()):
        raise UserError(
            f"{name}: a fit needs up to {cost.memory / 1e9:,.1f} GB, and {available / 1e9:,.1f} GB of memory are "
            f"available. Close other programs, decrease train.max_memory_gb, or remove {name} from train.models."
        )


def available_memory() -> int:
    """Bytes of memory available without swapping."""
    return psutil.virtual_memory().available
