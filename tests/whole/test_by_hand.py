"""The notebooks as an analyst runs them: cell by cell, in the finished project, with their defaults."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from projects import BIN


def test_notebooks_run_by_hand(project):
    """nbval runs the stripped notebooks in the finished project: their cells must run with their defaults."""
    environment = {**os.environ, "RECOMART_ROOT": str(project), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    copy = shutil.copytree(
        project, project.parent / "by_hand", symlinks=True, ignore=shutil.ignore_patterns(".git", ".dvc")
    )
    environment["RECOMART_ROOT"] = str(copy)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "notebooks",
    ]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4_000:]
    assert "passed" in done.stdout
