"""A notebook by hand holds the project's lock from a cell's first write to the cell's end, not while it idles.

Files are written by `recomart_lib.core.files`, which calls `before_writing`. In all other processes this does nothing:
a stage has the lock before its kernel starts.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from recomart_lib.core import paths, project_lock
from recomart_lib.core.errors import UserError

NOTEBOOK = "JPY_SESSION_NAME"  # environment variable that Jupyter sets: the notebook's path
_guard, _cell = threading.Lock(), ExitStack()  # a cell may write in several threads


def before_writing(path: Path) -> None:
    """Take the project's lock for the rest of the cell, if this is a notebook by hand that writes into the project.

    Raises
    ------
    BusyError
        If a stage or another command has it.
    """
    shell = _shell()
    if shell is None or not _in_project(path):
        return
    with _guard:
        if project_lock.is_held_here():
            return
        name = Path(os.environ.get(NOTEBOOK, "")).name
        _cell.enter_context(project_lock.held(f"a cell of {name or 'a notebook'}", brief=True))
        shell.events.register("post_run_cell", _release)


def _in_project(path: Path) -> bool:
    try:
        return path.absolute().is_relative_to(paths.root())
    except UserError:
        return False  # there is no project


def _shell() -> Any:
    """IPython's shell that runs in this process, if there is one."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _release(_: object = None) -> None:
    """The cell has ended."""
    _cell.close()
    _shell().events.unregister("post_run_cell", _release)
