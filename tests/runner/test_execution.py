"""The kernel of a stage: where its sockets are, and how its errors read."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from contextlib import nullcontext

import nbformat
import pytest
from nbclient.exceptions import DeadKernelError

from recomart.runner import engine, kernel
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

# a stage whose notebook is a process that sleeps, stopped by a signal; prints what `execute` returns
STOPPED = """
import os, signal, subprocess, sys
import nbformat, papermill, psutil
from recomart.runner import execution, signals
from recomart.runner.stage_timer import StageTimer

def execute_notebook(source, output, *_, **__):
    if sys.argv[1] == "kernel":
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Ran")]), output)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    os.kill(os.getpid(), signal.SIGTERM)
    raise RuntimeError(f"the process died: {child.wait()}")

papermill.execute_notebook = execute_notebook
given = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Given")])
with signals.stoppable(), execution.starting("04_prepare") as executor:
    done = executor.execute(given, {}, StageTimer("04_prepare"))
print(done.notebook.cells[0].source, done.error, done.stopped.status, len(psutil.Process().children()), sep="|")
"""
# a stage whose check fails while the kernel starts: at once, or when the kernel is there; another process lives on
CHECK_FAILED = """
import subprocess, sys, time
import psutil
from recomart.runner import execution, signals

other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
with signals.stoppable():
    try:
        with execution.starting("04_prepare") as executor:
            while sys.argv[1] == "kernel" and len(psutil.Process().children()) < 2:
                time.sleep(0.01)
            raise ValueError("the check has failed")
    except ValueError as problem:
        below = [child.pid for child in psutil.Process().children()]
        print(problem, below == [other.pid], executor.is_alive(), sep="|")
    other.communicate()
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "notebooks/04_prepare.ipynb")
    monkeypatch.setattr(kernel.tempfile, "gettempdir", lambda: str(tmp_path.parent))
    return tmp_path


@pytest.mark.parametrize("moment", ["kernel", "before"])
def test_a_signal_kills_the_kernel_and_returns_what_was_executed(root, moment):
    done = subprocess.run([sys.executable, "-c", STOPPED, moment], capture_output=True, text=True)
    title = {"kernel": "# Ran", "before": "# Given"}[moment]
    assert done.stdout == f"{title}|stopped by the signal SIGTERM|143|0\n", done.stderr
    assert not list((root / "reports/.scratch").iterdir())


@pytest.mark.parametrize("moment", ["kernel", "at once"])
def test_a_check_that_fails_ends_the_kernel_and_no_other_process(root, moment):
    done = subprocess.run([sys.executable, "-c", CHECK_FAILED, moment], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("the check has failed|True|False\n", "")
    assert not kernel.sockets_folder(root).exists()


def test_sockets_are_in_a_folder_of_their_own_which_only_the_user_may_enter(root):
    config = kernel._config()
    folder = kernel.sockets_folder(root)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert config.KernelManager.ip == str(folder / "kernel")
    assert config.KernelManager.connection_file == str(folder / "kernel.json")
    assert not folder.is_relative_to(root)
    kernel.remove_sockets()
    assert not folder.exists()
    kernel.remove_sockets()


def test_what_a_killed_stage_has_left_is_deleted(root):
    folder = kernel.sockets_folder(root)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "kernel-1") if len(str(folder)) < 90 else "")
        kernel._config()
    assert list(folder.iterdir()) == []


def test_a_name_that_somebody_else_has_taken_is_refused(root):
    kernel.sockets_folder(root).symlink_to(root)
    with pytest.raises(UserError, match="is not a folder of yours, so that the kernel cannot use it"):
        kernel._config()
    assert (root / "notebooks").exists()


def test_two_projects_have_two_folders_with_short_names(root, monkeypatch):
    assert kernel.sockets_folder(root) == kernel.sockets_folder(paths.root())
    assert kernel.sockets_folder(root) != kernel.sockets_folder(root / "x")
    monkeypatch.setattr(kernel.tempfile, "gettempdir", lambda: f"/{'long' * 30}")
    assert len(str(kernel.sockets_folder(root) / "kernel-99999")) < 104


def test_an_error_of_a_kernel_is_explained_if_the_disk_is_the_reason(root):
    assert engine.explained("UserError", "x: no.") == "x: no."
    assert engine.explained("BusyError", "The project is in use.") == "The project is in use."
    assert engine.explained("KeyError", "'x'") == "KeyError: 'x'"
    assert "the disk is full" in engine.explained("ComputeError", "underlying IO error: No space left on device")


@pytest.mark.parametrize("problem", [RuntimeError(engine.DIED_AT_START), DeadKernelError("Kernel died")])
def test_a_kernel_that_died_is_one_sentence(problem):
    assert engine.sentence(problem) == (
        f"the notebook's kernel died ({problem}); most often the machine ran out of memory"
    )


@pytest.mark.parametrize("fails", [False, True])
def test_the_notebook_is_written_at_its_start_and_its_end_and_not_around_each_cell(root, monkeypatch, fails):
    class Client:
        def __init__(self, nb_man, **_):
            self.manager = nb_man

        def execute(self, **_):
            assert written == [0]
            for number in range(20):
                cell = nbformat.v4.new_code_cell("", metadata={"papermill": {}})
                self.manager.nb.cells.append(cell)
                self.manager.cell_start(cell, number)
                self.manager.autosave_cell()
                self.manager.cell_complete(cell, number)
            if fails:
                raise DeadKernelError("Kernel died")

    written = []
    monkeypatch.setattr(engine, "PapermillNotebookClient", Client)
    monkeypatch.setattr("papermill.engines.write_ipynb", lambda notebook, _: written.append(len(notebook.cells)))
    notebook = nbformat.v4.new_notebook(metadata={"papermill": {}})
    arguments = {"manager": None, "stderr_file": None, "start_timeout": 1, "on_cell_start": None}
    with pytest.raises(DeadKernelError) if fails else nullcontext():
        engine.StartedKernel.execute_notebook(notebook, "python3", "x.ipynb", progress_bar=False, **arguments)
    assert written == [0, 20]


def test_any_other_error_is_none_of_the_notebook():
    with pytest.raises(RuntimeError, match="something else"):
        engine.sentence(RuntimeError("something else"))
