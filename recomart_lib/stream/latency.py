"""Latency histograms: counts per class of milliseconds, which can be merged, and their quantiles."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np
import polars as pl

STEP = 1.05  # each class ends 5 % above the previous one; a quantile is at most 5 % too high
MINUTE = "%Y-%m-%dT%H:%M"  # format of a minute, in UTC
TARGET_MS = 1000  # p99, from the production of a message to the online features
NAMES = {"p50": 0.50, "p95": 0.95, "p99": 0.99, "max": 1.0}

Histogram = dict[str, int]  # class number (text, for JSON) -> number of events


def histogram(milliseconds: np.ndarray) -> Histogram:
    """Count latencies; class n is the interval (STEP ** (n - 1), STEP ** n], class 0 everything up to 1 ms."""
    numbers = np.ceil(np.log(np.maximum(milliseconds, 1)) / math.log(STEP)).astype(int)
    values, counts = np.unique(numbers, return_counts=True)
    return dict(zip(map(str, values.tolist()), counts.tolist(), strict=True))


def histogram_since(sent: pl.Series, now: datetime) -> Histogram:
    """The latencies until `now` of messages that were sent at these moments (null: not counted)."""
    milliseconds = (pl.Series([now]) - sent.drop_nulls()).dt.total_microseconds() / 1000
    return histogram(milliseconds.to_numpy())


def merge(histograms: Iterable[Mapping[str, int]]) -> Histogram:
    """The sum of several histograms."""
    total: Counter[str] = Counter()
    for counts in histograms:
        total.update(counts)
    return dict(total)


def quantiles(counts: Mapping[str, int]) -> dict[str, float | None]:
    """p50, p95, p99 and max in milliseconds, each the upper end of its class; None if nothing was counted."""
    if not counts:
        return dict.fromkeys(NAMES)
    numbers = np.array(sorted(map(int, counts)))
    cumulative = np.cumsum([counts[str(number)] for number in numbers])
    places = {name: np.searchsorted(cumulative, math.ceil(share * cumulative[-1])) for name, share in NAMES.items()}
    return {name: round(STEP ** float(numbers[place]), 1) for name, place in places.items()}
