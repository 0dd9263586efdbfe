"""The kernel of a stage: what it does at its start, and how long its client waits for output."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from queue import Empty

import pytest
import zmq.asyncio
from conftest import ROOT

from recomart.runner import kernel
from recomart.runner.kernel_client import LONGEST_WAIT_S, PromptChannel, PromptClient


def test_imports_of_a_kernel_are_never_searched_for_garbage_and_leave_no_name():
    lines = "\n".join(kernel.IMPORT_LINES)
    code = f"exec({lines!r}, names := {{}}); import gc, sys; del names['__builtins__']"
    shown = "print(gc.isenabled(), gc.get_freeze_count() > 100_000, 'matplotlib.pyplot' in sys.modules, names)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {shown}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "True True True {}\n"


@pytest.mark.parametrize(("timeout", "waited_ms"), [(0.2, LONGEST_WAIT_S * 1000), (0.001, 1), (None, None)])
def test_output_is_waited_for_briefly_or_without_a_limit(timeout, waited_ms):
    class Socket(zmq.asyncio.Socket):
        polled = ()

        async def poll(self, timeout=None):
            Socket.polled = (timeout,)

    with zmq.asyncio.Context() as context, Socket(context, zmq.SUB) as empty, pytest.raises(Empty):
        asyncio.run(PromptChannel(empty, None).get_msg(timeout))
    assert Socket.polled == (waited_ms,)


def test_the_client_of_a_kernel_has_that_channel():
    assert PromptClient().iopub_channel_class is PromptChannel
