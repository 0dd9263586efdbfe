"""The Git revision of the project."""

from __future__ import annotations

import subprocess
from pathlib import Path


def revision(root: Path) -> str:
    """The commit's short hash, and whether code or parameters have uncommitted changes (results do not count)."""
    try:
        commit = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", ".", ":!reports", ":!dvc.lock")
    except (OSError, subprocess.SubprocessError):
        return "no git"
    return f"{commit} + uncommitted changes" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    # without optional locks, so that this does not disturb a commit at the same moment
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    return result.stdout.strip()
