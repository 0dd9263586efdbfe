"""`recomart stage`: list the stages, or run the notebook of one."""

from __future__ import annotations

import sys
from typing import Annotated

import polars as pl
import typer

from recomart.cli import completion
from recomart.cli.options import examples
from recomart.cli.output import show
from recomart.project import sidecars
from recomart.runner import stage as runner
from recomart_lib.core import paths

app = typer.Typer()


@app.command(epilog=examples("recomart stage", "recomart stage 05_features"))
def stage(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="STAGE",
            help="A notebook, like 05_features.",
            show_default="all, listed",
            autocompletion=completion.stages,
        ),
    ] = None,
) -> None:
    """List the stages, or run the notebook of one headless and leave its report.

    `dvc repro` calls this for what is out of date.
    """
    if name is None:
        _list_stages()
        return
    # jsonschema, which nbformat needs, would compile a grammar for international addresses if it found this package:
    # more than a second for every stage, and notebooks hold no such addresses
    sys.modules.setdefault("rfc3987_syntax", None)

    runner.run(name)


def _list_stages() -> None:
    """What each stage asks, its state, and what its last run took."""

    rows = [
        (row["stage"], row["question"], row["state"], row.get("started"), row.get("seconds"))
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
    show(pl.DataFrame(rows, schema, orient="row").with_columns(moment))
