"""One writer at a time: who waits, who is refused, and that the dead block nobody."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import asdict

import psutil
import pytest
from filelock import FileLock

from recomart_lib.core import paths, project_lock
from recomart_lib.core.project_lock import BusyError, Holder

HOLD = """
import sys, time
from recomart_lib.core import project_lock
with project_lock.held("stage 06_train"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    monkeypatch.delenv(project_lock.HELD_BY, raising=False)
    return tmp_path


def holder(**changes) -> Holder:
    usual = {"what": "stage 06_train", "brief": False, "pid": 1, "host": socket.gethostname(), "since": "2026-11-27"}
    return Holder(**usual | changes)


def holds(root, who: Holder) -> FileLock:
    """Somebody else who holds the lock."""
    lock = FileLock(paths.output(project_lock.LOCK), thread_local=False)
    lock.acquire()
    (root / project_lock.HOLDER).write_text(json.dumps(asdict(who)))
    return lock


def test_a_second_writer_is_refused_with_the_name_of_the_first(root):
    lock = holds(root, holder(pid=4242, since="2026-11-27 03:12:05"))
    with pytest.raises(BusyError) as error, project_lock.held("stage 03_explore"):
        pass
    assert str(error.value) == (
        f"The project is in use by stage 06_train (process 4242 on {socket.gethostname()}, since 2026-11-27 03:12:05 "
        "UTC). Wait until it has ended, or stop it; then run the command again."
    )
    lock.release()
    with project_lock.held("stage 03_explore"):
        pass


def test_within_the_lock_and_in_children_it_is_not_taken_again(root):
    with project_lock.held("stage 06_train"):
        assert json.loads((root / project_lock.HOLDER).read_text())["pid"] == os.getpid()
        assert os.environ[project_lock.HELD_BY] == str(os.getpid())
        with project_lock.held("recomart index"):
            pass
        with pytest.raises(TimeoutError):
            FileLock(root / project_lock.LOCK).acquire(blocking=False)
    assert project_lock.HELD_BY not in os.environ
    assert not (root / project_lock.HOLDER).exists()


def test_a_variable_that_has_outlived_the_lock_is_not_believed(root, monkeypatch):
    """As in a program that a cell has started in the background."""
    monkeypatch.setenv(project_lock.HELD_BY, "7")
    lock = holds(root, holder(pid=8))
    with pytest.raises(BusyError), project_lock.held("stage 03_explore"):
        pass
    lock.release()


def test_a_disk_without_locks_is_said_and_stops_nobody(root, monkeypatch, caplog):
    def acquire(*_, **__) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", acquire)
    with project_lock.held("stage 03_explore"):
        pass
    assert "has no file locks: nothing keeps two runs apart" in caplog.text


def test_an_error_releases_it(root):
    with pytest.raises(ZeroDivisionError), project_lock.held("stage 06_train"):
        _ = 1 / 0
    with project_lock.held("stage 06_train"):
        pass


def test_one_that_is_soon_done_is_waited_for(root, caplog):
    caplog.set_level("INFO")
    lock = holds(root, holder(what="a cell of 04_prepare.ipynb", brief=True))
    timer = threading.Timer(0.3, lock.release)
    timer.start()
    with project_lock.held("stage 03_explore"):
        timer.join()
    assert caplog.text.count("waiting for a cell of 04_prepare.ipynb (process 1 on") == 1


def test_the_wait_has_an_end(root, monkeypatch):
    monkeypatch.setattr(project_lock, "WAIT_S", 0.2)
    lock = holds(root, holder(what="a cell of 04_prepare.ipynb", brief=True))
    with pytest.raises(BusyError, match="in use by a cell of"), project_lock.held("stage 03_explore"):
        pass
    lock.release()


def test_a_killed_holder_blocks_nobody(root):
    """The lock is the operating system's: the file may stay."""
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"process {process.pid} on"), project_lock.held("stage 03_explore"):
            pass
        process.send_signal(signal.SIGKILL)
    assert json.loads((root / project_lock.HOLDER).read_text())["pid"] == process.pid
    with project_lock.held("stage 03_explore"):
        pass


def test_a_run_keeps_the_project_between_its_stages(root):
    run = psutil.Process()
    with project_lock.held("stage 01_ingest", run):
        pass
    with pytest.raises(BusyError, match="its stages; the last one was: stage 01_ingest"), project_lock.held("x"):
        pass
    with project_lock.held("stage 02_validate", run):
        pass


def test_a_clock_that_is_set_between_two_stages_does_not_refuse_the_run_its_own_project(root, monkeypatch):
    """The system reckons the start of a process from its clock: it moves when that is set, by NTP for example."""
    with project_lock.held("stage 01_ingest", psutil.Process()):
        pass
    started = psutil.Process().create_time()
    for step in (0.01, 1.0, 3600.0):
        monkeypatch.setattr(psutil.Process, "create_time", lambda _, step=step: started + step)
        with project_lock.held("stage 02_validate", psutil.Process()):
            pass


@pytest.mark.parametrize(
    "last",
    [
        {"run_pid": 2**22 + 1, "run_started": 0.0},  # above the highest id
        {"run_pid": os.getppid(), "run_started": 0.0},  # the id is another process's now
        {"run_pid": os.getppid(), "run_started": psutil.Process(os.getppid()).create_time(), "host": "elsewhere"},
        {},
    ],
    ids=["ended", "id used again", "on another host", "no run"],
)
def test_a_run_that_has_ended_keeps_nothing(root, last):
    paths.output(project_lock.HOLDER).write_text(json.dumps(asdict(holder(**last))))
    with project_lock.held("stage 03_explore"):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"what": 1, "new": 2}'])
def test_a_holder_that_cannot_be_read_is_another_process(root, text, monkeypatch):
    monkeypatch.setattr(project_lock, "WAIT_S", 0)
    lock = holds(root, holder())
    (root / project_lock.HOLDER).write_text(text)
    with pytest.raises(BusyError, match="in use by another process"), project_lock.held("stage 03_explore"):
        pass
    lock.release()
    with project_lock.held("stage 03_explore"):
        pass
