"""The Git revision of the project."""

from __future__ import annotations

import subprocess
from pathlib import Path


def revision(root: Path) -> str:
    """The commit's short hash and whether code or parameters differ from it; what a run writes does not count."""
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", ".", ":!reports", ":!dvc.lock")
    except (OSError, subprocess.SubprocessError):
        return "no git"
    return f"{commit} + uncommitted changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    # no optional locks: looking must not get in the way of somebody who commits at this moment
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()
