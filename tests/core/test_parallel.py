"""Independent jobs on all cores."""

from __future__ import annotations

import os
import threading

import pytest

from recomart_lib.core import parallel


def test_results_have_the_order_of_the_jobs_and_the_first_error_is_raised():
    assert parallel.thread_map(lambda n: n * n, range(20)) == [n * n for n in range(20)]
    with pytest.raises(ZeroDivisionError):
        parallel.thread_map(lambda n: 1 / n, [1, 0])


def test_code_in_a_job_uses_one_thread_and_outside_all_cores():
    """Also in a job of a job; other threads of the process are no jobs."""
    outside = []
    nested = parallel.thread_map(lambda _: parallel.thread_map(lambda _: parallel.n_threads(), [0]), range(4))
    assert nested == [[1]] * 4
    thread = threading.Thread(target=lambda: outside.append(parallel.n_threads()))
    thread.start()
    thread.join()
    assert outside == [parallel.n_threads()] == [os.cpu_count()]


def test_large_jobs_never_run_at_the_same_time():
    """The small ones run beside them: here, each large job waits until a small one has started."""
    running, most, started = [], [], threading.Event()

    def work(job: str) -> str:
        if job == "small":
            started.set()
            return job
        running.append(job)
        most.append(len(running))
        assert started.wait(10)
        running.remove(job)
        return job

    jobs = ["large 1", "small", "large 2", "large 3"]
    assert parallel.thread_map(work, jobs, is_large=lambda job: job != "small") == jobs
    assert most == [1, 1, 1]


def test_the_longest_jobs_start_first_and_results_keep_their_order(monkeypatch):
    """Large ones among them, too: in one thread, the order of the starts can be seen."""
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 1)
    started = []

    def work(job: int) -> int:
        started.append(job)
        return -job

    assert parallel.thread_map(work, [2, 1, 3, 1], duration=lambda job: job) == [-2, -1, -3, -1]
    assert started == [3, 2, 1, 1]
    started.clear()
    parallel.thread_map(work, [2, 1, 3, 5], duration=lambda job: job, is_large=lambda job: job < 3)
    assert started == [2, 1, 5, 3]


def test_independent_functions_run_together():
    """Each waits for the other: one after the other, they would never end."""
    barrier = threading.Barrier(2, timeout=10)
    assert parallel.together(lambda: (barrier.wait(), "a")[1], lambda: (barrier.wait(), "b")[1]) == ["a", "b"]
    assert parallel.together() == []
