"""Run independent jobs on all cores, with the same results as in sequence."""

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
    """The results of `work` for all jobs, in order; raises the first exception. With `desc`, a progress bar is shown.

    Meant for NumPy, Polars, LightGBM and other code that releases the GIL. Linear algebra uses one thread per job
    meanwhile: all cores are busy, and the last bits of its results depend on the number of threads.
    """
    job_list = list(jobs)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(
            tqdm(threads.map(work, job_list), desc=desc, total=len(job_list), unit=unit, disable=None if desc else True)
        )
