"""Execute a notebook with Papermill, so that it can be stopped. Only this module uses Papermill."""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from traitlets.config import Config

from recomart.project import logs, processes
from recomart.runner.signals import Stopped
from recomart.runner.stage_timer import StageTimer
from recomart_lib.core import disk, paths
from recomart_lib.core.errors import UserError
from recomart_lib.core.scratch import scratch_folder

log = logging.getLogger(__name__)

# kernels communicate through sockets that only their user may access; a TCP port is open to all users of the machine
TRANSPORT = "tcp" if os.name == "nt" else "ipc"
MAX_BASE = 60  # characters of the folder of sockets: the whole path of a socket has at most 103


class Execution(NamedTuple):
    """The executed notebook, its error as one sentence (None if it succeeded), and what stopped it, if anything did."""

    notebook: nbformat.NotebookNode
    error: str | None
    stopped: Stopped | None


def execute(name: str, notebook: nbformat.NotebookNode, parameters: dict[str, Any], timer: StageTimer) -> Execution:
    """Execute a stage's notebook; all of its processes have ended when it returns, and its sockets are gone.

    `notebook` is what is returned if the stage was stopped before a kernel ran.
    """
    # the last report stays in its place until this one is complete
    with scratch_folder(paths.place(paths.REPORTS)) as folder:
        output = folder / f"{name}.ipynb"
        worker = _Worker(lambda: _papermill(name, output, parameters, timer))
        stopped = worker.finish()
        remove_sockets()
        error = str(stopped) if stopped else _sentence(worker.problem)
        executed = notebook if stopped and not output.exists() else nbformat.read(output, as_version=4)
        return Execution(executed, error, stopped)


class _Worker(threading.Thread):
    """Drives the kernel: signals interrupt the main thread, where they would leave Jupyter's event loop half done."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(name="papermill")
        self._work, self._ended = work, threading.Event()
        self.problem: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as problem:  # for the main thread
            self.problem = problem
        finally:
            self._ended.set()

    def finish(self) -> Stopped | None:
        """Start, and wait for the end. A signal kills the kernel, whereupon the work fails; returns what stopped it."""
        stopped, started = None, False
        while True:
            try:
                if not started:
                    started = True
                    self.start()
                if stopped:
                    processes.kill_descendants()  # again and again: the kernel may just be starting
                if self._ended.wait(0.2) or (stopped and not self.is_alive()):
                    return stopped
            except Stopped as signal:
                log.warning("%s", signal)
                stopped = signal
                logging.getLogger("papermill").disabled = True  # it would log the kernel's death as an error


def _papermill(name: str, output: Path, parameters: dict[str, Any], timer: StageTimer) -> None:
    import papermill  # takes two seconds: errors in params.yaml are reported before

    timer.start("kernel")
    # string hashes, and with them the order of sets, are random otherwise
    os.environ["PYTHONHASHSEED"] = "0"
    source = paths.place(paths.NOTEBOOKS, f"{name}.ipynb")
    n_cells = len(nbformat.read(source, as_version=4).cells) + 1  # Papermill adds one
    papermill.execute_notebook(
        source,
        output,
        parameters,
        kernel_name="python3",
        cwd=paths.root(),
        progress_bar=False,  # it would count cells; sections are logged, and long steps have their own bars
        stderr_file=logs.StderrRelay(),  # shows the notebook's log while it runs; reports leave it out
        on_cell_start=lambda cell, cell_index: timer.on_cell_start(cell, cell_index + 1, n_cells),
        config=_config(name),
    )


def _config(name: str) -> Config:
    """Jupyter's settings: a private place for the kernel's sockets and key, and what the kernel does at its start."""
    folder = _make_sockets_folder()
    manager = {"transport": TRANSPORT, "connection_file": str(folder / "kernel.json")}
    if TRANSPORT == "ipc":
        manager["ip"] = str(folder / "kernel")
    lines = (processes.KERNEL_LINE, logs.kernel_line(name))
    arguments = [f"--IPKernelApp.exec_lines={line}" for line in lines]
    return Config({"KernelManager": manager, "NotebookClient": {"extra_arguments": arguments}})


def sockets_folder(root: Path) -> Path:
    """The folder of a project's sockets; the path of a socket must be short, which the project's need not be."""
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    place = hashlib.sha256(f"{socket.gethostname()}:{root}".encode()).hexdigest()[:12]
    base = tempfile.gettempdir()
    return Path(base if len(base) <= MAX_BASE else "/tmp", f"recomart-{user}-{place}")


def _make_sockets_folder() -> Path:
    """An empty folder for this user only. What a killed stage has left in it is deleted: the project's lock is ours."""
    remove_sockets()
    folder = sockets_folder(paths.root())
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        raise UserError(f"{folder} is not a folder of yours, so that the kernel cannot use it. Delete it.") from None
    return folder


def remove_sockets() -> None:
    """Delete the sockets of the project's kernel."""
    shutil.rmtree(sockets_folder(paths.root()), ignore_errors=True)


def _sentence(problem: BaseException | None) -> str | None:
    """Why the notebook failed, as one sentence; any other error than that of a notebook is raised."""
    if problem is None:
        return None
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError

    if isinstance(problem, DeadKernelError | TimeoutError):
        return f"the notebook's kernel died ({problem}); most often the machine ran out of memory"
    if isinstance(problem, PapermillExecutionError):
        return explained(problem.ename, problem.evalue)
    raise problem


def explained(name: str, message: str) -> str:
    """A notebook's error in one sentence; `name` is that of its type."""
    if name in ("UserError", "GateError", "BusyError"):
        return message
    return disk.explained(f"{name}: {message}") or f"{name}: {message}"
