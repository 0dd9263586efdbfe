"""Files are complete or not there; a move to another file system is a copy that appears at once."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from recomart_lib.core import disk, files, parquet


@pytest.fixture
def other_disk(monkeypatch):
    """Folders with `disk` in their name are file systems of their own."""
    original = Path.replace

    def replace(self: Path, target: Path) -> Path:
        disks = [next((part for part in Path(path).parts if part.startswith("disk")), "") for path in (self, target)]
        if disks[0] != disks[1]:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(self), None, str(target))
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "x"
    files.write_text(path, "old")
    with pytest.raises(ZeroDivisionError), files.complete(path) as unfinished:
        unfinished.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["x"]


@pytest.mark.parametrize(("free", "expected"), [(4_000, OSError), (10**9, ValueError)])
def test_an_error_of_a_library_on_a_full_disk_says_so(tmp_path, monkeypatch, free, expected):
    path = tmp_path / "x"
    files.write_text(path, "old")
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=free))
    with pytest.raises(expected) as error, files.complete(path):
        raise ValueError("Invalid thrift: transport error")
    assert ("No space left" in str(error.value)) == (expected is OSError)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_two_writers_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "x"
    with files.complete(path) as first, files.complete(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # it was renamed last
    assert [file.name for file in tmp_path.iterdir()] == ["x"]


def test_what_a_killed_process_left_is_deleted_after_a_day(tmp_path):
    old, young = tmp_path / ".[x].csv.0a.part", tmp_path / ".[x].csv.0b.part"
    old.write_text("")
    young.write_text("")
    os.utime(old, (0, 0))
    files.write_text(tmp_path / "[x].csv", "complete")
    assert {file.name for file in tmp_path.iterdir()} == {"[x].csv", young.name}


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    steps, original = [], Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: steps.append(Path(f"/proc/self/fd/{descriptor}").resolve().is_dir())
    )
    monkeypatch.setattr(Path, "replace", lambda self, target: (steps.append("renamed"), original(self, target))[1])
    files.write_text(tmp_path / "x", "text")
    assert steps == [False, "renamed", True]  # the file, its name, and the folder that holds the name


def test_a_move_to_another_disk_is_complete(tmp_path, other_disk):
    (tmp_path / "disk").mkdir()
    source, target = tmp_path / "x", tmp_path / "disk/y"
    source.write_text("content")
    files.move(source, target)
    assert target.read_text() == "content"
    assert [file.name for file in tmp_path.rglob("*")] == ["disk", "y"]


def test_a_copy_that_fails_leaves_nothing_there(tmp_path, other_disk, monkeypatch):
    def copyfile(source: Path, target: Path) -> None:
        target.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", copyfile)
    (tmp_path / "disk").mkdir()
    (tmp_path / "x").write_text("content")
    with pytest.raises(OSError, match="No space left"):
        files.move(tmp_path / "x", tmp_path / "disk/y")
    assert list((tmp_path / "disk").iterdir()) == []
    assert (tmp_path / "x").read_text() == "content"


def test_other_errors_of_a_move_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        files.move(tmp_path / "none", tmp_path / "y")


def test_tables_are_complete_or_not_there(tmp_path):
    table = pl.DataFrame({"a": [1, 2]})
    parquet.write(table, tmp_path / "folder/a.parquet")
    with parquet.Writer(tmp_path / "b.parquet") as writer:
        writer.add(table)
        assert not (tmp_path / "b.parquet").exists()
    with pytest.raises(ZeroDivisionError), parquet.Writer(tmp_path / "c.parquet") as writer:
        writer.add(table)
        _ = 1 / 0
    with parquet.Writer(tmp_path / "nothing.parquet"):
        pass
    assert sorted(file.name for file in tmp_path.rglob("*.*")) == ["a.parquet", "b.parquet"]
    assert pl.read_parquet(tmp_path / "b.parquet").equals(table)


def test_a_file_keeps_its_mode_and_a_new_one_is_for_its_owner(tmp_path):
    before = os.umask(0o077)
    try:
        old, read_only, new = tmp_path / "old", tmp_path / "read_only", tmp_path / "folder/new"
        old.touch()
        old.chmod(0o644)
        read_only.touch()
        read_only.chmod(0o444)
        for path in (old, read_only, new):
            files.write_text(path, "text")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (old, read_only, new, new.parent)]
    assert [oct(mode) for mode in modes] == ["0o644", "0o644", "0o600", "0o700"]


def test_new_folders_are_on_the_disk_with_their_names(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(files, "sync_folder", lambda folder: synced.append(folder.relative_to(tmp_path).as_posix()))
    files.write_bytes(tmp_path / "a/b/x", b"content")
    assert synced == [".", "a", "a/b"]


def test_what_others_leave_is_not_listed(tmp_path):
    for name in ("b.json", "a.json", "._a.json", "Thumbs.db", ".b.json.swp"):
        (tmp_path / name).touch()
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.json").symlink_to("/nowhere/at/all")
    assert [path.name for path in files.listed(tmp_path, "*.json")] == ["a.json", "b.json"]
    assert files.listed(tmp_path / "none", "*.json") == []


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may have more than 4 kB: as on a disk whose quota is used up."""
    resource = pytest.importorskip("resource")  # Windows has none
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def chunked(path: Path, table: pl.DataFrame) -> None:
    with parquet.Writer(path) as writer:
        writer.add(table)


@pytest.mark.parametrize(
    "write",
    [
        lambda path, table: parquet.write(table, path),
        chunked,
        lambda path, table: files.write_text(path, "x" * 100_000),
        lambda path, table: files.write_bytes(path, bytes(100_000)),
    ],
    ids=["table", "chunks", "text", "bytes"],
)
def test_a_file_that_does_not_fit_leaves_the_last_one_and_is_one_sentence(tmp_path, small_files, write):
    path = tmp_path / "x"
    path.write_text("old")
    table = pl.DataFrame({"a": range(50_000)}).select(pl.col("a").hash())
    with pytest.raises(Exception, match=r"(?i)file too large") as error:
        write(path, table)
    assert "a file would be larger than the system allows. Correct that" in disk.explained(error.value)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("x", "old")]


def test_an_error_of_a_full_disk_names_the_file(tmp_path):
    """Of a write into an open file, the system does not say which."""
    with pytest.raises(OSError, match=r"params\.yaml") as problem, files.complete(tmp_path / "params.yaml"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert disk.explained(problem.value).startswith(f"{tmp_path}/ cannot be written: the disk is full.")
