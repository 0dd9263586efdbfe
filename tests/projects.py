"""A small shop as a project of its own, which the real DVC runs: for tests of whole runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from recomart.runner import stage

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SMALL = {"n_users": 300, "n_items": 120, "n_orders": 1_500, "n_days": 150}
STAGES = list(stage.STAGES)


def run(project: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run a command of the environment in a project; the test fails with its output if it should have worked."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("RECOMART_ROOT", None)
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stdout[-4_000:] + done.stderr[-4_000:]
    return done


def new_project(folder: Path) -> Path:
    """A copy of the tracked files with a small shop, in a Git repository of its own."""
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_file() and name != "dvc.lock" and not name.startswith(("tests/", "reports/metrics/")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    change(
        folder,
        simulate=SMALL,
        evaluate={"n_bootstrap": 50},
        train={
            "k": 20,
            "n_trials": 3,
            "models": {
                "popularity": {},
                "recent_popularity": {},
                "own_history": {},
                "own_history_decayed": {},
                "repurchase": {"n_trees": 20},
                "item_knn": {"n_neighbours": [20]},
                "ease": {"reg": {"low": 50, "high": 200}},
                "als": {"n_factors": 8},
                "bpr": {"n_factors": 8, "n_epochs": 10},
                "svdpp": {"n_epochs": 5},
                "segment_popularity": {},
                "content": {},
                "blend": {"n_factors": 8},
            },
        },
    )
    run(folder, "git", "init", "-q")
    run(folder, "git", "add", "-A")
    identity = ("-c", "user.name=Tester", "-c", "user.email=tester@example.com")
    run(folder, "git", *identity, "commit", "-qm", "a project")
    return folder


def stages(project: Path) -> None:
    """All stages, without DVC: half the time."""
    for name in STAGES:
        run(project, "recomart", "stage", name)


def sidecar(project: Path, name: str) -> dict:
    return json.loads((project / "reports/sidecars" / f"{name}.json").read_text())


def change(project: Path, **sections: dict) -> None:
    """Set parameters in a project's params.yaml."""
    path = project / "params.yaml"
    content = yaml.safe_load(path.read_text())
    for name, values in sections.items():
        content[name].update(values)
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def ran(done: subprocess.CompletedProcess) -> list[str]:
    """The stages that DVC executed."""
    return [line.split("'")[1] for line in done.stdout.splitlines() if line.startswith("Running stage '")]


def results(project: Path) -> dict[str, bytes]:
    """All that must be equal after a forced rerun: metrics, models, tables and normalised notebooks."""
    kept = [*project.glob("reports/metrics/*"), *project.glob("reports/*.ipynb")]
    folders = "validated quarantine history prepared features tuning models evaluation recommendations"
    for folder in folders.split():
        kept += [path for path in (project / "data" / folder).rglob("*") if path.is_file()]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in kept}


@pytest.fixture(scope="session")
def finished_project(tmp_path_factory) -> Path:
    """The small shop after `dvc repro`: built once for all tests and workers. No test writes to it; see `project`."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent  # the workers' common folder
    folder = shared / "finished_project"
    with FileLock(shared / "finished_project.lock"):
        if not (folder / "finished").exists():
            shutil.rmtree(folder, ignore_errors=True)  # another worker died while it built
            run(new_project(folder / "project"), "dvc", "repro")
            (folder / "finished").touch()
    return folder / "project"


@pytest.fixture(scope="module")
def project(finished_project, tmp_path_factory) -> Path:
    """A copy of the finished project for the tests of one module, which may change it."""
    return shutil.copytree(finished_project, tmp_path_factory.mktemp("project") / "copy", symlinks=True)
