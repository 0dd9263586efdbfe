"""Commands that write files of the pipeline: one at a time in a project, and stopped in an orderly way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from recomart.project import processes
from recomart.runner import signals
from recomart_lib.core import project_lock


@contextmanager
def writing(command: str) -> Iterator[None]:
    """Hold the project's lock while a command, like `recomart index`, writes.

    It waits for a cell or another command, and gives up if a stage is running. A signal, or the end of the `dvc` that
    runs the command, raises `Stopped`.

    Raises
    ------
    BusyError
        If a stage is running, or another run of `dvc repro` is under way.
    """
    with signals.stoppable(), project_lock.held(command, processes.outermost_dvc(), brief=True):
        yield
