"""Run one stage through DVC in a process whose output is streamed, and that can be terminated with its children."""

from __future__ import annotations

import json
import math
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from recomart.project import dvc_graph, logs, params, processes, sidecars
from recomart_lib.core import clock, paths
from recomart_lib.core.redaction import redact

# errors that may pass: another DVC process is running, or a server or network is down; only these are retried
TRANSIENT_ERRORS = re.compile(
    r"Unable to acquire lock|The project is in use by|is busy, it is being blocked"
    r"|given up after \d+ attempt|Try again(?! with)|timed out"
    r"|Connection (?:refused|reset|aborted)|Temporary failure in name resolution|ConnectionError|Network is unreachable"
)
DVC_HINTS = re.compile(r"To track the changes with git|\s*git add|To enable auto staging|\s*dvc config|Use `dvc push`")
ERROR_LINE = re.compile(r"^(?:ERROR|Error): (.+)")
POSIX = os.name == "posix"
LIMIT_MARGIN_S = 120  # a stage ends itself at its limit; one that does not is terminated this much later
PICTURE = re.compile(r'src="(data:image/svg\+xml;base64,[^"]+)"')  # an SVG in a stored notebook (`stored_figures`)
GRACE_S = (20, 10, 10)  # seconds to wait after SIGINT, SIGTERM and SIGKILL


class StageFailedError(Exception):
    """A stage failed; `is_transient` says whether a retry may help."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.is_transient = bool(TRANSIENT_ERRORS.search(message))


class StageRun(NamedTuple):
    """Whether DVC executed the stage (False: it was up to date), and when it was started (UTC)."""

    executed: bool
    started: datetime


def run_stage(
    root: Path, stage: str, notebook: str | None, on_line: Callable[[str], None], force: bool = False, run: str = ""
) -> StageRun:
    """Bring one stage of dvc.yaml up to date, without its dependencies.

    Parameters
    ----------
    root
        The project's folder.
    stage, notebook
        The stage's name in dvc.yaml, and its notebook, if it has one.
    on_line
        Called with each line of output.
    force
        Run the stage even if nothing changed.
    run
        The run id for logs and sidecars; empty: recomart chooses it.

    Raises
    ------
    StageFailedError
        With the stage's error message, for example the rules that failed the quality gate.
    UserError
        If params.yaml is invalid.
    """
    limit_s = params.load(root / "params.yaml").limits.stage_s.get(notebook or "")
    started = clock.now().replace(microsecond=0)
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", *(["--force"] if force else []), stage]
    status, lines = follow(command, root, on_line, run, limit_s and limit_s + LIMIT_MARGIN_S)
    if status:
        raise StageFailedError(_failure_message(root, stage, notebook, started, lines))
    return StageRun(any(line.startswith("Running stage") for line in lines), started)


def follow(
    command: list[str], root: Path, on_line: Callable[[str], None], run: str = "", limit_s: float | None = None
) -> tuple[int, list[str]]:
    """Run a command in its own process group; returns exit status and last lines.

    An interruption terminates it, and so does a limit of its run time in seconds (`StageFailedError`). Its stages end
    when this process has ended.
    """
    binaries = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', '')}", "PYTHONUNBUFFERED": "1"}
    environment |= {"RECOMART_ROOT": str(root), **({logs.RUN_ID: run} if run else {})}
    environment[processes.RUN_PROCESS] = str(os.getpid())
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
        for line in _lines(process, limit_s):
            if (text := redact(line.rstrip())) and not DVC_HINTS.match(text):
                last.append(text)
                on_line(text)
        return process.wait(), list(last)
    except BaseException:  # cancelled: whatever the exception, no process may continue in the background
        terminate(process)
        raise


def _lines(process: subprocess.Popen, limit_s: float | None = None) -> Iterator[str]:
    """Yield the lines of a process as they arrive, never blocking for more than 0.2 s; at the limit, raise an error.

    Dagster interrupts a run from another thread; the main thread notices only between two bytecode instructions.
    """
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        with process.stdout:
            for line in process.stdout:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    deadline = time.monotonic() + limit_s if limit_s else math.inf
    while True:
        if time.monotonic() > deadline:
            raise StageFailedError(f"terminated: it did not end within {limit_s:,g} s (limits.stage_s of params.yaml)")
        try:
            line = lines.get(timeout=0.2)
        except queue.Empty:
            continue
        if line is None:
            return
        yield line


def terminate(process: subprocess.Popen) -> None:
    """Terminate a process and its descendants: interrupted first, so that stages can write their report, then killed.

    A notebook's kernel has its own session, which signals to the process group do not reach.
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
            for child in alive:
                _signal(child, number)
        _, alive = psutil.wait_procs(alive, timeout=grace)
        if not alive:
            return


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _failure_message(root: Path, stage: str, notebook: str | None, started: datetime, lines: list[str]) -> str:
    """The error in the stage's sidecar if it is of this run, else the error lines of the command's output."""
    metadata = sidecars.read(root / paths.SIDECARS / f"{notebook}.json")
    if metadata.get("state") in sidecars.FAILURES and datetime.fromisoformat(metadata["started"]) >= started:
        return metadata["error"]
    errors = [match[1] for line in lines if (match := ERROR_LINE.match(line))]
    return "\n".join(errors) if errors else "\n".join([f"{stage} failed; the last lines of its output:", *lines[-5:]])


def outputs(root: Path, stage: str) -> dict[str, str]:
    """Path -> MD5 of a stage's outputs in dvc.lock; empty if it has not run."""
    return {out["path"]: out["md5"] for out in dvc_graph.locked(root).get(stage, {}).get("outs", [])}


def first_figure(notebook: Path, max_length: int = 150_000) -> str | None:
    """The first figure of an executed notebook, as an address (`data:`) of at most `max_length` characters; or None."""
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    except (FileNotFoundError, ValueError):
        return None
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    addresses = filter(None, map(_address, outputs))
    return next((address for address in addresses if len(address) <= max_length), None)


def _address(data: dict[str, Any]) -> str | None:
    """A figure of a notebook as an address: a picture in HTML, or a PNG, both perhaps in several lines; else None."""
    if found := PICTURE.search("".join(data.get("text/html", ""))):
        return found[1]
    return "data:image/png;base64," + "".join(data["image/png"]).replace("\n", "") if "image/png" in data else None
