"""`make repro` without Git: one sentence before anything is installed. `make setup`: where DVC keeps its state."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from dvc.repo import Repo


@pytest.fixture
def folder(tmp_path) -> Path:
    """A project that was downloaded as a ZIP file; its Python cannot install anything."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    autostage = false\n")
    return tmp_path


def make(folder: Path, target: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", target, "PYTHON=false"], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("target", ["repro", "fetch"])
def test_without_git_the_remedies_are_named_before_anything_is_installed(folder, target):
    done = make(folder, target)
    assert done.returncode != 0
    assert "This folder is no Git repository." in done.stderr
    assert "git init && git add -A && git commit -m start" in done.stderr
    assert "dvc config --local core.no_scm true" in done.stderr
    assert not (folder / ".venv").exists()


@pytest.mark.parametrize("config", [".dvc/config", ".dvc/config.local"])
def test_dvc_may_be_told_that_there_is_no_git(folder, config):
    (folder / config).write_text("[core]\n    no_scm = true\n")
    assert make(folder, "git").returncode == 0


def test_git_may_begin_further_up(folder, tmp_path):
    (tmp_path / ".git").mkdir()
    inner = shutil.copytree(folder, tmp_path / "inner", ignore=shutil.ignore_patterns(".git", "inner"))
    assert make(inner, "git").returncode == 0


def state(folder: Path) -> str:
    """What `make setup` does about DVC's state at its end; returns its messages."""
    command = ["make", "dvc-state", f"BIN={Path(sys.executable).parent}"]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, umask=0o022).stderr


def test_setup_ends_with_dvcs_state(folder):
    for name in ("requirements.lock", "pyproject.toml"):
        (folder / name).touch()
    plan = subprocess.run(["make", "--dry-run", "setup"], cwd=folder, capture_output=True, text=True, check=True).stdout
    assert "site_cache" in plan


@pytest.mark.parametrize("name", ["Läden", "100% shop"])
def test_a_folder_that_dvcs_configuration_cannot_hold_is_said_and_the_configuration_is_kept(folder, name):
    """`dvc config` fails at such a value, and leaves an empty file."""
    project = shutil.copytree(folder, folder / name, ignore=shutil.ignore_patterns(name))
    (project / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    assert f'export DVC_SITE_CACHE_DIR="{project}/.dvc/site_cache"' in state(project)
    assert (project / ".dvc/config.local").read_text() == "[core]\n    no_scm = true\n"


@pytest.mark.parametrize(("shared", "rights"), [(False, 0o700), (True, 0o770)], ids=["alone", "with its group"])
def test_dvc_reads_no_pickles_from_a_folder_that_all_users_can_write_to(folder, shared, rights):
    """DVC's default is /var/tmp/dvc with mode 0777: another user of the machine can place pickles in it."""
    folder.chmod(0o2770 if shared else 0o755)
    state(folder)
    config = (folder / ".dvc/config.local").read_text()
    assert f"site_cache_dir = {folder}/.dvc/site_cache" in config
    assert stat.S_IMODE((folder / ".dvc/site_cache").stat().st_mode) & 0o777 == rights
    with Repo(folder, uninitialized=True) as repo:
        assert Path(repo.site_cache_dir).is_relative_to(folder / ".dvc/site_cache")
