"""Execute a notebook in a kernel that starts while the stage is checked, and that can be stopped at any moment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

from recomart.project import processes
from recomart.runner import kernel, workarounds
from recomart.runner.signals import Stopped
from recomart.runner.stage_timer import StageTimer
from recomart_lib.core import paths
from recomart_lib.core.scratch import scratch_folder

if TYPE_CHECKING:
    from nbformat import NotebookNode

log = logging.getLogger(__name__)


class Execution(NamedTuple):
    """The executed notebook, its error as one sentence (None if it succeeded), and what stopped it, if anything did."""

    notebook: NotebookNode
    error: str | None
    stopped: Stopped | None


@contextmanager
def starting(name: str) -> Iterator[Executor]:
    """Start a stage's kernel; afterwards all of its processes have ended, and its sockets are gone."""
    executor = Executor(name)
    try:
        executor.start()
        yield executor
    finally:
        executor.end()


class Executor(threading.Thread):
    """Starts a stage's kernel and waits for `execute`.

    A thread, since signals interrupt the main one, where they would leave Jupyter's event loop half done.
    """

    def __init__(self, stage: str) -> None:
        super().__init__(name="papermill")
        self._stage = stage
        self._work: SimpleQueue[tuple[Path, dict[str, Any], StageTimer] | None] = SimpleQueue()
        self._cancelled, self._ended = threading.Event(), threading.Event()
        self._problem: BaseException | None = None
        self._spared = processes.descendants()  # what the caller has started is not the stage's

    def run(self) -> None:
        """Called in the new thread, by `start`."""
        try:
            if not self._cancelled.is_set():
                self._drive(kernel.start(self._stage))
        except BaseException as problem:  # for the main thread
            self._problem = problem
        finally:
            self._ended.set()

    def _drive(self, manager: AsyncKernelManager) -> None:
        with workarounds.without_hadoop():
            from recomart.runner import engine  # takes half a second, in which the kernel starts
        if work := self._work.get():
            engine.execute(self._stage, *work, manager)
        else:
            run_sync(manager.cleanup_resources)()

    def execute(self, notebook: NotebookNode, parameters: dict[str, Any], timer: StageTimer) -> Execution:
        """Execute the stage's notebook; the kernel has ended when it returns.

        `notebook` is what is returned if the stage was stopped before its first cell.
        """
        timer.start("kernel")
        # the last report stays in its place until this one is complete
        with scratch_folder(paths.place(paths.REPORTS)) as folder:
            output = folder / f"{self._stage}.ipynb"
            self._work.put((output, parameters, timer))
            stopped = self._wait()
            kernel.remove_sockets()
            error = str(stopped) if stopped else self._sentence()
            return Execution(notebook if stopped and not output.exists() else _read(output), error, stopped)

    def _sentence(self) -> str | None:
        if self._problem is None:
            return None
        from recomart.runner import engine

        return engine.sentence(self._problem)

    def end(self) -> None:
        """End the kernel immediately, if it has not ended."""
        self._cancelled.set()
        self._work.put(None)
        stopped = self._wait(kill=True)
        kernel.remove_sockets()
        if stopped:
            raise stopped

    def _wait(self, kill: bool = False) -> Stopped | None:
        """Wait for the end. A signal, or `kill`, kills the kernel, whereupon the work fails; returns the signal."""
        stopped = None
        while self.is_alive() and not self._ended.is_set():
            try:
                if kill or stopped:
                    processes.kill_descendants(self._spared)  # again and again: the kernel may just be starting
                self._ended.wait(0.2)
            except Stopped as signal:
                log.warning("%s", signal)
                stopped = signal
                logging.getLogger("papermill").disabled = True  # it would log the kernel's death as an error
        return stopped


def _read(path: Path) -> NotebookNode:
    import nbformat  # slow; the stage's checks have imported it while the kernel started

    return nbformat.read(path, as_version=4)
