"""Commands that write are refused while a stage runs; commands that read are not."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import pytest
from conftest import ROOT
from filelock import FileLock

from recomart_lib.core import paths, project_lock


@pytest.fixture
def project(tmp_path, tiny_shop, monkeypatch) -> Path:
    """A project with a tiny shop, in which stage 06_train of somebody else runs."""
    tiny_shop(tmp_path)
    shutil.copytree(ROOT / "shops", tmp_path / "shops", dirs_exist_ok=True)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text("base: {shop: tiny, source: source}\n")
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    monkeypatch.delenv(project_lock.HELD_BY, raising=False)
    with FileLock(paths.output(project_lock.LOCK)):
        facts = {"what": "stage 06_train", "brief": False, "pid": 7, "host": socket.gethostname(), "since": "today"}
        (tmp_path / project_lock.HOLDER).write_text(json.dumps(facts))
        yield tmp_path


def files(project: Path) -> dict[str, bytes]:
    found = [path for path in project.rglob("*") if path.is_file() and "logs" not in path.parts]
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize(
    "words",
    [
        ("stage", "03_explore"),
        ("shop", "use", "simulated"),
        ("shop", "resolve"),
        ("index",),
    ],
    ids=" ".join,
)
def test_a_command_that_writes_is_refused_and_writes_nothing(project, call, words):
    before = files(project)
    status, _, message = call(*words)
    assert status == 1
    assert "Error: The project is in use by stage 06_train (process 7 on " in message
    assert files(project) == before


@pytest.mark.parametrize("words", [("shop", "show"), ("shop", "check", "tiny"), ("stage",)], ids=" ".join)
def test_a_command_that_reads_is_not(project, call, words):
    assert call(*words)[0] == 0
