"""Signals that stop a stage: they become an exception in its main thread, so that it ends its kernel and reports it.

Ctrl-C (SIGINT), SIGTERM and SIGHUP stop a stage, and so do the end of the `dvc` that runs it and a limit of its run
time. SIGKILL cannot be caught: then the kernel ends with the stage (see `recomart.project.processes`).
"""

from __future__ import annotations

import _thread
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from recomart.project import processes

log = logging.getLogger(__name__)

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last
ECHO_S = 1.0  # the same stop may arrive twice: `timeout` signals the process and then its group
TIMED_OUT = 124  # exit status, as of `timeout`


class Stopped(BaseException):
    """The stage is to stop; no `except Exception` of a library swallows it.

    Attributes
    ----------
    status
        The exit status: 128 and the signal's number, or 124 after a limit.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Stopper:
    """Turns the first signal into `Stopped`; a second one, while the stage cleans up, ends the process immediately.

    Parameters
    ----------
    on_second
        Called before the process ends at the second signal, for what must not be left behind.
    """

    def __init__(self, on_second: Callable[[], None]) -> None:
        self._on_second = on_second
        self._reason: Stopped | None = None  # of another thread, which then sends this process a signal
        self._first: float | None = None
        self._timer: threading.Timer | None = None

    def handle(self, number: int, _: FrameType | None = None) -> None:
        """The handler of the signals."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
            name = signal.Signals(number).name
            raise self._reason or Stopped(f"stopped by the signal {name}", 128 + number)
        if now - self._first > ECHO_S:
            log.warning("stopped again: the stage ends without a report")
            self._on_second()
            os._exit(128 + number)

    def stop(self, message: str, status: int) -> None:
        """Stop the stage from another thread."""
        self._reason = Stopped(message, status)
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
        else:
            _thread.interrupt_main(signal.SIGTERM)

    def after(self, limit_s: float | None, key: str) -> None:
        """Stop the stage when it runs longer than this; `key` of params.yaml sets the limit."""
        if limit_s is None:
            return
        message = f"stopped after {limit_s:,g} s, the limit that {key} of params.yaml sets"
        self._timer = threading.Timer(limit_s, self.stop, (message, TIMED_OUT))
        self._timer.daemon = True
        self._timer.start()

    def cancel_limit(self) -> None:
        """The limit no longer applies."""
        if self._timer:
            self._timer.cancel()


@contextmanager
def stoppable(on_second: Callable[[], None] = processes.kill_descendants) -> Iterator[Stopper]:
    """Within it, signals raise `Stopped`; also when the `dvc` above has ended. Afterwards the old handlers are back.

    A signal that this process ignores from its start, as under `nohup`, stays ignored. Only the main thread gets
    signals: in another one nothing changes.
    """
    stopper = Stopper(on_second)
    if threading.current_thread() is not threading.main_thread():
        yield stopper
        return
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    former = {number: signal.getsignal(number) for number in numbers}
    for number, handler in former.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stopper.handle)
    processes.watch(
        processes.run_parents(),
        lambda: stopper.stop("stopped, as the process that ran it (dvc, or an orchestrator) has ended", 128 + 15),
    )
    try:
        yield stopper
    finally:
        stopper.cancel_limit()
        for number, handler in former.items():
            signal.signal(number, handler)
