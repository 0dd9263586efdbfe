"""Processes above and below a stage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import psutil
import pytest

from recomart.project import processes

SLEEP = [sys.executable, "-c", "input()"]  # until its input ends
FAMILY = '''
import subprocess, sys, time
from recomart.project import processes
below = """import subprocess, sys
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'], start_new_session=True).wait()"""
subprocess.Popen([sys.executable, "-c", below], start_new_session=True)
while len(processes.psutil.Process().children(recursive=True)) < 2:
    time.sleep(0.01)
print([process.pid for process in processes.psutil.Process().children(recursive=True)])
processes.kill_descendants()
'''
PARENT = """
import subprocess, sys
child = "from recomart.project import processes; processes.end_with_parent(); print('ready', flush=True); input()"
subprocess.Popen([sys.executable, "-c", child], start_new_session=True).wait()
"""


def test_what_a_process_has_started_is_killed_whatever_its_session():
    done = subprocess.run([sys.executable, "-c", FAMILY], capture_output=True, text=True, check=True)
    below = json.loads(done.stdout)
    assert len(below) == 2
    assert not any(psutil.pid_exists(pid) for pid in below)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_kernel_is_killed_at_the_moment_its_stage_is():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout.readline() == "ready\n"
        (child,) = psutil.Process(parent.pid).children()
        parent.kill()
        psutil.wait_procs([child])  # its input has not ended: this process holds it


def test_the_end_of_a_watched_process_is_noticed(monkeypatch):
    monkeypatch.setattr(processes, "POLL_S", 0.01)
    with subprocess.Popen(SLEEP, stdin=subprocess.PIPE) as watched:
        ended = threading.Event()
        processes.watch([psutil.Process(), psutil.Process(watched.pid)], ended.set)
        assert not ended.wait(0.05)
        watched.kill()  # nobody has read its status yet: it is a zombie
        assert ended.wait(60)


def test_nothing_to_watch_starts_no_thread():
    before = threading.active_count()
    processes.watch([], lambda: None)
    assert threading.active_count() == before


def test_the_processes_up_to_that_of_the_run_are_not_outlived(monkeypatch):
    monkeypatch.setenv(processes.RUN_PROCESS, str(os.getppid()))
    assert [process.pid for process in processes.run_parents()] == [os.getppid()]


def test_a_command_by_hand_may_outlive_its_shell(monkeypatch):
    monkeypatch.delenv(processes.RUN_PROCESS, raising=False)
    monkeypatch.setattr(processes, "_is_dvc", lambda process: False)
    assert processes.run_parents() == []
    assert processes.outermost_dvc() is None


def test_the_outermost_dvc_is_the_run(monkeypatch):
    parents = psutil.Process().parents()
    monkeypatch.setattr(processes, "_is_dvc", lambda process: process.pid in [parents[0].pid, parents[-1].pid])
    assert processes.outermost_dvc() == parents[-1]
    assert processes.run_parents() == parents


@pytest.mark.parametrize(
    ("command", "is_dvc"),
    [
        ("dvc repro", True),
        ("/opt/venv/bin/dvc repro", True),
        ("/usr/bin/python3 /opt/venv/bin/dvc repro", True),
        ("/Library/Frameworks/Python.app/Contents/MacOS/Python -m dvc repro", True),
        ("sudo -u dvc -i", False),
        ("su - dvc", False),
        ("SCREEN -S dvc", False),
        ("tmux -L dvc", False),
        ("make dvc", False),
        ("", False),
    ],
)
def test_a_name_or_a_session_called_dvc_is_not_dvc(command, is_dvc):
    assert processes._is_dvc(SimpleNamespace(cmdline=command.split)) is is_dvc


def test_a_process_whose_id_is_used_again_has_ended():
    with subprocess.Popen(SLEEP, stdin=subprocess.PIPE) as process:
        seen = psutil.Process(process.pid)
        assert processes.is_alive(seen)
        process.stdin.close()
        process.wait()
    assert not processes.is_alive(seen)
