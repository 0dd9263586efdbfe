"""`recomart export`: recommendations, tables of products and segments, as files for other systems."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart.cli import completion
from recomart.cli.options import examples
from recomart.cli.output import echo, warn
from recomart.exports import definitions, places, writers
from recomart.project import params, sidecars
from recomart_lib.core import paths, shops
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural

app = typer.Typer()
STANDARD_OUTPUT = Path("-")


@app.command(
    epilog=examples(
        "recomart export recommendations --out exports/lists.csv",
        "recomart export segments --format jsonl --out -",
        "recomart export similar --out exports/similar.parquet",
    )
)
def export(
    table: Annotated[
        str,
        typer.Argument(metavar="TABLE", help=f"{', '.join(definitions.EXPORTS)}.", autocompletion=completion.exports),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")],
    file_format: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="csv, jsonl or parquet.", show_default="by the file's ending"),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="CSV for programs: no byte order mark, and no apostrophe before formulas.")
    ] = False,
) -> None:
    """Write recommendations, tables of products or segments to a file for other systems.

    docs/exports.md describes the columns. An existing file is replaced; - is
    standard output.
    In the project's folder, the place for them is exports/.
    """
    if table not in definitions.EXPORTS:
        raise UserError(f"There is no export '{table}'. {suggestion(table, list(definitions.EXPORTS))}")
    kind = _format(file_format, out)
    if raw and kind != "csv":
        raise typer.BadParameter(f"--raw is for CSV; {kind} is always written unchanged")
    if out != STANDARD_OUTPUT:
        places.check(out)
    shop = shops.load(params.load().base.shop)
    _warn_if_outdated(shop.name)
    pieces = _unchanged(definitions.source(table), definitions.pieces(table, shop.time_zone))
    n_rows, n_neutral = _write(pieces, kind, out, raw)
    if out != STANDARD_OUTPUT:
        echo(f"{out}: {plural(n_rows, 'row')}")
    if n_neutral:
        warn(
            f"{plural(n_neutral, 'cell begins', 'cells begin')} like a formula and got an apostrophe, so that no "
            "spreadsheet runs it. For a program: --raw"
        )


def _format(file_format: str | None, out: Path) -> str:
    """The format that is asked for, or that of the file's ending."""
    name = out.suffix.removeprefix(".").lower() if file_format is None else file_format
    if name not in writers.FORMATS:
        given = f"unknown format '{name}'" if name else "the file's ending names no format"
        raise typer.BadParameter(f"{given}; use --format with one of: {', '.join(writers.FORMATS)}")
    if name == "parquet" and out == STANDARD_OUTPUT:
        raise typer.BadParameter("Parquet needs a file: give --out FILE")
    return name


def _warn_if_outdated(shop: str) -> None:
    """Say if the tables are those of another shop, or if the last run of their stage did not complete."""
    metadata = sidecars.read(paths.place(paths.SIDECARS, f"{definitions.SOURCE_STAGE}.json"))
    if metadata.get("shop", shop) != shop:
        warn(f"The tables are those of the shop {metadata['shop']}; the active one is {shop}. Run: dvc repro")
    elif metadata.get("state") in sidecars.FAILURES:
        warn(f"The last run of {definitions.SOURCE_STAGE} did not complete: the tables are those of an earlier one.")


def _write(pieces: Iterable[pl.DataFrame], kind: str, out: Path, raw: bool) -> tuple[int, int]:
    try:
        if out == STANDARD_OUTPUT:
            return writers.write_stream(pieces, kind, sys.stdout.buffer, raw)
        return writers.write_file(pieces, kind, out, raw)
    except BrokenPipeError:  # the reader has enough, like head
        raise
    except OSError as error:
        place = "Standard output" if out == STANDARD_OUTPUT else out
        raise UserError(f"{place} cannot be written: {error.strerror or error}.") from error


def _unchanged(source: Path, pieces: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The pieces of a file; an error, before the export is complete, if a run has replaced or removed it meanwhile."""
    before = source.stat().st_ino if source.exists() else None
    try:
        yield from pieces
        is_same = source.stat().st_ino == before
    except FileNotFoundError:
        is_same = False
    if not is_same:
        raise UserError("A run replaced the table while it was exported. Wait for its end and export it again.")
