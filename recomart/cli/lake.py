"""`recomart lake` and `recomart quarantine`: look at what was landed and held back, and bring rows back."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from recomart.cli import completion
from recomart.cli.options import Rows, Shop, examples
from recomart.cli.output import say, show
from recomart.project import params
from recomart_lib.core import paths
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TABLES
from recomart_lib.ingest import lake

app = typer.Typer(help="Look at what was landed in data/raw.", no_args_is_help=True)


SHORT = 10  # digits of a hash that are enough to name a version


@app.command(
    "show", epilog=examples("recomart lake show", "recomart lake show events --rows 50", "recomart lake show users.csv")
)
def lake_show(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A table, a day like 2025-03-01, a file's name, or the first digits of a hash.",
            show_default="all tables, listed",
            autocompletion=completion.tables,
        ),
    ] = None,
    shop: Shop = None,
    rows: Rows = 20,
) -> None:
    """List the landed tables, or the files of a table or day, or tell about one file.

    A file is told about by its manifest. Of a file that came in several
    versions the newest is read.
    """

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

    records = []
    for table in TABLES:
        read = {manifest["path"] for manifest in lake.newest(raw, shop, table).values()}
        records += [
            {
                "table": table,
                "date": lake.day_of(m),
                "file": m["file"],
                "version": lake.version_of(m),
                "rows": m["rows_landed"],
                "rejected": m["rows_rejected"],
                "landed_at": datetime.fromisoformat(m["landed_at"]),
                "read": m["path"] in read,
                "path": m["path"],
            }
            for m in lake.manifests(raw, shop, table)
        ]
    found = pl.DataFrame(records, infer_schema_length=None)
    by_table = pl.col("table").replace_strict({table: place for place, table in enumerate(TABLES)})
    return found.sort(by_table, "date", "file", "landed_at") if records else found


def _by_table(landed: pl.DataFrame) -> pl.DataFrame:

    return landed.group_by("table", maintain_order=True).agg(
        files=pl.col("file").n_unique(),
        versions=pl.len(),
        rows=pl.col("rows").filter("read").sum(),
        rejected=pl.col("rejected").filter("read").sum(),
        first_day=pl.col("date").min(),
        last_day=pl.col("date").max(),
    )


@app.command("verify", epilog=examples("recomart lake verify"))
def lake_verify() -> None:
    """Recompute the hash of every landed file; exit status 1 if one has changed.

    All shops and all versions are looked at.
    """

    raw = paths.place(paths.RAW)
    problems = lake.verify(raw)
    n_files = len(list(raw.glob("source=*/type=*/date=*/*.json")))
    if problems.height:
        lines = [f"  {path} {problem}" for path, problem in problems.iter_rows()]
        raise UserError(f"{problems.height} problem(s) in the lake ({n_files} landed files):\n" + "\n".join(lines[:50]))
    say(f"{n_files} landed files are as they were landed.")
