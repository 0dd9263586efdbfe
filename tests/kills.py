"""Kill the stages of a small shop's project one after the other, each time under a `dvc repro` of its own.

Shared by tests/whole/test_chaos.py and bench/chaos.py.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil
from projects import BIN, change, new_project, results, sidecar

from recomart.runner import kernel

END_S = 120  # until a killed run has ended; a busy machine needs seconds
SECTION = re.compile(r"(\d\d_\w+): .+ \(cell \d+ of \d+\)")
DATABASES = "data/tuning/"  # of trials, with times; what was found in them is in reports/metrics/tuning.json
NEW_FILES = "reports/01_ingest.ipynb"  # reports how many files were new since the last run
# keys of manifests and of the score history: when, or made from it
MOMENTS = ("landed_at", "manifest_sha256", "as_of")

# few and small models: what is tried is whether a killed run leaves a trace, not how well models rank
MODELS = {"popularity": {}, "own_history": {}, "ease": {"reg": {"low": 50, "high": 200}}, "als": {"n_factors": 8}}


def tiny_project(folder: Path) -> Path:
    """A project that has not run, quick in all of its stages."""
    project = new_project(folder)
    change(project, validate={"profile_max_rows": 100}, evaluate={"n_bootstrap": 20})
    change(project, train={"models": MODELS, "n_trials": 2, "n_backtests": 1})
    return project


@dataclass(frozen=True)
class Kill:
    """One killed stage: what was seen, and what was left behind."""

    stage: str
    signal: str
    section: int
    seconds: float
    status: int
    output: str
    state: str | None
    orphans: list[str]
    sockets: list[str]

    @property
    def hit(self) -> bool:
        """Whether the stage was still running."""
        return self.status != 0


def environment() -> dict[str, str]:
    """The environment of a run: the programs of this one, and no project of the tests."""
    variables = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
    return {name: value for name, value in variables.items() if name != "RECOMART_ROOT"}


class Run:
    """A `dvc repro`, or another command, in the background; its output is read as it comes."""

    def __init__(self, project: Path, *command: str, on_line: Callable[[str], None] = lambda line: None) -> None:
        self.project, self.lines = project, []
        self._on_line = on_line
        self.process = subprocess.Popen(
            command,
            cwd=project,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            self._on_line(line)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait(self) -> int:
        """The exit status, when all output has come."""
        status = self.process.wait()
        self._reader.join(END_S)
        return status

    def reaches(self, text: str) -> None:
        """Wait until a line of the output has this text; an error if the command ends before."""
        while not any(text in line for line in list(self.lines)):
            assert self.process.poll() is None, f"ended without {text!r}: {self.output[-3_000:]}"
            time.sleep(0.02)


def stage_process(run: Run, stage: str) -> psutil.Process | None:
    """The process of `recomart stage NAME` below a run (not the shell that DVC starts it with)."""
    with suppress(psutil.Error):
        for process in [psutil.Process(run.process.pid), *psutil.Process(run.process.pid).children(recursive=True)]:
            with suppress(psutil.Error):
                words = process.cmdline()
                if words[-2:] == ["stage", stage] and "python" in Path(words[0]).name:
                    return process
    return None


def processes_in(project: Path) -> list[psutil.Process]:
    """All processes whose working folder is in the project."""
    inside = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(project) and process.status() != psutil.STATUS_ZOMBIE:
                inside.append(process)
    return inside


def sockets(project: Path) -> list[str]:
    """What the kernels of a project have left in the folder of their sockets, and in the project."""
    folder = kernel.sockets_folder(project)
    inside = [path for path in project.rglob("kernel-ipc-*") if ".dvc" not in path.parts]
    return [str(path) for path in [*(folder.iterdir() if folder.exists() else []), *inside]]


def n_sections(project: Path, stage: str) -> int:
    """The number of sections of a stage's notebook."""
    cells = nbformat.read(project / "notebooks" / f"{stage}.ipynb", as_version=4).cells
    return sum(cell.cell_type == "markdown" and bool(re.search("^## ", cell.source, re.M)) for cell in cells)


def kill(project: Path, stage: str, number: signal.Signals, section: int, delay_s: float = 0) -> Kill:
    """Run `dvc repro`, and send a signal to a stage some time after a section of its notebook has begun.

    Returns when DVC, the stage and its kernel have ended; `orphans` are processes that have not after two minutes.
    """
    reached, n_seen = threading.Event(), 0

    def count(line: str) -> None:
        nonlocal n_seen
        match = SECTION.search(line)
        n_seen += bool(match) and match[1] == stage
        if n_seen > section:
            reached.set()

    run = Run(project, "dvc", "repro", on_line=count)
    while not reached.wait(0.05) and run.process.poll() is None:
        pass
    time.sleep(delay_s)
    if victim := stage_process(run, stage):
        with suppress(psutil.NoSuchProcess):
            victim.send_signal(number)
    begin = time.monotonic()
    while processes_in(project) and time.monotonic() - begin < END_S:
        time.sleep(0.05)
    seconds = time.monotonic() - begin
    orphans = [" ".join(process.cmdline()) for process in processes_in(project)]
    status = run.wait()
    state = sidecar(project, stage).get("state") if (project / f"reports/sidecars/{stage}.json").exists() else None
    return Kill(stage, number.name, section, seconds, status, run.output, state, orphans, sockets(project))


def content(project: Path) -> dict[str, object]:
    """All that must equal an undisturbed run: metrics, tables, models, notebooks and the lake, without their times."""
    lake = [path for path in (project / "data/raw").rglob("*") if path.is_file()]
    files = results(project) | {path.relative_to(project).as_posix(): path.read_bytes() for path in lake}
    return {
        name: _comparable(name, found)
        for name, found in files.items()
        if not name.startswith(DATABASES) and name != NEW_FILES
    }


def _comparable(name: str, found: bytes) -> object:
    """The bytes of a file; a manifest and the score history without their times."""
    if name.startswith(("data/raw", "data/history")) and name.endswith(("json", "jsonl")):
        return [_timeless(json.loads(line)) for line in (found.splitlines() if name.endswith("l") else [found])]
    return found


def _timeless(value: object) -> object:
    """JSON without the moments of ingestion, and without the hashes of what has them."""
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in MOMENTS}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def leftovers(project: Path) -> list[str]:
    """Unfinished files in data/ and reports/."""
    folders = [project / "data", project / "reports"]
    found = [path for folder in folders for path in [*folder.rglob(".*.part"), *folder.rglob(".scratch/*")]]
    return [path.relative_to(project).as_posix() for path in found]
