"""An error in writing is one sentence that names the folder, whichever library raised it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from recomart_lib.core import disk
from recomart_lib.core.errors import UserError

FULL = "cannot be written: the disk is full. Free some space, then run the command again."


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose folder data/models is the fullest."""
    for name in ("data/models", "reports", "logs"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    usage = {tmp_path / "data/models": 10, tmp_path / "reports": 20}
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=usage.get(folder, 1_000)))
    return tmp_path


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        "OSError: [Errno 28] No space left on device",
        "OSError: [Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device",
        "ComputeError: parquet: File out of specification: underlying IO error: No space left on device (os error 28)",
        "OperationalError: database or disk is full",
        "OperationalError: (sqlite3.OperationalError) database or disk is full (See: https://sqlalche.me/e/21/e3q8)",
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
    ],
)
def test_a_full_disk_without_a_name_is_the_fullest_of_the_folders(project, error):
    assert disk.explained(error) == f"data/models/ {FULL}"


def test_a_folder_is_named_by_the_error(project):
    source, target = str(project / "data/.scratch/rows"), str(project / "reports/.x.part")
    error = OSError(errno.ENOSPC, "No space left on device", source, None, target)
    assert disk.explained(error) == f"reports/ {FULL}"
    error = OSError(errno.EROFS, os.strerror(errno.EROFS), str(project / "logs/x.log"))
    assert disk.explained(error).startswith("logs/ cannot be written: it is read-only.")
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(project / "data"))
    assert disk.explained(error).startswith("data/ cannot be written: you have no right to.")


def test_a_read_only_folder_without_a_name(project, monkeypatch):
    monkeypatch.setattr("os.access", lambda folder, _: folder != project / "reports")
    error = "OperationalError: attempt to write a readonly database"
    assert disk.explained(error).startswith("reports/ cannot be written: it is read-only.")


@pytest.mark.parametrize("is_link", [True, False])
def test_a_file_or_a_link_to_nothing_where_a_folder_must_be(project, is_link):
    path = project / "data/raw"
    if is_link:
        path.symlink_to("/nowhere/at/all")
    else:
        path.touch()
    with pytest.raises(OSError) as error:
        (path / "source=x").mkdir(parents=True, exist_ok=True)
    assert disk.explained(error.value).startswith("data/raw cannot be written: a file, or a link to nothing, is where")


def test_a_folder_where_a_file_must_be(project):
    (project / "data/shop.json").mkdir()
    with pytest.raises(OSError) as error:
        (project / "data/shop.json").read_text()
    assert disk.explained(error.value).startswith(
        "data/shop.json/ cannot be written: a folder is where a file must be."
    )


def test_a_file_that_must_not_be_read(project, monkeypatch):
    path = project / "reports/x.json"
    path.touch()
    monkeypatch.setattr("os.access", lambda name, mode: name != path or mode == os.F_OK)
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    assert disk.explained(error).startswith("reports/x.json cannot be read: you have no right to.")


def test_a_file_below_a_folder_that_must_not_be_entered(project, monkeypatch):
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    error = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(project / "data/models/ease/model.json"))
    assert disk.explained(error).startswith(f"{Path('data/models/ease')} cannot be written: you have no right to.")


def test_a_limit_of_the_size_of_files(project):
    error = OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(project / "data/models/x"))
    assert disk.explained(error).startswith("data/models/ cannot be written: a file would be larger than the system")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Permission denied"),
        KeyError("File exists"),
        OSError(errno.ENOENT, "No such file or directory", "/x"),
        UserError("The disk is full of surprises"),
    ],
)
def test_other_errors_are_not_explained(project, error):
    assert disk.explained(error) is None


def test_outside_a_project_as_well(tmp_path, monkeypatch):
    monkeypatch.delenv("RECOMART_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert FULL in disk.explained("OSError: [Errno 28] No space left on device")
