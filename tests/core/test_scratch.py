"""Temporary folders beside the results, and what killed processes left in them."""

from __future__ import annotations

import os
import time

from recomart_lib.core.scratch import scratch_folder


def test_a_scratch_folder_is_deleted_with_old_leftovers(tmp_path):
    for name, age in (("killed", 2 * 86_400), ("active", 60)):
        leftover = tmp_path / ".scratch" / name
        leftover.mkdir(parents=True)
        (leftover / "rows").write_text("half")
        os.utime(leftover, (time.time() - age,) * 2)
    with scratch_folder(tmp_path) as folder:
        (folder / "rows").write_text("x")
    assert [folder.name for folder in (tmp_path / ".scratch").iterdir()] == ["active"]


def test_foreign_things_in_the_scratch_folder_disturb_nobody(tmp_path):
    scratch = tmp_path / ".scratch"
    scratch.mkdir()
    (scratch / ".DS_Store").write_text("a file, not a folder")
    (scratch / "link").symlink_to("/nowhere/at/all")
    (scratch / "young.swp").write_text("")
    for name in (".DS_Store", "link"):
        os.utime(scratch / name, (0, 0), follow_symlinks=False)
    with scratch_folder(tmp_path) as folder:
        (folder / "rows").write_text("x")
    assert [path.name for path in scratch.iterdir()] == ["young.swp"]


def test_what_cannot_be_deleted_there_stays(tmp_path, monkeypatch):
    leftover = tmp_path / ".scratch" / "killed"
    leftover.mkdir(parents=True)
    os.utime(leftover, (0, 0))

    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("recomart_lib.core.scratch.shutil.rmtree", refuse)
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
        monkeypatch.undo()
    assert [path.name for path in (tmp_path / ".scratch").iterdir()] == ["killed"]
