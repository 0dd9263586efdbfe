"""Kill each of the nine stages at random moments, and compare what the next `dvc repro` gives with an undisturbed run.

    python bench/chaos.py                          # ten passes of each signal: 270 kills
    python bench/chaos.py --passes 1 --seed 7

One pass is one signal on one new project of a small shop: `dvc repro` starts, its first notebook stage is killed at a
random moment (a section of its notebook, and up to a second more), `dvc repro` starts again, the next stage is killed,
and so on; a last `dvc repro` completes the run. Then the project must equal the undisturbed one: metrics, lake,
tables, features, models, recommendations and notebooks, byte by byte (the lake's manifests without the moments of
ingestion). After each kill, no process may be left, and no socket; only SIGKILL leaves sockets, until the next run. The
table is printed again after each pass.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from own_process import ROOT

sys.path[:0] = [str(ROOT), str(ROOT / "tests")]  # helpers of the tests, which are no package
from kills import Kill, content, kill, leftovers, n_sections, sockets, tiny_project  # noqa: E402
from projects import STAGES, run  # noqa: E402

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)


@dataclass
class Tally:
    """The counts of one signal."""

    kills: list[Kill] = field(default_factory=list)
    passes: int = 0
    equal: int = 0
    differences: list[str] = field(default_factory=list)

    def row(self) -> list[str]:
        hits = [seen for seen in self.kills if seen.hit]
        seconds = sorted(seen.seconds for seen in hits) or [0.0]
        said = sum(seen.state == "stopped" for seen in hits)
        orphans = sum(len(seen.orphans) for seen in self.kills)
        left = sum(len(seen.sockets) for seen in self.kills)
        median = seconds[len(seconds) // 2]
        numbers = [
            len(hits),
            said,
            f"{self.equal} of {self.passes}",
            orphans,
            left,
            f"{median:.1f}",
            f"{seconds[-1]:.1f}",
        ]
        return list(map(str, numbers))


HEADER = (
    "signal",
    "kills",
    "said stopped",
    "passes ended equal",
    "orphans",
    "sockets until the next run",
    "s till ended",
    "longest",
)


def table(tallies: dict[str, Tally]) -> str:
    """The table in Markdown."""
    rows = [[name, *tally.row()] for name, tally in tallies.items() if tally.kills]
    lines = [HEADER, ["---"] * len(HEADER), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def one_pass(folder: Path, number: signal.Signals, random: Random, expected: dict[str, object], tally: Tally) -> None:
    """Kill each stage once; each kill is counted in `tally`."""
    project = tiny_project(folder)
    for stage in STAGES:
        section = random.randrange(n_sections(project, stage) - 1)
        seen = kill(project, stage, number, section, random.random())
        tally.kills.append(seen)
        print(f"{number.name} {stage} section {section}: {seen.state}, ended after {seen.seconds:.1f} s", flush=True)
        for orphan in seen.orphans:
            print(f"  ORPHAN {orphan}", flush=True)
    run(project, "dvc", "repro")
    now = content(project)
    different = [name for name in sorted(expected.keys() | now.keys()) if expected.get(name) != now.get(name)]
    left = leftovers(project) + sockets(project)
    tally.passes += 1
    tally.equal += not different and not left
    if different or left:
        tally.differences.append(f"{number.name}: different {different[:10]}, left {left[:10]}")
        print(tally.differences[-1], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passes", type=int, default=10, help="passes of each signal")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random, tallies = Random(options.seed), {number.name: Tally() for number in SIGNALS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        undisturbed = tiny_project(folder / "undisturbed")
        run(undisturbed, "dvc", "repro")
        expected = content(undisturbed)
        for number in range(options.passes):
            for kind in SIGNALS:
                place = folder / f"{kind.name}-{number}"
                one_pass(place, kind, random, expected, tallies[kind.name])
                shutil.rmtree(place)
                print(f"\n{table(tallies)}\n", flush=True)


if __name__ == "__main__":
    main()
