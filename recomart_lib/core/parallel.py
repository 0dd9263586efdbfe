"""Independent jobs on all cores, with the same results as one after the other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

Job = TypeVar("Job")
Result = TypeVar("Result")


def thread_map(
    work: Callable[[Job], Result], jobs: Iterable[Job], desc: str | None = None, unit: str = "it"
) -> list[Result]:
    """`work` of every job, in the order of the jobs; the first exception is raised. A bar is shown if it has a name.

    For work that NumPy, Polars, LightGBM and the like do: it lets other threads run. Linear algebra takes one thread
    per job meanwhile: the cores are taken, and its last bits depend on the number of threads.
    """
    todo = list(jobs)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(
            tqdm(threads.map(work, todo), desc=desc, total=len(todo), unit=unit, disable=None if desc else True)
        )
