"""`recomart stage`: list the stages, or run the notebook of one."""

from __future__ import annotations

from typing import Annotated

import typer

from recomart.cli import completion
from recomart.cli.options import Json, examples
from recomart.cli.output import show_table
from recomart.runner import stage as runner
from recomart_lib.core import paths

app = typer.Typer()


@app.command(epilog=examples("recomart stage", "recomart stage 05_features", "recomart stage validate"))
def stage(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="STAGE",
            help="A stage, like 05_features, 05 or features.",
            show_default="list all stages",
            autocompletion=completion.stages,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the stages, or run one stage's notebook and write its report.

    `dvc repro` runs this command for every stage that is out of date.
    """
    if name is None:
        _list_stages()
        return
    if as_json:
        raise typer.BadParameter("--json goes with the list of stages, without STAGE")
    runner.run(name)


def _list_stages() -> None:
    """Print each stage with its question, its state, and the start and duration of its last run."""
    import polars as pl  # a stage that runs starts its kernel first

    from recomart.project import sidecars

    rows = [
        (row["stage"], row["question"], sidecars.shown_state(row), row.get("started"), row.get("seconds"))
        for row in sidecars.stages(paths.root())
    ]
    schema = {
        "stage": pl.String,
        "question": pl.String,
        "state": pl.String,
        "last run": pl.String,
        "seconds": pl.Float64,
    }
    moment = pl.col("last run").str.to_datetime(strict=False, time_zone="UTC")
    show_table("stages", pl.DataFrame(rows, schema, orient="row").with_columns(moment))
