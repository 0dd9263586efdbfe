"""New files and the project's folders are for their owner; what is shared on purpose stays shared."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from recomart_lib.core import files, privacy

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Iterator[Path]:
    """A project as a clone makes it: everybody may enter its folders."""
    for name in ("data", "reports", "logs", ".dvc", ".dagster"):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    monkeypatch.setattr(privacy, "_protected", set())
    before = os.umask(0o022)
    yield tmp_path
    os.umask(before)


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def test_folders_with_data_are_closed_and_named(project):
    sentences = privacy.protect()
    assert [mode(project / name) for name in ("data", "reports", "logs", ".dagster", ".dvc/cache")] == ["0o700"] * 5
    assert mode(project / ".dvc") == "0o755"  # it is committed
    assert len(sentences) == 4
    assert sentences[0].startswith("data/ was open to other users of this machine and is now closed.")


def test_once_per_process(project):
    privacy.protect()
    (project / "data").chmod(0o750)
    assert privacy.protect() == []
    assert mode(project / "data") == "0o750"


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_project_that_was_moved_says_where_dvc_keeps_its_state(project, quote):
    (project / ".dvc/config.local").write_text(f"[core]\n    site_cache_dir = {quote}/old #1/.dvc/site_cache{quote}\n")
    (sentence,) = [sentence for sentence in privacy.protect() if "state" in sentence]
    assert sentence.startswith("DVC keeps its state in /old #1/.dvc/site_cache, outside this project")
    assert "make dvc-state" in sentence


@pytest.mark.parametrize("place", ["{root}/.dvc/site_cache", "{root}/../.dvc/site_cache", "/var/cache/dvc", None])
def test_a_project_that_was_not_moved_says_nothing_of_dvc(project, place):
    """An experiment in a copy below the project keeps the project's setting; others were chosen by somebody."""
    setting = f"site_cache_dir = {place.format(root=project)}" if place else "no_scm = true"
    (project / ".dvc/config.local").write_text(f"[core]\n    {setting}\n")
    assert [sentence for sentence in privacy.protect() if "state" in sentence] == []


def test_a_file_written_in_a_notebook_is_private_without_a_command(project, caplog):
    caplog.set_level("INFO")
    files.write_text(project / "data/validated/x", "text")
    assert [mode(project / name) for name in ("data", "data/validated", "data/validated/x")] == [
        "0o700",
        "0o700",
        "0o600",
    ]
    assert "data/ was open to other users" in caplog.text


def test_a_project_that_cannot_be_written_may_be_read(project, monkeypatch):
    """A read-only mount, or a colleague's clone, in which DVC has not run yet."""

    def mkdir(self: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    privacy.protect()
    assert not (project / ".dvc/cache").exists()


def test_a_folder_that_is_shared_with_its_group_stays_as_it_is(project):
    (project / "reports").chmod(0o2775)
    privacy.protect()
    assert mode(project / "reports") == "0o2775"
    assert mode(project / "data") == "0o700"


def test_in_a_project_that_is_shared_new_files_keep_the_rights_of_its_group(project):
    for folder in (project, project / "data"):
        folder.chmod(0o2775)
    os.umask(0o002)
    privacy.protect()
    files.write_text(project / "data/x", "text")
    assert (mode(project / "data"), mode(project / "data/x")) == ("0o2775", "0o660")


def test_an_access_list_is_left_alone(project, monkeypatch):
    lists = {project / "data": ["system.posix_acl_access"]}
    monkeypatch.setattr(os, "listxattr", lambda folder: lists.get(folder, []), raising=False)
    privacy.protect()
    assert mode(project / "data") == "0o755"


def test_a_folder_that_cannot_be_closed_is_named_and_the_run_goes_on(project, monkeypatch):
    def refuse(self: Path, mode: int) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "chmod", refuse)
    first = privacy.protect()[0]
    assert first == "data/ is open to other users of this machine, and cannot be closed: Read-only file system."


def test_a_stricter_umask_stays(project):
    os.umask(0o277)
    privacy.protect()
    assert os.umask(0o022) == 0o277


def test_outside_a_project_new_files_are_private_too(tmp_path, monkeypatch):
    monkeypatch.delenv("RECOMART_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    assert privacy.protect() == []
    assert os.umask(before) == 0o077


def test_a_project_that_does_not_exist_is_none(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path / "moved"))
    before = os.umask(0o022)
    try:
        assert privacy.protect() == []
        assert os.umask(0o022) == 0o077
    finally:
        os.umask(before)
