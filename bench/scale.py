"""How time and memory grow with the shop: a cold `dvc repro` of simulated shops of several sizes, stage by stage.

    python bench/scale.py --json scale.json                    # all sizes, the smallest first: more than half an hour
    python bench/scale.py 0.1M 0.4M --json scale.json          # some; sizes that are already in the file are kept
    python bench/scale.py --plot docs/images/scale.png --json scale.json 0.4M

Time is the wall time of a stage's process, memory the largest resident size of it and its kernel (see pipeline.py).
A size that fails is reported with the last lines of its log, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import pipeline
from matplotlib.axes import Axes

from recomart_lib.core import plots


class Size(NamedTuple):
    """The size of a simulated shop: params.yaml, simulate."""

    n_users: int
    n_items: int
    n_orders: int


SIZES = {
    "0.1M": Size(2_500, 5_000, 8_750),
    "0.4M": Size(10_000, 5_000, 35_000),
    "1.3M": Size(32_000, 10_000, 112_000),
    "4.2M": Size(100_000, 20_000, 350_000),
    "200k products": Size(50_000, 200_000, 420_000),
}
CURVE = ("0.1M", "0.4M", "1.3M", "4.2M")  # the sizes that grow in all directions: the lines of the plot


def run(size: Size) -> dict:
    """One cold run of a shop of this size: events, seconds and the stages (see `pipeline.described`)."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "clone"
        environment = pipeline.clone(project, [])
        resize(project / "params.yaml", size)
        began, ended, stages = pipeline.watched(project, environment)
        rows = pipeline.described(project, began, ended, stages)
        events = json.loads((project / "reports/sidecars/04_prepare.json").read_text())["rows"]["prepared/events"]
    return {"size": size._asdict(), "events": events, "seconds": ended - began, "stages": rows}


def resize(params: Path, size: Size) -> None:
    """Write a size into params.yaml."""
    text = params.read_text()
    for name, value in size._asdict().items():
        text, n_replaced = re.subn(rf"(?m)^(  {name}:) \d+", rf"\1 {value}", text)
        if n_replaced != 1:
            raise SystemExit(f"{params}: simulate.{name} is there {n_replaced} times, not once")
    params.write_text(text)


def table(runs: dict[str, dict]) -> str:
    """Markdown: one row per stage, seconds and peak of each size."""
    names = [row["stage"] for row in next(iter(runs.values()))["stages"]]
    header = ["stage", *(f"{name}: {run['events'] / 1e6:.2f} M events" for name, run in runs.items())]
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * len(runs)]
    for stage in names:
        lines.append("| " + " | ".join([stage, *(cell(run, stage) for run in runs.values())]) + " |")
    totals = [
        f"**{run['seconds']:,.0f} s, {pipeline.largest_peak(run['stages']) / 1024:.1f} GiB**" for run in runs.values()
    ]
    return "\n".join([*lines, "| " + " | ".join(["**all**", *totals]) + " |"])


def cell(run: dict, stage: str) -> str:
    rows = [row for row in run["stages"] if row["stage"] == stage]
    if not rows:
        return ""
    return f"{sum(map(pipeline.wall, rows)):,.1f} s, {pipeline.largest_peak(rows) / 1024:.1f} GiB"


def draw(runs: dict[str, dict], path: Path) -> None:
    """Two panels over the number of events: seconds per million events, and peak memory; one line per stage."""
    plots.use_style()
    chosen = [runs[name] for name in CURVE if name in runs]
    stages = [row["stage"] for row in chosen[0]["stages"] if row.get("peak_mib") and row["stage"][:1] == "0"]
    _, (time_axis, memory_axis) = plt.subplots(1, 2, figsize=(11, 4.2))
    events = [run["events"] / 1e6 for run in chosen]
    for stage in stages:
        rows = [next(row for row in run["stages"] if row["stage"] == stage) for run in chosen]
        seconds = [pipeline.wall(row) / size for row, size in zip(rows, events, strict=True)]
        time_axis.plot(events, seconds, marker="o", label=stage)
        memory_axis.plot(events, [row["peak_mib"] / 1024 for row in rows], marker="o", label=stage)
    labelled(time_axis, events, "seconds per million events", "Time per event")
    labelled(memory_axis, events, "largest resident size, GiB", "Memory")
    time_axis.set_yscale("log")
    time_axis.yaxis.set_major_formatter("{x:g}")
    memory_axis.legend(fontsize=8)
    plt.savefig(path, dpi=110)


def labelled(ax: Axes, events: list[float], unit: str, title: str) -> None:
    ax.set_xscale("log")
    ax.set_xticks(events, [f"{size:.1f}" for size in events])
    ax.minorticks_off()
    ax.set(xlabel="million events", ylabel=unit, title=title)


def main() -> None:
    parser = argparse.ArgumentParser(description="How time and memory grow with the shop.")
    parser.add_argument("sizes", nargs="*", choices=[[], *SIZES], metavar="SIZE", help=f"default: {', '.join(SIZES)}")
    parser.add_argument("--json", type=Path, required=True, help="the numbers; sizes that are in it are not run again")
    parser.add_argument("--plot", type=Path, help="draw the growth curves into this PNG file")
    options = parser.parse_args()
    runs = json.loads(options.json.read_text()) if options.json.exists() else {}
    failed = []
    for name in options.sizes or SIZES:
        if name not in runs:
            try:
                runs[name] = run(SIZES[name])
            except SystemExit as problem:
                failed.append(f"{name}: {problem}")
                continue
            options.json.write_text(json.dumps(runs, indent=1))
    if options.plot:
        draw(runs, options.plot)
    machine = [f"{name}: {value}" for name, value in pipeline.machine().items()]
    sys.stdout.write("\n".join([*machine, "", table(runs), *failed]) + "\n")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
