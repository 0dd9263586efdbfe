"""Time and memory of a cold `dvc repro`, stage by stage: a fresh clone, no cache.

    python bench/pipeline.py --baseline 9e0d76a                         # the simulated shop: that commit and the last
    python bench/pipeline.py online_retail ../shared/data/online_retail
    python bench/pipeline.py grocery --json now.json                    # a made-up chain (grocery.py); save the numbers
    python bench/pipeline.py --before then.json                         # compare with an earlier run

Each stage's wall time is split into three:

- *work*: the sections of its notebook, from its sidecar;
- *start-up*: the rest of its process: Python, checks, the kernel's start and end, imports, the report;
- *DVC*: from the end of its process to the start of the next: hashing and caching results, checking the next stage.

Memory is the resident size of the stage's process and its children (the kernel), sampled every 50 ms: shared pages
count twice, and shorter peaks may be missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import grocery
import psutil

ROOT = Path(__file__).resolve().parents[1]
EVERY_S, TREE_EVERY = 0.05, 5  # sizes are read every 50 ms, new processes every 250 ms
PACKAGES = ("dvc", "papermill", "ipykernel", "polars", "numpy", "scipy", "lightgbm", "fg-data-profiling", "feast")


def clone(project: Path, shop: list[str], revision: str = "HEAD") -> dict[str, str]:
    """Clone a commit and choose the shop; returns the environment to run it in: that of this Python."""
    subprocess.run(["git", "clone", "--quiet", ROOT, project], check=True)
    subprocess.run(["git", "-C", project, "checkout", "--quiet", "--detach", commit(revision)], check=True)
    path = os.pathsep.join([str(project), *filter(None, [os.environ.get("PYTHONPATH")])])
    programs = os.pathsep.join([str(own_command(project)), str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": programs, "PYTHONPATH": path}
    if shop == ["grocery"]:
        source = project / "data/source/grocery"
        grocery.write(source)
        (project / "shops/grocery.yaml").write_text(grocery.SHOP)
        shop = ["grocery", str(source)]
    if shop:
        command = ["recomart", "shop", "use", shop[0], "--source", str(Path(shop[1]).resolve())]
        subprocess.run(command, cwd=project, env=environment, check=True)
    return environment


def own_command(project: Path) -> Path:
    """A folder beside the clone with its `recomart` command, which another commit may define elsewhere."""
    scripts = tomllib.loads((project / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts["recomart"].split(":")
    folder = project.parent / "bin"
    folder.mkdir(exist_ok=True)
    script = f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    (folder / "recomart").write_text(script)
    (folder / "recomart").chmod(0o755)
    return folder


def commit(revision: str) -> str:
    """The hash of a revision of this project."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", f"{revision}^{{commit}}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def watched(project: Path, environment: dict[str, str]) -> tuple[float, float, list[dict]]:
    """Run `dvc repro`: its start and end, and the start, end and peak in bytes of each stage's process."""
    began, processes = time.time(), {}
    with psutil.Popen(["dvc", "repro"], cwd=project, env=environment, stdout=subprocess.DEVNULL) as dvc:
        tick = 0
        while dvc.poll() is None:
            if tick % TREE_EVERY == 0:
                look_for_stages(dvc, processes)
            for stage in processes.values():
                measure(stage)
            tick += 1
            time.sleep(EVERY_S)
    if dvc.returncode:
        last_lines = (project / "logs/recomart.log").read_text().splitlines()[-5:]
        raise SystemExit("\n".join([f"dvc repro failed ({dvc.returncode}); the end of its log:", *last_lines]))
    stages = sorted(processes.values(), key=lambda stage: stage["began"])
    return began, time.time(), stages


def look_for_stages(dvc: psutil.Process, processes: dict[int, dict]) -> None:
    """Add new `recomart` processes, and refresh the children of each."""
    with suppress(psutil.NoSuchProcess):
        for process in dvc.children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                name = stage_of(process)
                if name and process.pid not in processes:
                    begin = process.create_time()
                    processes[process.pid] = {
                        "stage": name,
                        "began": begin,
                        "ended": begin,
                        "peak": 0,
                        "tree": [process],
                    }
    for stage in processes.values():
        with suppress(psutil.NoSuchProcess):
            stage["tree"] = [stage["tree"][0], *stage["tree"][0].children(recursive=True)]


def stage_of(process: psutil.Process) -> str | None:
    """`06_train` of `python .../recomart stage 06_train`, `index` of `... recomart index`; None for anything else."""
    words = process.cmdline()
    names = [Path(word).name for word in words]
    return words[-1] if "recomart" in names[:2] and words[-1] != words[0] else None


def measure(stage: dict) -> None:
    """Update its peak memory and, while its first process runs, its end."""
    size = 0
    for process in stage["tree"]:
        with suppress(psutil.NoSuchProcess):
            size += process.memory_info().rss
    stage["peak"] = max(stage["peak"], size)
    first = stage["tree"][0]
    with suppress(psutil.NoSuchProcess):
        if first.is_running() and first.status() != psutil.STATUS_ZOMBIE:
            stage["ended"] = time.time()


def described(project: Path, began: float, ended: float, stages: list[dict]) -> list[dict]:
    """One record per stage: seconds of work, start-up and DVC, peak, and details from the sidecar."""
    rows = [{"stage": "start of dvc", "dvc": stages[0]["began"] - began}]
    for stage, following in zip(stages, [*stages[1:], {"began": ended}], strict=True):
        sidecar = project / "reports/sidecars" / f"{stage['stage']}.json"
        details = json.loads(sidecar.read_text()) if sidecar.exists() else {"parts": {}, "sections": []}
        seconds, work = stage["ended"] - stage["began"], details["parts"].get("sections", 0.0)
        rows.append({"stage": stage["stage"], "work": work, "start_up": seconds - work, "parts": details["parts"]})
        rows[-1] |= {"dvc": following["began"] - stage["ended"], "peak_mib": stage["peak"] / 2**20}
        rows[-1] |= {"sections": details["sections"]}
    return rows


def machine() -> dict[str, str]:
    """The machine and the versions."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(": ")[1] for line in lines if line.startswith("model name")), model)
    return {
        "processor": f"{model}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "busy at the start": f"{psutil.cpu_percent(interval=2):.0f} % of all cores",
    }


def run(shop: list[str], revision: str = "HEAD", keep: Path | None = None) -> dict:
    """A cold `dvc repro` of a commit: shop, machine, code, seconds, and one record per stage."""
    with tempfile.TemporaryDirectory() as folder:
        project, machine_info = keep or Path(folder) / "clone", machine()
        environment = clone(project, shop, revision)
        began, ended, stages = watched(project, environment)
        rows = described(project, began, ended, stages)
    return {
        "shop": (shop or ["simulated"])[0],
        "machine": {**machine_info, "code": commit(revision)[:7]},
        "seconds": ended - began,
        "stages": rows,
    }


def largest_peak(rows: list[dict]) -> float:
    """The largest peak of some stages, in MiB."""
    return max(row.get("peak_mib", 0) for row in rows)


def total(rows: list[dict], part: str) -> float:
    return sum(row.get(part, 0.0) for row in rows)


def wall(row: dict) -> float:
    return sum(row.get(part, 0.0) for part in ("work", "start_up", "dvc"))


def table(now: dict, before: dict | None = None) -> str:
    """Markdown: one row per stage and a total; with `before`, also its wall times and peaks."""
    old = {row["stage"]: row for row in before["stages"]} if before else {}
    everything = {"stage": "**all**", "work": total(now["stages"], "work"), "dvc": total(now["stages"], "dvc")}
    everything |= {"start_up": total(now["stages"], "start_up"), "sections": []}
    everything["peak_mib"] = largest_peak(now["stages"])
    if before:
        old["**all**"] = {"dvc": before["seconds"], "peak_mib": largest_peak(before["stages"])}
    then = " before | all s |" if before else " all s |"
    peak = " MiB before | peak MiB |" if before else " peak MiB |"
    lines = [f"| stage | work s | start-up s | DVC s |{then}{peak} slowest section |"]
    lines += ["|---|" + "---:|" * (len(lines[0].split("|")) - 4) + "---|"]
    return "\n".join([*lines, *(line(row, old) for row in [*now["stages"], everything])])


def line(row: dict, old: dict[str, dict]) -> str:
    cells = [row["stage"], *(f"{row[part]:.1f}" if part in row else "" for part in ("work", "start_up", "dvc"))]
    earlier = old.get(row["stage"], {})
    cells += [f"{wall(earlier):.1f}" if earlier else ""] * bool(old) + [f"**{wall(row):.1f}**"]
    cells += [f"{earlier['peak_mib']:,.0f}" if "peak_mib" in earlier else ""] * bool(old)
    slowest = max(row.get("sections") or [{"title": "", "seconds": 0}], key=lambda section: section["seconds"])
    section = f"{slowest['title']} ({slowest['seconds']:.1f} s)" if slowest["title"] else ""
    return "| " + " | ".join([*cells, f"{row['peak_mib']:,.0f}" if "peak_mib" in row else "", section]) + " |"


def ratios(now: dict, before: dict) -> str:
    """The ratio of the whole run's time and largest process to those of an earlier run."""
    time_ratio = now["seconds"] / before["seconds"]
    peak_ratio = largest_peak(now["stages"]) / largest_peak(before["stages"])
    return f"{now['machine']['code']} / {before['machine']['code']}: time {time_ratio:.2f}, peak {peak_ratio:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Time and memory of a cold dvc repro, stage by stage.")
    parser.add_argument("shop", nargs="*", help="a shop and the folder of its files, or grocery; default: simulated")
    parser.add_argument("--baseline", metavar="REV", help="first run this commit, too, and compare with it")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--before", type=Path, help="the file of an earlier run, for comparison")
    parser.add_argument("--keep", type=Path, help="run in this new folder, and keep it")
    options = parser.parse_args()
    before = json.loads(options.before.read_text()) if options.before else None
    if options.baseline:
        before = run(options.shop, options.baseline)
    now = run(options.shop, keep=options.keep)
    if options.json:
        options.json.write_text(json.dumps({**now, "baseline": before} if before else now, indent=1))
    lines = [f"{name}: {value}" for name, value in now["machine"].items()]
    lines += ["", table(now, before), *(["", ratios(now, before)] if before else [])]
    sys.stdout.write("\n".join([f"Shop {now['shop']}", *lines]) + "\n")


if __name__ == "__main__":
    main()
