"""`recomart lake`: show and verify the ingested files."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from tqdm.auto import tqdm

from recomart.cli import completion, document
from recomart.cli.options import Json, Rows, Shop, examples
from recomart.cli.output import echo, show_table
from recomart.project import params
from recomart_lib.core import names, paths
from recomart_lib.core.config import suggestion
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TABLES
from recomart_lib.ingest import lake_verification, manifests

app = typer.Typer(help="Show and verify the ingested files in data/raw.", no_args_is_help=True)

SHORT_HASH = 10  # digits that identify a version


@app.command(
    "show", epilog=examples("recomart lake show", "recomart lake show events --rows 50", "recomart lake show users.csv")
)
def lake_show(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A table, a day like 2025-03-01, a file name, or the start of a hash.",
            show_default="list all tables",
            autocompletion=completion.tables,
        ),
    ] = None,
    shop: Shop = None,
    rows: Rows = 20,
    as_json: Json = False,
) -> None:
    """List the ingested tables, the files of a table or day, or the manifest of one file.

    If a file was delivered in several versions, the pipeline reads the newest.
    """
    raw, shop = paths.place(paths.RAW), names.check(shop or params.load().base.shop, "--shop")
    versions = _versions(raw, shop)
    if not versions.height:
        raise UserError(f"Nothing of shop '{shop}' is ingested yet. Run: dvc repro 01_ingest")
    if name is None:
        show_table("tables", _by_table(versions), rows)
        return
    named = (pl.col("table") == name) | (pl.col("file") == name) | (pl.col("date").cast(pl.String) == name)
    matches = versions.filter(named | pl.col("version").str.starts_with(name))
    if not matches.height:
        others = [*TABLES, *versions.get_column("file").unique(maintain_order=True).to_list()]
        raise UserError(f"The lake has nothing named '{name}'. {suggestion(name, others)}")
    if matches.get_column("path").n_unique() == 1:
        manifest = manifests.read((raw / matches.get_column("path")[0]).with_suffix(".json"))
        if not document.record("manifest", manifest):
            echo(json.dumps(manifest, indent=1, ensure_ascii=False))
    else:
        constant = ["table"] if matches.get_column("table").n_unique() == 1 else []
        shown = matches.drop("path", *constant).with_columns(pl.col("version").str.head(SHORT_HASH))
        show_table("versions", shown, rows, raw=matches)


def _versions(raw: Path, shop: str) -> pl.DataFrame:
    """One row per ingested file and version, oldest first. `read` marks the newest, which the pipeline reads."""
    records = []
    for table in TABLES:
        newest = {manifest["path"] for manifest in manifests.newest(raw, shop, table).values()}
        records += [
            {
                "table": table,
                "date": manifests.day_of(m),
                "file": m["file"],
                "version": manifests.version_of(m),
                "rows": m["rows_landed"],
                "rejected": m["rows_rejected"],
                "ingested_at": manifests.ingested_at(m),
                "read": m["path"] in newest,
                "path": m["path"],
            }
            for m in manifests.versions(raw, shop, table)
        ]
    versions = pl.DataFrame(records, infer_schema_length=None)
    table_order = pl.col("table").replace_strict({table: position for position, table in enumerate(TABLES)})
    return versions.sort(table_order, "date", "file", maintain_order=True) if records else versions


def _by_table(versions: pl.DataFrame) -> pl.DataFrame:
    return versions.group_by("table", maintain_order=True).agg(
        files=pl.col("file").n_unique(),
        versions=pl.len(),
        rows=pl.col("rows").filter("read").sum(),
        rejected=pl.col("rejected").filter("read").sum(),
        first_day=pl.col("date").min(),
        last_day=pl.col("date").max(),
    )


@app.command("verify", epilog=examples("recomart lake verify"))
def lake_verify(as_json: Json = False) -> None:
    """Recompute the hash of every ingested file; exit status 1 if one has changed or is missing.

    All shops and all versions are checked; a stage checks only what it reads.
    """
    raw = paths.place(paths.RAW)
    n_files = len(lake_verification.manifest_paths(raw))
    problems = lake_verification.verify(raw, partial(tqdm, desc="verifying", unit="file", disable=None))
    show_table("problems", problems, empty="")
    if not problems.height:
        echo(f"All {n_files:,} ingested files are unchanged." if n_files else "Nothing is ingested yet.")
        return
    document.complete()
    raise UserError(
        f"{problems.height:,} problem(s) in the lake ({n_files:,} ingested files). If a damaged file is still "
        "delivered, `recomart stage 01_ingest` ingests it again. Else delete it here and run `dvc checkout data/raw`."
    )
