"""Processes of a run: `dvc` above a stage, what a stage has started below it, and what ends when another one has ended.

A stage that `dvc repro` runs is `dvc` > a shell > `recomart stage` > the notebook's kernel. Signals do not reach all of
them: DVC does not pass them on, and a kernel has a session of its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import PurePath

import psutil

RUN_PROCESS = "RECOMART_RUN_PROCESS"  # environment variable: id of the process that runs `dvc`, as Dagster sets it
POLL_S = 0.5
INTERPRETERS = ("python", "pypy")  # and what they run
PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


def outermost_dvc(process: psutil.Process | None = None) -> psutil.Process | None:
    """The outermost `dvc` above a process (default: this one), which stands for a whole run; None if there is none."""
    return ([parent for parent in (process or psutil.Process()).parents() if _is_dvc(parent)] or [None])[-1]


def _is_dvc(process: psutil.Process) -> bool:
    """Whether the command is `dvc ...`, `python -m dvc ...` or `python /path/to/bin/dvc ...`.

    `sudo -u dvc -i` and `screen -S dvc` are none, which would keep the project for as long as a terminal is open.
    """
    try:
        names = [PurePath(word).name.lower() for word in process.cmdline()[:3]]
    except psutil.Error:
        return False  # another user's process, or one that has ended
    programs = names if names and names[0].startswith(INTERPRETERS) else names[:1]
    return any(name in ("dvc", "dvc.exe") for name in programs)


def run_parents() -> list[psutil.Process]:
    """The processes that this one must not outlive: those above it, up to the outermost `dvc` or RECOMART_RUN_PROCESS.

    None if neither is above it: a command that was started by hand may outlive its shell (`nohup`).
    """
    parents = psutil.Process().parents()
    last = [
        place
        for place, parent in enumerate(parents)
        if _is_dvc(parent) or str(parent.pid) == os.environ.get(RUN_PROCESS)
    ]
    return parents[: last[-1] + 1] if last else []


def is_alive(process: psutil.Process) -> bool:
    """Whether this very process still runs: its id may have been given to another one, or it only waits to be read."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def watch(processes: Sequence[psutil.Process], on_end: Callable[[], None]) -> None:
    """Call `on_end` once, in another thread, as soon as one of the processes has ended."""

    def poll() -> None:
        while all(map(is_alive, processes)):
            time.sleep(POLL_S)
        on_end()

    if processes:
        threading.Thread(target=poll, daemon=True, name="watches the parents").start()


def descendants() -> list[psutil.Process]:
    """All processes below this one, whatever their session."""
    return psutil.Process().children(recursive=True)


def kill_descendants(spared: Sequence[psutil.Process] = ()) -> None:
    """Kill all processes below this one but `spared`, and wait until they have ended."""
    below = [process for process in descendants() if process not in spared]
    for process in below:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(below, timeout=5)


def end_with_parent() -> None:
    """Let the kernel of Linux kill this process at the moment its parent has ended.

    Elsewhere a notebook's kernel sees it within a second: ipykernel looks at its parent's id.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


KERNEL_LINE = f"__import__('{__name__}', fromlist=['*']).end_with_parent()"  # for a kernel to execute at its start
