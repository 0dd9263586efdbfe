"""Wall time per stage and peak memory of a cold `dvc repro` in a fresh clone.

    python bench/pipeline.py                                        # the simulated shop
    python bench/pipeline.py online_retail ../shared/data/online_retail

Peak memory is the largest single process (the kernels are processes of their own); the clone's data lie in a temporary
folder. What a stage takes beyond its sidecar's seconds is DVC's own work: hashing, caching, starting Python.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def cold_run(project: Path, shop: list[str]) -> float:
    """Clone, choose the shop, run everything; the seconds that `dvc repro` took."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"PYTHONPATH": str(project)}
    subprocess.run(["git", "clone", "--quiet", ROOT, project], check=True)
    if shop:
        command = ["recomart", "shop", "use", shop[0], "--source", str(Path(shop[1]).resolve())]
        subprocess.run(command, cwd=project, env=environment, check=True)
    started = time.perf_counter()
    subprocess.run(["dvc", "repro"], cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def table(project: Path, seconds: float) -> str:
    """A Markdown table: stage, seconds."""
    sidecars = [json.loads(path.read_text()) for path in sorted((project / "reports/sidecars").glob("*.json"))]
    rows = [f"| {facts['stage']} | {facts['seconds']:.1f} |" for facts in sidecars]
    rest = seconds - sum(facts["seconds"] for facts in sidecars)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    total = [f"| simulate, index, DVC's own work | {rest:.1f} |", f"| **all** | **{seconds:.1f}** |"]
    return "\n".join(["| stage | s |", "|---|---|", *rows, *total, "", f"Largest process: {peak:,.0f} MiB"])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        took = cold_run(clone, sys.argv[1:])
        sys.stdout.write(table(clone, took) + "\n")
