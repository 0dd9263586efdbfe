"""`recomart quarantine`: show, export and replay rows that failed validation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart.cli.options import Json, Rows, examples, folder_argument, table_argument
from recomart.cli.output import echo, show_table
from recomart.cli.writing import writing
from recomart.project import params
from recomart_lib.core import paths, shops
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TABLES
from recomart_lib.ingest import lake
from recomart_lib.validate import quarantine

app = typer.Typer(help="Show, export and replay quarantined rows.", no_args_is_help=True)


@app.command(
    "show", epilog=examples("recomart quarantine show", "recomart quarantine show events --rule quantity_possible")
)
def quarantine_show(
    table: Annotated[str | None, table_argument("count all tables")] = None,
    rule: Annotated[str | None, typer.Option(metavar="RULE", help="Only rows with this text in their reasons.")] = None,
    rows: Rows = 20,
    as_json: Json = False,
) -> None:
    """Count quarantined rows by reason, or show the rows of one table.

    Each row is shown with all its reasons, and the file and line of its source.
    """
    folder = paths.place(paths.QUARANTINE)
    if table is None:
        show_table("reasons", quarantine.summary(folder), rows)
        return
    if table not in TABLES:
        raise UserError(f"There is no table '{table}'. {suggestion(table, list(TABLES))}")
    quarantined = quarantine.read(folder, table).drop(lake.VERSION)
    if rule:
        quarantined = quarantined.filter(pl.col(quarantine.REASONS).str.contains(rule, literal=True))
    filled = [name for name in quarantined.columns if quarantined.get_column(name).null_count() < quarantined.height]
    show_table("quarantined_rows", quarantined.select(filled), rows)


@app.command("export", epilog=examples("recomart quarantine export", "recomart quarantine export repaired"))
def quarantine_export(folder: Annotated[Path, folder_argument("The folder for the CSV files.")] = paths.REPAIR) -> None:
    """Export quarantined rows to CSV files, for repair in any editor or spreadsheet."""
    written = quarantine.export(paths.place(paths.QUARANTINE), paths.place(folder))
    for table, n_rows in written.items():
        echo(f"{folder / table}.csv: {n_rows:,} rows")
    echo(
        f"Repair the rows, delete those that cannot be repaired, then run: recomart quarantine replay {folder}"
        if written
        else "The quarantine is empty."
    )


@app.command("replay", epilog=examples("recomart quarantine replay", "recomart quarantine replay --unchanged"))
def quarantine_replay(
    folder: Annotated[Path, folder_argument("The folder with the repaired CSV files.")] = paths.REPAIR,
    unchanged: Annotated[bool, typer.Option("--unchanged", help="Replay all quarantined rows unchanged.")] = False,
) -> None:
    """Replay repaired rows through data/replay.

    The next run ingests them in place of the delivered rows, and validates them.
    """
    shop = shops.load(params.load().base.shop)
    raw, quarantined, inbox = (paths.place(place) for place in (paths.RAW, paths.QUARANTINE, paths.REPLAY))
    repaired = None if unchanged else paths.place(folder)
    with writing("recomart quarantine replay"):
        queued = quarantine.replay(shop, raw, quarantined, inbox, repaired)
    for table, (n_rows, n_blank) in queued.items():
        skipped = f"; {n_blank:,} unreadable lines were not filled in and stay in quarantine" if n_blank else ""
        echo(f"{table}: {n_rows:,} rows are queued in {paths.REPLAY}{skipped}")
    echo("Ingest and validate them with: dvc repro")
