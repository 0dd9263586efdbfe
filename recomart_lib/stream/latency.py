"""How late events are: counts in classes of milliseconds, which can be added up, and their quantiles. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np
import polars as pl

STEP = 1.05  # a class ends 5 % above the one below it, so much a quantile may be too high
MINUTE = "%Y-%m-%dT%H:%M"  # how a minute is written, in UTC
TARGET_MS = 1000  # from the making of a message to the online features: p99
NAMES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}

Classes = dict[str, int]  # number of the class, as text for JSON -> events in it


def classes(milliseconds: np.ndarray) -> Classes:
    """Count latencies; class n holds those above STEP ** (n - 1) and up to STEP ** n, class 0 all up to one."""
    numbers = np.ceil(np.log(np.maximum(milliseconds, 1)) / math.log(STEP)).astype(int)
    values, counts = np.unique(numbers, return_counts=True)
    return dict(zip(map(str, values.tolist()), counts.tolist(), strict=True))


def late(sent: pl.Series, now: datetime) -> Classes:
    """The classes of what was made at these moments (null: not counted) and has arrived now."""
    passed = (pl.Series([now]) - sent.drop_nulls()).dt.total_microseconds() / 1000
    return classes(passed.to_numpy())


def added(parts: Iterable[Mapping[str, int]]) -> Classes:
    """The classes of all parts together."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def quantiles(counts: Mapping[str, int]) -> dict[str, float | None]:
    """p50, p95, p99 and max in milliseconds, each the upper end of its class; None where nothing was counted."""
    if not counts:
        return dict.fromkeys(NAMES)
    numbers = np.array(sorted(map(int, counts)))
    below = np.cumsum([counts[str(number)] for number in numbers])
    places = {name: np.searchsorted(below, math.ceil(share * below[-1])) for name, share in NAMES.items()}
    return {name: round(STEP ** float(numbers[place]), 1) for name, place in places.items()}
