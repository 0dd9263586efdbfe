"""`recomart lake` and `recomart quarantine`: look at what was landed and held back, and bring rows back."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recomart_lib import cli_complete, paths
from recomart_lib.cli_options import Rows, Shop, examples
from recomart_lib.cli_show import say, show
from recomart_lib.errors import UserError

if TYPE_CHECKING:
    import polars as pl

lake_app = typer.Typer(help="Look at what was landed in data/raw.", no_args_is_help=True)
quarantine_app = typer.Typer(help="Look at rows that are held back, and bring them back.", no_args_is_help=True)

REPAIR = Path("data/repair")
SHORT = 10  # digits of a hash that are enough to name a version


def _table(default: str) -> typer.models.ArgumentInfo:
    return typer.Argument(
        metavar="TABLE", help="users, items or events.", show_default=default, autocompletion=cli_complete.tables
    )


def _folder(words: str) -> typer.models.ArgumentInfo:
    return typer.Argument(metavar="FOLDER", help=words)


@lake_app.command(
    "show", epilog=examples("recomart lake show", "recomart lake show events --rows 50", "recomart lake show users.csv")
)
def lake_show(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A table, a day like 2025-03-01, a file's name, or the first digits of a hash.",
            show_default="all tables, listed",
            autocompletion=cli_complete.tables,
        ),
    ] = None,
    shop: Shop = None,
    rows: Rows = 20,
) -> None:
    """List the landed tables, or the files of a table or day, or tell about one file.

    A file is told about by its manifest. Of a file that came in several
    versions the newest is read.
    """
    import polars as pl

    from recomart_lib import lake, params
    from recomart_lib.config import suggestion
    from recomart_lib.schemas import TABLES

    raw, shop = paths.place(paths.RAW), shop or params.load().base.shop
    landed = _versions(raw, shop)
    if not landed.height:
        raise UserError(f"Nothing of shop '{shop}' was landed yet. Run: dvc repro 01_ingest")
    if name is None:
        show(_by_table(landed), rows)
        return
    asked = (pl.col("table") == name) | (pl.col("file") == name) | (pl.col("date").cast(pl.String) == name)
    found = landed.filter(asked | pl.col("version").str.starts_with(name))
    if not found.height:
        known = [*TABLES, *landed.get_column("file").unique(maintain_order=True).to_list()]
        raise UserError(f"The lake holds nothing of '{name}'. {suggestion(name, known)[:300]}")
    if found.get_column("path").n_unique() == 1:
        manifest = lake.manifest_of((raw / found.get_column("path")[0]).with_suffix(".json"))
        say(json.dumps(manifest, indent=1, ensure_ascii=False))
    else:
        constant = ["table"] if found.get_column("table").n_unique() == 1 else []
        show(found.drop("path", *constant).with_columns(pl.col("version").str.head(SHORT)), rows)


def _versions(raw: Path, shop: str) -> pl.DataFrame:
    """One row per landed file and version, the read ones marked: table, date, file, version, rows, ..., path."""
    import polars as pl

    from recomart_lib import lake
    from recomart_lib.schemas import TABLES

    records = []
    for table in TABLES:
        read = {manifest["path"] for manifest in lake.newest(raw, shop, table).values()}
        records += [
            {"table": table, "date": lake.day_of(m), "file": m["file"], "version": lake.version_of(m),
             "rows": m["rows_landed"], "rejected": m["rows_rejected"],
             "landed_at": datetime.fromisoformat(m["landed_at"]), "read": m["path"] in read, "path": m["path"]}
            for m in lake.manifests(raw, shop, table)
        ]  # fmt: skip
    found = pl.DataFrame(records, infer_schema_length=None)
    by_table = pl.col("table").replace_strict({table: place for place, table in enumerate(TABLES)})
    return found.sort(by_table, "date", "file", "landed_at") if records else found


def _by_table(landed: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    return landed.group_by("table", maintain_order=True).agg(
        files=pl.col("file").n_unique(),
        versions=pl.len(),
        rows=pl.col("rows").filter("read").sum(),
        rejected=pl.col("rejected").filter("read").sum(),
        first_day=pl.col("date").min(),
        last_day=pl.col("date").max(),
    )


@lake_app.command("verify", epilog=examples("recomart lake verify"))
def lake_verify() -> None:
    """Recompute the hash of every landed file; exit status 1 if one has changed.

    All shops and all versions are looked at.
    """
    from recomart_lib import lake

    raw = paths.place(paths.RAW)
    problems = lake.verify(raw)
    n_files = len(list(raw.glob("source=*/type=*/date=*/*.json")))
    if problems.height:
        lines = [f"  {path} {problem}" for path, problem in problems.iter_rows()]
        raise UserError(f"{problems.height} problem(s) in the lake ({n_files} landed files):\n" + "\n".join(lines[:50]))
    say(f"{n_files} landed files are as they were landed.")


@quarantine_app.command(
    "show", epilog=examples("recomart quarantine show", "recomart quarantine show events --rule quantity_possible")
)
def quarantine_show(
    table: Annotated[str | None, _table("all, counted")] = None,
    rule: Annotated[str | None, typer.Option(metavar="WORD", help="Only rows whose reasons name this.")] = None,
    rows: Rows = 20,
) -> None:
    """Count what is held back by its reasons, or show the rows of one table.

    A row is shown with all its reasons, and the file and line that it came
    from.
    """
    import polars as pl

    from recomart_lib import lake, repair
    from recomart_lib.config import suggestion
    from recomart_lib.schemas import TABLES

    quarantine = paths.place(paths.QUARANTINE)
    if table is None:
        show(repair.summary(quarantine), rows)
        return
    if table not in TABLES:
        raise UserError(f"There is no table '{table}'. {suggestion(table, list(TABLES))}")
    held = repair.held(quarantine, table).drop(lake.VERSION)
    held = held.filter(pl.col(repair.REASONS).str.contains(rule, literal=True)) if rule else held
    show(held.select(name for name in held.columns if held.get_column(name).null_count() < held.height), rows)


@quarantine_app.command("export", epilog=examples("recomart quarantine export", "recomart quarantine export mended"))
def quarantine_export(folder: Annotated[Path, _folder("Where the CSV files are to lie.")] = REPAIR) -> None:
    """Write what is held back to CSV files, to be mended in any editor or spreadsheet."""
    from recomart_lib import repair

    written = repair.export(paths.place(paths.QUARANTINE), paths.place(folder))
    for table, n_rows in written.items():
        say(f"{folder / table}.csv: {n_rows:,} rows")
    say(f"Mend them, delete the rows that stay, then: recomart quarantine replay {folder}" if written
               else "The quarantine is empty.")  # fmt: skip


@quarantine_app.command(
    "replay", epilog=examples("recomart quarantine replay", "recomart quarantine replay --unchanged")
)
def quarantine_replay(
    folder: Annotated[Path, _folder("Where the mended CSV files lie.")] = REPAIR,
    unchanged: Annotated[bool, typer.Option("--unchanged", help="Send all held rows again as they are.")] = False,
) -> None:
    """Send mended rows back through data/replay.

    The next run lands them in place of the delivered ones, and judges them.
    """
    from recomart_lib import params, repair, shops

    shop = shops.load(params.load().base.shop)
    raw, quarantine, waiting = (paths.place(place) for place in (paths.RAW, paths.QUARANTINE, paths.REPLAY))
    mended = None if unchanged else paths.place(folder)
    for table, (n_rows, n_blank) in repair.replay(shop, raw, quarantine, waiting, mended).items():
        stay = f"; {n_blank:,} unreadable lines were not filled in and stay" if n_blank else ""
        say(f"{table}: {n_rows:,} rows wait in {paths.REPLAY}{stay}")
    say("Land and judge them: dvc repro")
