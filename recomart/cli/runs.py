"""`recomart runs`: the kept runs, and what changed from one to another."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart.cli.options import examples
from recomart.cli.output import facts, say, show, warn
from recomart.reports.changes import build_pair
from recomart.runs import archive, compare
from recomart.runs.archive import History, Run
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

app = typer.Typer(help="Look at kept runs, and compare them.", no_args_is_help=True)

NONE = "No run is kept yet; dvc repro keeps one when it has run to its end."


def _number(default: str) -> typer.models.ArgumentInfo:
    return typer.Argument(metavar="N", help="A run's number, as `recomart runs show` lists it.", show_default=default)


@app.command("show", epilog=examples("recomart runs show", "recomart runs show 3"))
def show_runs(number: Annotated[int | None, _number("all, listed")] = None) -> None:
    """List the kept runs of all shops, or tell about one.

    Of one run: its numbers, and what changed since the run before.
    """

    history = _history(paths.root())
    if number is None:
        _list(history.runs)
        return
    run = _find(history, number)
    facts({**_row(run), "python": run.packages["python"]})
    earlier = [other for other in history.of(run.shop) if other.number < number]
    if earlier:
        changed, moved = compare.inputs(earlier[-1], run), compare.chosen(earlier[-1], run)
        say(f"\nSince run {earlier[-1].number}: {compare.headline(changed, moved)}")
        table = changed.with_columns(pl.col("stages").list.join(", "))
        if table.height > 1:  # one is told in the sentence
            show(table)


@app.command("diff", epilog=examples("recomart runs diff", "recomart runs diff 3 5"))
def diff(
    before: Annotated[int | None, _number("the last but one")] = None,
    now: Annotated[int | None, _number("the newest")] = None,
) -> None:
    """Write a page on what changed and what moved between two runs."""

    root = paths.root()
    history = _history(root)
    if before is None or now is None:
        if before is not None:
            raise UserError(f"Run {before} against which? Name two runs, or none for the newest two.")
        newest = history.of(archive.shop_of(root))[-2:]
        if len(newest) < 2:
            raise UserError("There are no two runs to compare yet: change something, and run dvc repro.")
        old, new = newest
    else:
        old, new = _find(history, before), _find(history, now)
    if old.shop != new.shop:
        raise UserError(f"Run {old.number} is of shop '{old.shop}', run {new.number} of '{new.shop}': not comparable.")
    say(compare.headline(compare.inputs(old, new), compare.chosen(old, new)))
    say(build_pair(root, old, new))


def _history(root: Path) -> History:

    history = archive.history(root)
    for sentence in history.damaged:
        warn(sentence)
    return history


def _list(found: list[Run]) -> None:
    if not found:
        say(NONE)
        return

    show(pl.DataFrame([_row(run) for run in found], infer_schema_length=None))


def _find(history: History, number: int) -> Run:
    for run in history.runs:
        if run.number == number:
            return run
    known = ", ".join(str(run.number) for run in history.runs)
    raise UserError(f"There is no run {number}. {f'Known: {known}.' if known else NONE}")


def _row(run: Run) -> dict[str, object]:
    heads = run.metrics.get("headline", {})
    scores = {
        f"{name}, {protocol}": heads.get(protocol, {}).get(name)
        for protocol in ("all", "novel")
        for name in ("model", "ndcg@10")
    }
    when = datetime.fromisoformat(run.when)
    return {
        "run": run.number,
        "when": when,
        "shop": run.shop,
        "code": run.revision,
        **scores,
        "quality": run.metrics.get("quality", {}).get("score"),
    }
