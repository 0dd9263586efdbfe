"""`recomart known-answers`: reproduce published results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart.cli import completion, document
from recomart.cli.options import Json, examples
from recomart.cli.output import echo, show_table
from recomart.reference import reproduce
from recomart_lib.core import paths

app = typer.Typer()


@app.command(
    "known-answers",
    epilog=examples("recomart known-answers --section A", "recomart known-answers --data ../shared/data"),
)
def known_answers(
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder with the data sets.",
            envvar="RECOMART_DATA",
            show_default="../shared/data beside the project",
        ),
    ] = None,
    section: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECTION",
            help="A, B or C; repeatable.",
            show_default="all",
            autocompletion=completion.sections,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Reproduce published results from raw files; exit status 1 if any differs.

    A: MovieLens-100K with the split of Microsoft's recommenders.
    B: MovieLens-100K, nine algorithms of Surprise's table.
    C: UCI Online Retail, both protocols.

    On one idle core, A and C take a few seconds each, B two and a half minutes:
    SVD++ 70 s, SlopeOne and each kNN 15 s, NMF and CoClustering 10 s, SVD 6 s,
    the baseline 2 s.
    """
    sections = sorted({name.upper() for name in section or reproduce.FILES})
    table = reproduce.compare(data or paths.place("../shared/data").resolve(), sections)
    formatted = table.with_columns(
        pl.col("published", "ours").map_elements(_format_number, pl.String),
        pl.col("difference").map_elements("{:+.5f}".format, pl.String),
        ok=pl.when("ok").then(pl.lit("yes")).otherwise(pl.lit("NO")),
    )
    show_table("figures", formatted, numbers=("published", "ours", "difference"), raw=table)
    if not table["ok"].all():
        document.complete()
    reproduce.require(table)
    echo(f"All {table.height} published figures are reproduced.")


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.5f}".rstrip("0")
