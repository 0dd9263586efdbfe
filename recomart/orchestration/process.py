"""Run one stage through DVC as a process that can be followed, and ended with everything that it started."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psutil

from recomart.project import dvc_graph, logs, sidecars
from recomart_lib.core import paths

# what may pass by itself: another DVC at work, a server or a line that is down; nothing else is tried again
PASSES = re.compile(
    r"Unable to acquire lock|is busy, it is being blocked|given up after \d+ attempt|Try again(?! with)|timed out"
    r"|Connection (?:refused|reset|aborted)|Temporary failure in name resolution|ConnectionError|Network is unreachable"
)
ADVICE = re.compile(r"To track the changes with git|\s*git add|To enable auto staging|\s*dvc config|Use `dvc push`")
TOLD = re.compile(r"^(?:ERROR|Error): (.+)")
POSIX = os.name == "posix"
GRACE_S = (20, 10, 10)  # how long to wait after asking (SIGINT), asking firmly (SIGTERM), and killing


class StageFailedError(Exception):
    """A stage did not do its work; `may_pass` says whether trying again may help."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.may_pass = bool(PASSES.search(message))


class Ran(NamedTuple):
    """What became of a stage: whether DVC ran it (False: nothing had changed), and when that began."""

    anew: bool
    started: datetime


def run_stage(
    root: Path, stage: str, notebook: str | None, say: Callable[[str], None], force: bool = False, run: str = ""
) -> Ran:
    """Bring one stage of dvc.yaml up to date, and no other.

    Parameters
    ----------
    root
        The project's folder.
    stage, notebook
        The stage's name in dvc.yaml, and the notebook that it runs, if it runs one.
    say
        Takes each line of the log when it comes.
    force
        Run it even if nothing changed.
    run
        What the run is called in logs and sidecars; empty: recomart names it.

    Raises
    ------
    StageFailedError
        With the sentence that the stage left, for example which rules the gate found broken.
    """
    started = datetime.now(UTC).replace(microsecond=0)
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", *(["--force"] if force else []), stage]
    status, lines = follow(command, root, say, run)
    if status:
        raise StageFailedError(_reason(root, stage, notebook, started, lines))
    return Ran(any(line.startswith("Running stage") for line in lines), started)


def follow(command: list[str], root: Path, say: Callable[[str], None], run: str = "") -> tuple[int, list[str]]:
    """Run a command in a process group of its own: its exit status and last lines. An interruption ends all of it."""
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}", "PYTHONUNBUFFERED": "1"}
    environment |= {"RECOMART_ROOT": str(root), **({logs.RUN: run} if run else {})}
    process = subprocess.Popen(
        command,
        cwd=root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=POSIX,
    )
    last: deque[str] = deque(maxlen=200)
    try:
        for line in _lines(process):
            if (text := line.rstrip()) and not ADVICE.match(text):
                last.append(text)
                say(text)
        return process.wait(), list(last)
    except BaseException:  # cancelled: whatever it is that interrupts, nothing may go on behind our back
        end(process)
        raise


def _lines(process: subprocess.Popen) -> Iterator[str]:
    """The lines of a process while they come, without ever blocking for long.

    Dagster interrupts a run from another thread, and that reaches the main thread only between two of its steps.
    """
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        with process.stdout:
            for line in process.stdout:
                waiting.put(line)
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = waiting.get(timeout=0.2)
        except queue.Empty:
            continue
        if line is None:
            return
        yield line


def end(process: subprocess.Popen) -> None:
    """End a process and all below it: asked first, so that stages can leave their report, then killed.

    A notebook's kernel lives in a session of its own, which no signal to the group reaches.
    """
    try:
        alive = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL) if POSIX else (signal.SIGTERM,) * 3
    for number, grace in zip(signals, GRACE_S, strict=True):
        if number == getattr(signal, "SIGINT", None):
            os.killpg(process.pid, number)
        else:
            for one in alive:
                _signal(one, number)
        _, alive = psutil.wait_procs(alive, timeout=grace)
        if not alive:
            return


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _reason(root: Path, stage: str, notebook: str | None, started: datetime, lines: list[str]) -> str:
    """Why it failed: the sidecar's sentence if it is of this run, else what the command complained of."""
    facts = sidecars.read(root / paths.SIDECARS / f"{notebook}.json")
    if facts.get("state") == "failed" and datetime.fromisoformat(facts["started"]) >= started:
        return facts["error"]
    told = [found[1] for line in lines if (found := TOLD.match(line))]
    return "\n".join(told) if told else "\n".join([f"{stage} failed; its last lines:", *lines[-5:]])


def outputs(root: Path, stage: str) -> dict[str, str]:
    """Path -> MD5 of what a stage made, as dvc.lock has it; nothing if it has not run."""
    return {out["path"]: out["md5"] for out in dvc_graph.locked(root).get(stage, {}).get("outs", [])}


def first_figure(notebook: Path, most_bytes: int = 150_000) -> str | None:
    """The first figure of an executed notebook that is not too large, as base64 of a PNG."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (FileNotFoundError, ValueError):
        return None
    shown = [output.get("data", {}).get("image/png") for cell in cells for output in cell.get("outputs", [])]
    small = ("".join(image).replace("\n", "") for image in shown if image)
    return next((image for image in small if len(image) <= most_bytes), None)
