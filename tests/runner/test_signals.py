"""Signals, the end of the `dvc` above and a limit become one exception; a second signal ends the process."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from recomart.project import processes
from recomart.runner.signals import Stopped, stoppable

TWICE = """
import os, signal, sys, time
from recomart.runner import signals
signals.ECHO_S = float(sys.argv[1])
with signals.stoppable(lambda: print("left nothing", flush=True)):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except signals.Stopped:
        os.kill(os.getpid(), signal.SIGINT)
        print("cleaned up", flush=True)
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_is_an_exception_with_the_exit_status_of_the_signal(name, status):
    number = getattr(signal, name)
    former = signal.getsignal(number)
    with pytest.raises(Stopped, match=f"stopped by the signal {name}") as error, stoppable():
        signal.raise_signal(number)
    assert error.value.status == status
    assert signal.getsignal(number) is former


def test_no_library_swallows_it():
    assert not issubclass(Stopped, Exception)


def test_a_signal_that_is_ignored_stays_ignored():
    """As `nohup` sets SIGHUP, and a shell the SIGINT of what it runs in the background."""
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_limit_stops_the_main_thread():
    with pytest.raises(Stopped) as error, stoppable() as stopper:
        stopper.after(0.05, "limits.stage_s.06_train")
        time.sleep(60)
    assert str(error.value) == "stopped after 0.05 s, the limit that limits.stage_s.06_train of params.yaml sets"
    assert error.value.status == 124


def test_a_limit_that_is_not_reached_or_not_set_stops_nothing():
    with stoppable() as stopper:
        stopper.after(60, "x")
        timer = stopper._timer
    timer.join()  # it was cancelled
    with stoppable() as stopper:
        stopper.after(None, "x")
        assert stopper._timer is None


def test_the_end_of_the_process_above_stops_the_stage(monkeypatch):
    above = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    monkeypatch.setattr(processes, "POLL_S", 0.01)
    monkeypatch.setattr(processes, "run_parents", lambda: [processes.psutil.Process(above.pid)])
    with pytest.raises(Stopped, match="the process that ran it") as error, stoppable():
        above.kill()
        time.sleep(60)
    above.communicate()
    assert error.value.status == 143


def test_other_threads_get_no_signals():
    def work() -> None:
        with stoppable():
            assert signal.getsignal(signal.SIGTERM) is former

    former = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("echo_s", "status", "output"),
    [(0, 128 + signal.SIGINT, "left nothing\n"), (60, 0, "cleaned up\n")],
    ids=["later", "at once"],
)
def test_a_second_signal_ends_at_once_unless_it_is_the_same_stop(echo_s, status, output):
    """`timeout` sends its signal to the process, and then to the group."""
    done = subprocess.run([sys.executable, "-c", TWICE, str(echo_s)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, output), done.stderr


def test_the_message_names_the_reason_of_another_thread():
    with pytest.raises(Stopped, match="because"), stoppable() as stopper:
        threading.Thread(target=stopper.stop, args=("because", 7)).start()
        time.sleep(60)
