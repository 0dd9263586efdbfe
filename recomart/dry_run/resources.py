"""About how long a full run takes, and how much memory it needs: from runs that were measured, as the shop is large.

Estimates are ranges: machines differ, and no two shops of one size are alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

# docs/benchmarks.md, "How cost grows with the shop": 2 cores, 24 GiB, idle. Events of a run -> wall seconds and GiB.
EVENTS = (110_000, 420_000, 1_370_000, 4_350_000)
SECONDS = {
    "01_ingest": (11.0, 13.4, 15.4, 22.2),
    "02_validate": (9.7, 10.8, 14.2, 25.7),
    "03_explore": (4.8, 4.6, 5.5, 6.3),
    "04_prepare": (3.4, 3.9, 6.1, 11.8),
    "05_features": (16.5, 21.4, 38.9, 102.7),
    "06_train": (15.4, 38.5, 102.1, 268.8),
    "07_evaluate": (7.7, 11.5, 20.7, 48.2),
    "08_recommend": (9.6, 18.0, 41.8, 143.5),
    "others": (4.7, 5.0, 4.9, 5.0),  # 09_stream and the index
}
MEMORY = (0.8, 1.5, 2.6, 5.8)
# What grows with users x products, whatever the number of events: the same runs (bench/scale.py has their sizes), and
# the catalogue of 200,000 products below the table, which ran beside other work.
CELLS = (12.5e6, 50e6, 320e6, 2e9, 8.8e9)
SECONDS_BY_CELLS = {"06_train": (15.4, 38.5, 102.1, 268.8, 3300.0), "08_recommend": (9.6, 18.0, 41.8, 143.5, 695.0)}
MEMORY_BY_CELLS = (0.8, 1.5, 2.6, 5.8, 7.0)
START, WRITING = 3.4, 1.5  # of 01: seconds of its start, and its work as a multiple of reading alone
FASTER, SLOWER = 0.7, 1.6  # the range of the time
LEANER, LARGER = 0.8, 1.4  # ... of the memory


@dataclass(frozen=True)
class Estimate:
    """Wall seconds and GiB of a full run, each from (low) to (high); `rows_per_s` is the measured rate of reading."""

    seconds: tuple[float, float]
    memory: tuple[float, float]
    rows_per_s: float


def estimate(n_events: int, n_users: int, n_items: int, reading_s: float, n_lines: int) -> Estimate:
    """What a run on two cores needs.

    Parameters
    ----------
    n_events, n_users, n_items
        Of all data; users and products before the test window, 0 if they are not known.
    reading_s
        Seconds in which this machine read `n_lines` lines: 01 takes at least as long for all of them.
    """
    cells = float(n_users) * n_items
    stages = {name: between(n_events, EVENTS, seconds) for name, seconds in SECONDS.items()}
    for name, seconds in SECONDS_BY_CELLS.items():
        stages[name] = max(stages[name], between(cells, CELLS, seconds))
    rate = max(n_lines, 1) / max(reading_s, 1e-6)
    stages["01_ingest"] = max(stages["01_ingest"], START + WRITING * n_events / rate)
    seconds = sum(stages.values())
    memory = max(between(n_events, EVENTS, MEMORY), between(cells, CELLS, MEMORY_BY_CELLS))
    return Estimate((FASTER * seconds, SLOWER * seconds), (LEANER * memory, LARGER * memory), rate)


def between(size: float, sizes: tuple[float, ...], values: tuple[float, ...]) -> float:
    """The value at a size between measured ones; beyond the largest, it grows as between the last two, or faster."""
    if size <= sizes[-1]:
        return float(np.interp(size, sizes, values))
    slope = max((values[-1] - values[-2]) / (sizes[-1] - sizes[-2]), values[-1] / sizes[-1] / 2)
    return values[-1] + slope * (size - sizes[-1])


def duration(low: float, high: float) -> str:
    """A range of seconds, rounded: `2 to 4 minutes`, `1 to 3 hours`.

    >>> duration(95, 220), duration(4000, 9000), duration(20, 50)
    ('1 to 4 minutes', '1 to 3 hours', 'about a minute')
    """
    unit, name = (3600, "hour") if low >= 3600 else (60, "minute")
    first, last = max(math.floor(low / unit), 1), math.ceil(high / unit)
    return f"about {'an' if unit == 3600 else 'a'} {name}" if last <= first else f"{first} to {last} {name}s"


def size(low: float, high: float) -> str:
    """A range of GiB, rounded: `1 to 2 GiB`.

    >>> size(0.64, 1.1), size(2.1, 3.6)
    ('1 to 2 GiB', '2 to 4 GiB')
    """
    first, last = max(round(low), 1), max(math.ceil(high), 1)
    return f"{last} GiB" if first >= last else f"{first} to {last} GiB"
