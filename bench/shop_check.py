"""How long `recomart shop check --rules` takes: Online Retail again and again, with new customers each time.

    python bench/shop_check.py                                          # 0.5 and 1 million lines
    python bench/shop_check.py --copies 2 --source ../shared/data/online_retail

Each size is one call of the command in a process of its own, imports included. CPU seconds are those of all its
threads; memory is the peak of the largest process so far, so that sizes grow.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl
from own_process import ROOT

SHOP = "online_retail"


def copies(source: Path, folder: Path, n: int) -> None:
    """Write every file of the shop `n` times, each time with other customers and invoices."""
    folder.mkdir()
    for path in sorted(source.glob("*.csv")):
        lines = pl.read_csv(path, infer_schema=False, glob=False)
        for copy in range(n):
            new = [pl.col(name) + pl.lit(f"-{copy}" if copy else "") for name in ("InvoiceNo", "CustomerID")]
            lines.with_columns(new).write_csv(folder / f"{path.stem}-{copy}.csv")


def checked(folder: Path) -> dict[str, Any]:
    """What one call says, its wall and CPU seconds, and its peak in MiB."""
    command = [sys.executable, "-m", "recomart.cli.app", "shop", "check", SHOP, "--source", str(folder)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([*command, "--rules", "--json"], capture_output=True, text=True, check=True, cwd=ROOT)
    used, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(done.stdout), "s": seconds, "cpu_s": cpu, "peak_mib": used.ru_maxrss / 1024}


def line(found: dict[str, Any]) -> str:
    """One row of the table."""
    events, test = found["sample"][0], (found["windows"] or [{}])[-1].get("evaluated_all")
    numbers = f"{events['lines']:,} | {events['files']:,} | {events['read']:,} | {events['in_sample']:,}"
    cost = f"{found['s']:.1f} | {found['cpu_s']:.1f} | {found['peak_mib']:,.0f}"
    return f"| {numbers} | {cost} | {found['gate']['score']:.3f} % | {'' if test is None else f'{test:,}'} |\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copies", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--source", type=Path, default=ROOT / "../shared/data/online_retail")
    options = parser.parse_args()
    head = ["lines", "files", "read", "in the sample", "s", "CPU s", "peak MiB", "predicted score", "evaluable in test"]
    sys.stdout.write(f"| {' | '.join(head)} |\n|{'---:|' * len(head)}\n")
    for n in options.copies:
        with tempfile.TemporaryDirectory() as name:
            copies(options.source, Path(name) / "source", n)
            sys.stdout.write(line(checked(Path(name) / "source")))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
