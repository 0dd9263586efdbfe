"""Run independent jobs on all cores, with the same results as in sequence."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

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
    duration: Callable[[Job], float] | None = None,
) -> list[Result]:
    """The results of `work` for all jobs, in order; raises the first exception. With `desc`, a progress bar is shown.

    Meant for NumPy, Polars, LightGBM and other code that releases the GIL. Linear algebra uses one thread per job
    meanwhile: all cores are busy, and the last bits of its results depend on the number of threads. See `n_threads`.

    Parameters
    ----------
    is_large
        Jobs that need much memory: they run one after the other, and first, beside the others. None: no job does.
    duration
        How long a job takes, in any unit: the longest start first, so that no core waits for the last one. None: jobs
        start in their order.
    """
    job_list = list(jobs)
    order = list(range(len(job_list)))
    if duration is not None:
        order.sort(key=lambda n: -duration(job_list[n]))
    large = [n for n in order if is_large is not None and is_large(job_list[n])]
    chains = [[n] for n in order if n not in large]
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


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """The results of functions without arguments, which do not depend on each other; see `thread_map`."""
    return thread_map(lambda job: job(), jobs)


def n_threads() -> int:
    """The number of threads that code with threads of its own should use: 1 in a job of `thread_map`, else all cores.

    In a job, the other cores are busy already; threads that wait for each other would only burn their time.
    """
    return 1 if getattr(_thread, "is_job", False) else os.cpu_count() or 1


def _mark() -> None:
    _thread.is_job = True
