"""A disk that is full while a stage writes: one sentence, exit status 1, and the last good files as they were."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from projects import run

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="a full disk is not simulated on Windows")]

# The folder that is full while a stage runs.
FOLDERS = {
    "01_ingest": "data/raw",
    "02_validate": "data/history",
    "03_explore": "reports",
    "04_prepare": "data/prepared",
    "05_features": "data/feature_store",
    "06_train": "data/models",
    "07_evaluate": "data/evaluation",
    "08_recommend": "data/recommendations",
    "09_stream": "reports",
}
NEW = {"01_ingest"}  # these write only what is not there yet: their folder is empty
# without the right to mount a disk, no file may be larger than this: another error, of all folders, but the same duty
MAX_BYTES = 8_000
LIMIT = f"""
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, ({MAX_BYTES}, {MAX_BYTES}))
os.execvp(sys.argv[1], sys.argv[1:])
"""


def mounted(folder: Path, size: int) -> bool:
    """Mount a disk of this size in bytes at a folder; False without the right to."""
    options = f"size={size // 1024}k,mode=700"
    command = ["mount", "-t", "tmpfs", "-o", options, "recomart-test", str(folder)]
    return shutil.which("mount") is not None and subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def full_disk(folder: Path, keep: bool, aside: Path) -> Iterator[list[str]]:
    """Put a folder, with its files, on a full disk; yields the words in front of a command that shall fail by that."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, aside, symlinks=True) if keep else aside.mkdir()
    sizes = [path.lstat().st_size for path in aside.rglob("*")]
    if not mounted(folder, sum(sizes) + 8_192 * len(sizes) + 262_144):
        shutil.rmtree(folder)
        shutil.copytree(aside, folder, symlinks=True)
        yield [sys.executable, "-c", LIMIT]
        return
    try:
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        fill(folder / "filler")
        yield []
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4_096)):
                pass
        except OSError:
            return


def hashes(folder: Path, min_bytes: int) -> dict[str, str]:
    """Path -> hash of the files with at least so many bytes."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "filler"]
    files = [path for path in files if path.stat().st_size >= min_bytes]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("stage", FOLDERS)
def test_a_stage_on_a_full_disk_fails_with_one_sentence_and_leaves_the_last_files(project, stage, tmp_path):
    folder = project / FOLDERS[stage]
    with full_disk(folder, stage not in NEW, tmp_path / "aside") as limit:
        min_bytes = MAX_BYTES if limit else 0  # smaller files can be written below the limit: the sidecar
        before = hashes(folder, min_bytes)
        done = run(project, *limit, "recomart", "stage", stage, check=False)
        assert hashes(folder, min_bytes) == before
    assert done.returncode == 1, done.stderr
    assert "cannot be written: " in done.stderr.splitlines()[-1] + done.stderr.splitlines()[-2], done.stderr
    assert "Traceback" not in done.stderr
    if not limit:
        assert f"Error: {FOLDERS[stage]}" in done.stderr or f": {FOLDERS[stage]}" in done.stderr
        assert "the disk is full. Free some space, then run the command again." in done.stderr
