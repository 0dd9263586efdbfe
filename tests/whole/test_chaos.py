"""Killed stages, and two runs at once: nothing goes on, nothing is left, and the next run ends as if undisturbed.

Moments are chosen by the sections of a notebook, never by time.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from kills import (
    Run,
    content,
    environment,
    kill,
    leftovers,
    n_sections,
    processes_in,
    sockets,
    stage_process,
    tiny_project,
)
from projects import STAGES, change, ran, run, sidecar

pytestmark = pytest.mark.slow

# a cell of a notebook by hand, which writes and then takes its time
CELL = """
from IPython.core.interactiveshell import InteractiveShell
InteractiveShell.instance().run_cell('''
from recomart_lib.core import files, paths
files.write_text(paths.place("data/by_hand.txt"), "written")
print("has written", flush=True)
input()
''')
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The project after a run that nobody disturbed; no test writes to it."""
    project = tiny_project(tmp_path_factory.mktemp("undisturbed") / "project")
    run(project, "dvc", "repro")
    return project


@pytest.fixture
def project(undisturbed, tmp_path) -> Path:
    """A copy of the finished project."""
    return shutil.copytree(undisturbed, tmp_path / "copy", symlinks=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_run_whose_stages_were_all_killed_ends_as_if_undisturbed(undisturbed, tmp_path, number):
    """Each stage once, in a section of its own, under the real DVC."""
    project = tiny_project(tmp_path / "project")
    for place, stage in enumerate(STAGES):
        seen = kill(project, stage, number, section=place % (n_sections(project, stage) - 2))
        assert seen.hit, f"{stage} had ended before the signal: {seen.output[-2_000:]}"
        assert f"failed to reproduce '{stage}'" in seen.output
        assert seen.orphans == []
        if number != signal.SIGKILL:
            assert seen.state == "stopped"
            assert seen.sockets == []
            assert f"stopped by the signal {number.name}" in seen.output
            assert f"exited with {128 + number}" in seen.output
            assert "Traceback" not in seen.output
    run(project, "dvc", "repro")
    assert sockets(project) == leftovers(project) == []
    now, then = content(project), content(undisturbed)
    assert now.keys() == then.keys()
    assert [name for name in now if now[name] != then[name]] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_stage_does_not_outlive_its_dvc(project, number):
    running = Run(project, "dvc", "repro", "--force", "--single-item", "03_explore")
    running.reaches("(cell")
    running.process.send_signal(number)
    running.wait()
    with suppress(psutil.NoSuchProcess):
        psutil.wait_procs(processes_in(project))
    facts = sidecar(project, "03_explore")
    assert facts["state"] == "stopped"
    assert "as the process that ran it (dvc, or an orchestrator) has ended" in facts["error"]
    assert sockets(project) == []
    assert "03 Explore was stopped" in (project / "reports/index.html").read_text()
    run(project, "dvc", "repro")  # DVC takes the results of the earlier run from its cache
    assert sidecar(project, "03_explore")["state"] == "ok"


def test_a_limit_stops_a_stage_and_names_its_key(project):
    change(project, limits={"stage_s": {"03_explore": 1}})
    assert ran(run(project, "dvc", "repro")) == []  # a limit makes nothing run again
    done = run(project, "recomart", "stage", "03_explore", check=False)
    assert done.returncode == 124
    assert "stopped after 1 s, the limit that limits.stage_s.03_explore of params.yaml sets" in done.stderr
    assert sidecar(project, "03_explore")["state"] == "stopped"
    change(project, limits={"stage_s": {"03_explor": 1}})
    done = run(project, "recomart", "stage", "03_explore", check=False)
    assert "limits.stage_s: there is no stage '03_explor'. Did you mean '03_explore'?" in done.stderr


def test_of_two_runs_at_once_the_second_is_refused_and_the_first_ends_well(project):
    first = Run(project, "dvc", "repro", "--force", "--single-item", "03_explore")
    first.reaches("(cell")
    stage = stage_process(first, "03_explore")
    stage.suspend()  # so that it cannot end before the others have tried
    try:
        by_hand = run(project, "recomart", "stage", "04_prepare", check=False)
        other = run(project, "recomart", "shop", "use", "online_retail", "--source", "data", check=False)
        second = run(project, "dvc", "repro", "--force", "--single-item", "04_prepare", check=False)
        same = run(project, "dvc", "repro", "--force", "--single-item", "03_explore", check=False)
        reads = run(project, "recomart", "stage")
    finally:
        stage.resume()
    for refused in (by_hand, other, second):
        assert refused.returncode != 0
        assert f"The project is in use by stage 03_explore (process {stage.pid} on " in refused.stderr
        assert "Traceback" not in refused.stderr
    assert "is busy, it is being blocked by" in same.stderr  # DVC's own lock
    assert "04_prepare" in reads.stdout
    assert first.wait() == 0, first.output
    run(project, "dvc", "repro")


def test_a_stage_waits_for_a_cell_of_a_notebook_by_hand_and_the_other_way_round_a_cell_is_refused(project):
    with subprocess.Popen(
        [sys.executable, "-c", CELL],
        cwd=project,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as cell:
        assert cell.stdout.readline() == "has written\n"
        stage = Run(project, "recomart", "stage", "03_explore")
        stage.reaches("waiting for a cell of a notebook (process")
        cell.communicate("\n")
    stage.reaches("(cell")
    stage_process(stage, "03_explore").suspend()
    try:
        done = subprocess.run(
            [sys.executable, "-c", CELL], cwd=project, env=environment(), input="\n", capture_output=True, text=True
        )
    finally:
        stage_process(stage, "03_explore").resume()
    assert "The project is in use by stage 03_explore" in done.stdout + done.stderr
    assert stage.wait() == 0, stage.output
    assert json.loads((project / "reports/sidecars/03_explore.json").read_text())["state"] == "ok"
