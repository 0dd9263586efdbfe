"""One writer at a time in a project: a lock of the operating system, which the death of its holder releases.

A stage, or another command that writes the pipeline's files, holds the lock while it runs. A run of `dvc repro` keeps
the project between its stages, too: as long as its `dvc` lives, only its own stages get the lock. Commands that only
read take no lock, and neither do stream consumers, whose zone has locks of its own.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from recomart_lib.core import clock, paths
from recomart_lib.core.errors import UserError

log = logging.getLogger(__name__)

LOCK = Path("data/.lock")
HOLDER = Path("data/.lock.json")  # who holds the lock, or held it last
HELD_BY = "RECOMART_LOCK_HELD_BY"  # environment variable: the process that holds the lock for its children
WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of a file system that cannot lock
WAIT_S = 60  # longest wait for a writer that is soon done
POLL_S = 0.1
TOLERANCE_S = 2  # of the start of a process, which the system reckons from a clock that may be set


class BusyError(UserError):
    """Another process works on the project; the message says which, and since when."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock.

    Attributes
    ----------
    what
        As shown to people: `stage 06_train`.
    brief
        Whether it is soon done, so that others wait for it instead of giving up.
    run_pid, run_started
        The process of the whole run, and when it was started (seconds since 1970); None without one.
    """

    what: str
    brief: bool
    pid: int
    host: str
    since: str
    run_pid: int | None = None
    run_started: float | None = None

    def keeps(self) -> bool:
        """Whether the run is under way, so that its next stage will want the lock."""
        if self.run_pid is None or self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.run_pid)
            return self.is_of(process) and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def is_of(self, run: psutil.Process | None) -> bool:
        """Whether this process is that of the run."""
        return run is not None and run.pid == self.run_pid and abs(run.create_time() - self.run_started) < TOLERANCE_S

    def sentence(self, between_stages: bool) -> str:
        """Who it is."""
        if between_stages:
            return f"dvc (process {self.run_pid} on {self.host}), which runs its stages; the last one was: {self.what}"
        return f"{self.what} (process {self.pid} on {self.host}, since {self.since} UTC)"


@contextmanager
def held(what: str, run: psutil.Process | None = None, brief: bool = False) -> Iterator[None]:
    """Hold the project's lock.

    Within a process that holds it already, and in its children, this does nothing.

    Parameters
    ----------
    what
        Who needs it, as shown to others.
    run
        The process of the whole run, as `dvc`: between its stages, others do not get the lock.
    brief
        Whether the holder is done in a minute.

    Raises
    ------
    BusyError
        If somebody else holds it: immediately, or after a minute if that one is soon done.
    """
    if is_held_here():
        yield
        return
    started = run.create_time() if run else None
    since = f"{clock.now():%Y-%m-%d %H:%M:%S}"
    me = Holder(what, brief, os.getpid(), socket.gethostname(), since, run.pid if run else None, started)
    lock = FileLock(paths.output(LOCK), thread_local=False, fallback_to_soft=False)
    _acquire(lock, me, run)
    os.environ[HELD_BY] = str(os.getpid())
    try:
        yield
    finally:
        del os.environ[HELD_BY]
        if run is None:
            paths.place(HOLDER).unlink(missing_ok=True)
        lock.release()


def is_held_here() -> bool:
    """Whether this process, or the one that started it, holds the lock: the variable alone may outlive the lock."""
    holder = _read() if os.environ.get(HELD_BY) else None
    return holder is not None and str(holder.pid) == os.environ[HELD_BY]


def _acquire(lock: FileLock, me: Holder, run: psutil.Process | None) -> None:
    deadline, reported = time.monotonic() + WAIT_S, False
    while holder := _other(lock, me, run):
        if not holder[0].brief or time.monotonic() > deadline:
            raise BusyError(
                f"The project is in use by {holder[0].sentence(holder[1])}. "
                "Wait until it has ended, or stop it; then run the command again."
            )
        if not reported:
            log.info("waiting for %s", holder[0].sentence(holder[1]))
            reported = True
        time.sleep(POLL_S)


def _other(lock: FileLock, me: Holder, run: psutil.Process | None) -> tuple[Holder, bool] | None:
    """Who has the project, and whether it is a run between two of its stages; None: now it is ours."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        # whoever has just got it writes its name in an instant
        return _read() or Holder("another process", True, 0, socket.gethostname(), "a moment ago,"), False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        log.warning("the disk of %s has no file locks: nothing keeps two runs apart", paths.place(LOCK).parent)
        return None
    last = _read()
    if last and last.keeps() and not last.is_of(run):
        lock.release()
        return last, True
    paths.place(HOLDER).write_text(json.dumps(asdict(me)), encoding="utf-8")
    return None


def _read() -> Holder | None:
    try:
        return Holder(**json.loads(paths.place(HOLDER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # there is none, or it is just being written
