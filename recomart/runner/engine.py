"""Papermill, in a kernel that has already started. Only this module uses Papermill, which takes long to import."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, NotebookExecutionManager, papermill_engines
from traitlets.config import Config

from recomart.project import logs
from recomart.runner.stage_timer import StageTimer
from recomart_lib.core import disk, paths

NAME = "started kernel"
DIED_AT_START = "Kernel died before replying to kernel_info"  # a RuntimeError of Jupyter


class StartedKernel(Engine):
    """Papermill's own engine, but for the kernel, which is given; it is killed at the end.

    All cells have ended then. Waiting until Python has tidied up takes longer than many a cell, and does nothing more.
    The notebook is written at its start and at its end, failed or not; Papermill also does before and after each cell.
    """

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: NotebookExecutionManager,
        kernel_name: str,
        *,
        manager: AsyncKernelManager,
        stderr_file: logs.StderrRelay,
        start_timeout: float,
        on_cell_start: Callable[..., None],
        **_: Any,
    ) -> nbformat.NotebookNode:
        """Called by Papermill, with the arguments of `execute_notebook`."""
        output, nb_man.output_path = nb_man.output_path, None
        client = PapermillNotebookClient(
            nb_man,
            km=manager,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            stderr_file=stderr_file,
            on_cell_start=on_cell_start,
            config=Config({"NotebookClient": {"shutdown_kernel": "immediate"}}),
        )
        try:
            return client.execute(cleanup_kc=True)
        finally:
            nb_man.output_path = output


papermill_engines.register(NAME, StartedKernel)


def execute(
    name: str, output: Path, parameters: dict[str, Any], timer: StageTimer, manager: AsyncKernelManager
) -> None:
    """Execute a stage's notebook, and write it to `output`, also if it fails."""
    source = paths.place(paths.NOTEBOOKS, f"{name}.ipynb")
    n_cells = len(nbformat.read(source, as_version=4).cells) + 1  # Papermill adds one
    papermill.execute_notebook(
        source,
        output,
        parameters,
        engine_name=NAME,
        kernel_name="python3",
        cwd=paths.root(),
        progress_bar=False,  # it would count cells; sections are logged, and long steps have their own bars
        stderr_file=logs.StderrRelay(),  # shows the notebook's log while it runs; reports leave it out
        on_cell_start=lambda cell, cell_index: timer.on_cell_start(cell, cell_index + 1, n_cells),
        manager=manager,
    )


def sentence(problem: BaseException) -> str:
    """Why a notebook failed, as one sentence; any other error than that of a notebook is raised."""
    if isinstance(problem, DeadKernelError | TimeoutError) or str(problem) == DIED_AT_START:
        return f"the notebook's kernel died ({problem}); most often the machine ran out of memory"
    if isinstance(problem, papermill.PapermillExecutionError):
        return explained(problem.ename, problem.evalue)
    raise problem


def explained(name: str, message: str) -> str:
    """A notebook's error in one sentence; `name` is that of its type."""
    if name in ("UserError", "GateError", "BusyError"):
        return message
    return disk.explained(f"{name}: {message}") or f"{name}: {message}"
