"""One measured run in a process of its own, so that its peak of memory is its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def measured(script: str, what: str, folder: Path) -> dict[str, float]:
    """What `script --run what folder` prints as its last line, JSON; `error`, `text` where it fails."""
    command = [sys.executable, script, "--run", what, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        return {"error": done.returncode, "text": done.stderr[-300:]}
    return json.loads(done.stdout.splitlines()[-1])
