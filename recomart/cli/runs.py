"""`recomart runs`: archived runs, and the differences between them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart.cli import document
from recomart.cli.options import Json, examples
from recomart.cli.output import echo, show_fields, show_table, warn
from recomart.reports.changes import build_pair
from recomart.runs import archive, compare
from recomart.runs.archive import History, Run
from recomart_lib.core import paths
from recomart_lib.core.errors import UserError

app = typer.Typer(help="Show and compare archived runs.", no_args_is_help=True)

NO_RUNS = "No run is archived yet; dvc repro archives one when it completes."


def _number(default: str) -> typer.models.ArgumentInfo:
    return typer.Argument(metavar="N", help="A run's number, as `recomart runs show` lists it.", show_default=default)


@app.command("show", epilog=examples("recomart runs show", "recomart runs show 3", "recomart runs show --json"))
def show_runs(number: Annotated[int | None, _number("list all runs")] = None, as_json: Json = False) -> None:
    """List the archived runs of all shops, or show one run.

    For one run: its metrics, and what changed since the previous run.
    """
    history = _history(paths.root())
    if number is None:
        _list(history.runs)
        return
    run = _find(history, number)
    show_fields("run", {**_row(run), "python": run.packages["python"]})
    earlier = [other for other in history.of(run.shop) if other.number < number]
    if earlier:
        changed, moved = compare.inputs(earlier[-1], run), compare.chosen(earlier[-1], run)
        echo(f"\nSince run {earlier[-1].number}: {compare.headline(changed, moved)}")
        table = changed.with_columns(pl.col("stages").list.join(", "))
        document.record("before", _row(earlier[-1]))
        document.record_table("chosen", moved)
        if table.height > 1 or document.is_open():  # a single change is in the sentence above
            show_table("changes", table, raw=changed)


@app.command("diff", epilog=examples("recomart runs diff", "recomart runs diff 3 5"))
def diff(
    before: Annotated[int | None, _number("the one before the newest")] = None,
    now: Annotated[int | None, _number("the newest")] = None,
) -> None:
    """Write a page with the differences in inputs and metrics between two runs."""
    root = paths.root()
    history = _history(root)
    if before is None or now is None:
        if before is not None:
            raise UserError(
                f"Run {before} needs a second run to compare with: give two runs, or none for the newest two."
            )
        newest = history.of(archive.shop_of(root))[-2:]
        if len(newest) < 2:
            raise UserError("There are fewer than two runs to compare. Change something and run: dvc repro")
        old, new = newest
    else:
        old, new = _find(history, before), _find(history, now)
    if old.shop != new.shop:
        raise UserError(f"Run {old.number} is of shop '{old.shop}', run {new.number} of '{new.shop}': not comparable.")
    echo(compare.headline(compare.inputs(old, new), compare.chosen(old, new)))
    echo(build_pair(root, old, new))


def _history(root: Path) -> History:
    history = archive.history(root)
    for sentence in history.damaged:
        warn(sentence)
    return history


def _list(runs: list[Run]) -> None:
    show_table("runs", pl.DataFrame([_row(run) for run in runs], infer_schema_length=None), empty=NO_RUNS)


def _find(history: History, number: int) -> Run:
    for run in history.runs:
        if run.number == number:
            return run
    numbers = ", ".join(str(run.number) for run in history.runs)
    raise UserError(f"There is no run {number}. {f'Archived: {numbers}.' if numbers else NO_RUNS}")


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
