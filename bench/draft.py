"""How good are drafted shop files? The columns, tables and formats that `recomart shop draft` finds in many folders.

    python bench/draft.py                    # all folders of tests/draft
    python bench/draft.py german case_08     # those whose name contains a word
    python bench/draft.py --notes german     # ... and what is not right in them
    python bench/draft.py --random 40        # shops at random instead
    python bench/draft.py --neutral 40       # ... whose files and columns have names that say nothing

The folders and their right answers are those of tests/draft/folders.py; the public data sets and cases are left out
where ../shared is missing. `columns`: of all right and all mapped columns, the share that is right. `marked`: the
other columns and formats whose line ends in a question (`# ?`). `unmarked`: required columns (user, item, time, type of
event) that are wrong without a question. `failures`: what tests/draft/test_folders.py refuses. The draft was
improved on these folders, so that unseen ones do worse: docs/benchmarks.md has results at first sight.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # in place of bench/: this file has the name of a folder of tests

from draft import folders, folders_random, runs  # noqa: E402
from draft.answers import Answer  # noqa: E402
from draft.scoring import Score  # noqa: E402

HEAD = ["folder", "columns right", "marked", "tables", "formats right", "unmarked", "failures", "s"]


@dataclass(frozen=True)
class Result:
    name: str
    score: Score
    seconds: float


def measured(name: str, make: Callable[[Path], Answer]) -> Result:
    """Write one folder, draft its shop file, and compare."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "source"
        source.mkdir()
        answer = make(source)
        run = runs.draft(runs.project(Path(place) / "project"), source)
        return Result(name, run.score(source, answer), run.seconds)


def line(name: str, scores: list[Score], seconds: float) -> str:
    """One row of the table, of one folder or of all."""

    def total(key: str) -> int:
        return sum(getattr(score, key) for score in scores)

    n, right = total("n_columns"), total("right")
    share = f"{right / n:.1%} ({right} of {n})" if n else "-"
    cells = [
        name,
        share,
        f"{total('marked')} + {total('formats_marked')}",
        f"{total('tables_right')} of {total('n_tables')}",
        f"{total('formats_right')} of {total('n_formats')}",
        total("required_wrong"),
        sum(len(score.failures) for score in scores),
        f"{seconds:.2f}",
    ]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", help="words of the names of folders")
    parser.add_argument("--notes", action="store_true", help="what is not right")
    parser.add_argument("--random", type=int, default=0, help="number of shops at random, instead of the folders")
    parser.add_argument("--neutral", type=int, default=0, help="the same with names that say nothing")
    options = parser.parse_args()
    known = {f"random {seed}": partial(folders_random.random_shop, seed) for seed in range(options.random)}
    for seed in range(options.neutral):
        known[f"neutral {seed}"] = partial(folders_random.random_shop, seed, neutral=True)
    known = known or folders.available()
    chosen = [name for name in known if not options.words or any(word in name for word in options.words)]
    sys.stdout.write(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}\n")
    results = []
    for name in chosen:
        try:
            results.append(result := measured(name, known[name]))
        except Exception as problem:  # the other folders count all the same
            sys.stdout.write(f"| {name} | failed: {type(problem).__name__}: {problem} |\n")
            continue
        sys.stdout.write(line(name, [result.score], result.seconds) + "\n")
        for note in result.score.failures + result.score.notes if options.notes else []:
            sys.stdout.write(f"    {note}\n")
        sys.stdout.flush()
    seconds = sum(result.seconds for result in results)
    sys.stdout.write(line(f"{len(results)} folders", [result.score for result in results], seconds) + "\n")


if __name__ == "__main__":
    main()
