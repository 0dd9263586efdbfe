"""`recomart runs`: the kept runs, and what changed from one to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer

from recomart_lib import paths
from recomart_lib.cli_data import show
from recomart_lib.errors import UserError

if TYPE_CHECKING:
    from recomart_lib.runs import History, Run

runs_app = typer.Typer(help="Kept runs: what went in, and what came of it.", no_args_is_help=True)

NONE = "No run is kept yet; dvc repro keeps one when it has run to its end."
Number = Annotated[int | None, typer.Argument(help="A run's number; recomart runs show lists them.")]


@runs_app.command("show")
def show_runs(number: Number = None) -> None:
    """List the kept runs of all shops, or tell one: its numbers, and what changed since the run before."""
    from recomart_lib import changes

    history = _history(paths.root())
    if number is None:
        _list(history.runs)
        return
    run = _find(history, number)
    facts = {**_row(run), "python": run.packages["python"]}
    typer.echo("\n".join(f"{name + ':':<20}{'' if value is None else value}" for name, value in facts.items()))
    earlier = [other for other in history.of(run.shop) if other.number < number]
    if earlier:
        typer.echo(f"\nSince run {earlier[-1].number}: {changes.headline(earlier[-1], run)}")
        table = changes.inputs(earlier[-1], run).with_columns(pl.col("stages").list.join(", "))
        if table.height > 1:  # one is told in the sentence
            show(table, 100)


@runs_app.command("diff")
def diff(before: Number = None, now: Number = None) -> None:
    """Write a page on what changed and what moved between two runs; default: the newest two of the shop in use."""
    from recomart_lib import changes, changes_page, runs

    root = paths.root()
    history = _history(root)
    if before is None or now is None:
        if before is not None:
            raise UserError(f"Run {before} against which? Name two runs, or none for the newest two.")
        newest = history.of(runs.shop_of(root))[-2:]
        if len(newest) < 2:
            raise UserError("There are no two runs to compare yet: change something, and run dvc repro.")
        old, new = newest
    else:
        old, new = _find(history, before), _find(history, now)
    if old.shop != new.shop:
        raise UserError(f"Run {old.number} is of shop '{old.shop}', run {new.number} of '{new.shop}': not comparable.")
    typer.echo(changes.headline(old, new))
    typer.echo(changes_page.build_pair(root, old, new))


def _history(root: Path) -> History:
    from recomart_lib import runs

    history = runs.history(root)
    for sentence in history.damaged:
        typer.secho(sentence, fg="yellow", err=True)
    return history


def _list(found: list[Run]) -> None:
    if not found:
        typer.echo(NONE)
        return
    show(pl.DataFrame([_row(run) for run in found], infer_schema_length=None), len(found))


def _find(history: History, number: int) -> Run:
    for run in history.runs:
        if run.number == number:
            return run
    known = ", ".join(str(run.number) for run in history.runs)
    raise UserError(f"There is no run {number}. {f'Known: {known}.' if known else NONE}")


def _row(run: Run) -> dict[str, object]:
    heads = run.metrics.get("headline", {})
    scores = {f"{name}, {protocol}": heads.get(protocol, {}).get(name)
              for protocol in ("all", "novel") for name in ("model", "ndcg@10")}  # fmt: skip
    return {"run": run.number, "when": run.when, "shop": run.shop, "code": run.revision, **scores,
            "quality": run.metrics.get("quality", {}).get("score")}  # fmt: skip
