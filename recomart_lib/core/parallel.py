"""Run independent jobs on all cores, with the same results as in sequence."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

Job = TypeVar("Job")
Result = TypeVar("Result")
_thread = threading.local()


def thread_map(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    desc: str | None = None,
    unit: str = "it",
    is_large: Callable[[Job], bool] | None = None,
) -> list[Result]:
    """The results of `work` for all jobs, in order; raises the first exception. With `desc`, a progress bar is shown.

    Meant for NumPy, Polars, LightGBM and other code that releases the GIL. Linear algebra uses one thread per job
    meanwhile: all cores are busy, and the last bits of its results depend on the number of threads. See `n_threads`.

    Parameters
    ----------
    is_large
        Jobs that need much memory: they run one after the other, and first, beside the others. None: no job does.
    """
    job_list = list(jobs)
    large = [n for n, job in enumerate(job_list) if is_large is not None and is_large(job)]
    chains = [[n] for n in range(len(job_list)) if n not in large]
    results: dict[int, Result] = {}
    with (
        tqdm(desc=desc, total=len(job_list), unit=unit, disable=None if desc else True) as progress,
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(os.cpu_count(), initializer=_mark) as threads,
    ):

        def run(chain: list[int]) -> None:
            for n in chain:
                results[n] = work(job_list[n])
                progress.update()

        list(threads.map(run, [large, *chains] if large else chains))  # raises
    return [results[n] for n in range(len(job_list))]


def n_threads() -> int:
    """The number of threads that code with threads of its own should use: 1 in a job of `thread_map`, else all cores.

    In a job, the other cores are busy already; threads that wait for each other would only burn their time.
    """
    return 1 if getattr(_thread, "is_job", False) else os.cpu_count() or 1


def _mark() -> None:
    _thread.is_job = True
