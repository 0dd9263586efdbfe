"""`recomart quarantine`: show, export and replay rows that failed validation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart.cli.options import Rows, examples, folder_argument, table_argument
from recomart.cli.output import say, show
from recomart.project import params
from recomart_lib.core import paths, shops
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TABLES
from recomart_lib.ingest import lake
from recomart_lib.validate import quarantine
from recomart_lib.validate import quarantine as validate_quarantine
from recomart_lib.validate.quarantine import replay

app = typer.Typer(help="Look at rows that are held back, and bring them back.", no_args_is_help=True)

REPAIR = Path("data/repair")


@app.command(
    "show", epilog=examples("recomart quarantine show", "recomart quarantine show events --rule quantity_possible")
)
def quarantine_show(
    table: Annotated[str | None, table_argument("all, counted")] = None,
    rule: Annotated[str | None, typer.Option(metavar="WORD", help="Only rows whose reasons name this.")] = None,
    rows: Rows = 20,
) -> None:
    """Count what is held back by its reasons, or show the rows of one table.

    A row is shown with all its reasons, and the file and line that it came
    from.
    """

    quarantine = paths.place(paths.QUARANTINE)
    if table is None:
        show(validate_quarantine.summary(quarantine), rows)
        return
    if table not in TABLES:
        raise UserError(f"There is no table '{table}'. {suggestion(table, list(TABLES))}")
    held = validate_quarantine.held(quarantine, table).drop(lake.VERSION)
    held = held.filter(pl.col(validate_quarantine.REASONS).str.contains(rule, literal=True)) if rule else held
    show(held.select(name for name in held.columns if held.get_column(name).null_count() < held.height), rows)


@app.command("export", epilog=examples("recomart quarantine export", "recomart quarantine export mended"))
def quarantine_export(folder: Annotated[Path, folder_argument("Where the CSV files are to lie.")] = REPAIR) -> None:
    """Write what is held back to CSV files, to be mended in any editor or spreadsheet."""

    written = quarantine.export(paths.place(paths.QUARANTINE), paths.place(folder))
    for table, n_rows in written.items():
        say(f"{folder / table}.csv: {n_rows:,} rows")
    say(
        f"Mend them, delete the rows that stay, then: recomart quarantine replay {folder}"
        if written
        else "The quarantine is empty."
    )


@app.command("replay", epilog=examples("recomart quarantine replay", "recomart quarantine replay --unchanged"))
def quarantine_replay(
    folder: Annotated[Path, folder_argument("Where the mended CSV files lie.")] = REPAIR,
    unchanged: Annotated[bool, typer.Option("--unchanged", help="Send all held rows again as they are.")] = False,
) -> None:
    """Send mended rows back through data/replay.

    The next run lands them in place of the delivered ones, and judges them.
    """

    shop = shops.load(params.load().base.shop)
    raw, quarantine, waiting = (paths.place(place) for place in (paths.RAW, paths.QUARANTINE, paths.REPLAY))
    mended = None if unchanged else paths.place(folder)
    for table, (n_rows, n_blank) in replay(shop, raw, quarantine, waiting, mended).items():
        stay = f"; {n_blank:,} unreadable lines were not filled in and stay" if n_blank else ""
        say(f"{table}: {n_rows:,} rows wait in {paths.REPLAY}{stay}")
    say("Land and judge them: dvc repro")
