"""The kernel of a stage: where its sockets are, and how its errors read."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys

import nbformat
import pytest

from recomart.runner import execution
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

# a stage whose notebook is a process that sleeps, stopped by a signal; prints what `execute` returns
STOPPED = """
import os, signal, subprocess, sys, threading, time
import nbformat, papermill, psutil
from recomart.runner import execution, signals
from recomart.runner.stage_timer import StageTimer

def execute_notebook(source, output, *_, **__):
    if sys.argv[1] == "kernel":
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Ran")]), output)
    kernel = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    os.kill(os.getpid(), signal.SIGTERM)
    raise RuntimeError(f"the kernel died: {kernel.wait()}")

papermill.execute_notebook = execute_notebook
given = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Given")])
with signals.stoppable():
    done = execution.execute("04_prepare", given, {}, StageTimer("04_prepare"))
print(done.notebook.cells[0].source, done.error, done.stopped.status, len(psutil.Process().children()), sep="|")
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    (tmp_path / "notebooks").mkdir()
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "notebooks/04_prepare.ipynb")
    monkeypatch.setattr(execution.tempfile, "gettempdir", lambda: str(tmp_path.parent))
    return tmp_path


@pytest.mark.parametrize("moment", ["kernel", "before"])
def test_a_signal_kills_the_kernel_and_returns_what_was_executed(root, moment):
    done = subprocess.run([sys.executable, "-c", STOPPED, moment], capture_output=True, text=True)
    title = {"kernel": "# Ran", "before": "# Given"}[moment]
    assert done.stdout == f"{title}|stopped by the signal SIGTERM|143|0\n", done.stderr
    assert not list((root / "reports/.scratch").iterdir())


def test_sockets_are_in_a_folder_of_their_own_which_only_the_user_may_enter(root):
    config = execution._config("04_prepare")
    folder = execution.sockets_folder(root)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert config.KernelManager.ip == str(folder / "kernel")
    assert config.KernelManager.connection_file == str(folder / "kernel.json")
    assert not folder.is_relative_to(root)
    execution.remove_sockets()
    assert not folder.exists()
    execution.remove_sockets()


def test_what_a_killed_stage_has_left_is_deleted(root):
    folder = execution.sockets_folder(root)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "kernel-1") if len(str(folder)) < 90 else "")
        execution._config("04_prepare")
    assert list(folder.iterdir()) == []


def test_a_name_that_somebody_else_has_taken_is_refused(root):
    execution.sockets_folder(root).symlink_to(root)
    with pytest.raises(UserError, match="is not a folder of yours, so that the kernel cannot use it"):
        execution._config("04_prepare")
    assert (root / "notebooks").exists()


def test_two_projects_have_two_folders_with_short_names(root, monkeypatch):
    assert execution.sockets_folder(root) == execution.sockets_folder(paths.root())
    assert execution.sockets_folder(root) != execution.sockets_folder(root / "x")
    monkeypatch.setattr(execution.tempfile, "gettempdir", lambda: f"/{'long' * 30}")
    assert len(str(execution.sockets_folder(root) / "kernel-99999")) < 104


def test_an_error_of_a_kernel_is_explained_if_the_disk_is_the_reason(root):
    assert execution.explained("UserError", "x: no.") == "x: no."
    assert execution.explained("BusyError", "The project is in use.") == "The project is in use."
    assert execution.explained("KeyError", "'x'") == "KeyError: 'x'"
    assert "the disk is full" in execution.explained("ComputeError", "underlying IO error: No space left on device")
