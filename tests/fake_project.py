"""A project whose stages take no time: for tests of what runs stages, not of what stages do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from recomart.runner import stage

ROOT = Path(__file__).resolve().parents[1]
STAGES = ["shop", "simulate", *stage.STAGES, "index"]
WORK = """
import json, os, pathlib, subprocess, sys, time
from datetime import UTC, datetime
name, mood = sys.argv[1], json.loads(pathlib.Path("mood.json").read_text()).get(sys.argv[1], {})
facts = {"stage": name, "started": datetime.now(UTC).isoformat(timespec="seconds"), "state": "ok", "error": None}
pathlib.Path("made").mkdir(exist_ok=True)
tries = pathlib.Path(f"tries-{name}")
tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
print(f"{name} says hello", flush=True)
if mood.get("sleep"):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    pathlib.Path("pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(600)
error = mood.get("error") if len(tries.read_text()) <= mood.get("times", 99) else None
side = pathlib.Path(f"reports/sidecars/{name}.json")
side.parent.mkdir(parents=True, exist_ok=True)
rows = {"rows": {"events": 7}, "seconds": 0.1, "shop": "simulated"}
side.write_text(json.dumps(facts | rows | ({"state": "failed", "error": error} if error else {})))
if error:
    sys.exit(f"Error: {error}")
pathlib.Path(f"made/{name}.txt").write_text("done")
"""


def project(folder: Path, **moods: dict) -> Path:
    """Stages in a row after `shop`, which stands alone, each of them `work.py`.

    `moods` says which fail (error, times) and which sleep.
    """
    stages = {
        name: {
            "desc": f"What does {name} do?",
            "cmd": f"{Path(sys.executable).as_posix()} work.py {name} # recomart stage {name}",
            "deps": [f"made/{before}.txt"] if before else ["work.py"],
            "outs": [f"made/{name}.txt"],
        }
        for before, name in zip([None, None, *STAGES[1:]], STAGES, strict=False)
    }
    folder.mkdir(exist_ok=True)
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    (folder / "work.py").write_text(WORK)
    mood(folder, **moods)
    shutil.copy(ROOT / "params.yaml", folder)
    shutil.copytree(ROOT / "shops", folder / "shops")
    (folder / "data/source/simulated/transactions").mkdir(parents=True)
    for name in ("users.csv", "products.json", "transactions/transactions_2025-01-01.csv"):
        (folder / "data/source/simulated" / name).write_text("")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=folder, check=True)
    return folder


def mood(folder: Path, **moods: dict) -> None:
    """Set which stages fail and which sleep; `01_ingest` is written `s01_ingest`."""
    (folder / "mood.json").write_text(json.dumps({name.removeprefix("s"): facts for name, facts in moods.items()}))


def tries(folder: Path, name: str) -> int:
    """How often a stage was begun."""
    path = folder / f"tries-{name}"
    return len(path.read_text()) if path.exists() else 0
