"""Read, write and display the tables and JSON files of notebooks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from IPython.display import HTML

from recomart_lib.core import files, html_table, parquet, paths
from recomart_lib.core.errors import UserError


def read(*parts: Path | str) -> pl.DataFrame:
    """Read a table that an earlier stage wrote."""
    return pl.read_parquet(_existing(*parts), glob=False)


def scan(*parts: Path | str) -> pl.LazyFrame:
    """A table that an earlier stage wrote, to read only some of its rows or columns."""
    return pl.scan_parquet(_existing(*parts), glob=False)


def write(table: pl.DataFrame, *parts: Path | str) -> None:
    """Write a table as Parquet; the caller sorts its rows."""
    parquet.write(table, paths.place(Path(*parts)))


def read_all(folder: Path, *names: str) -> dict[str, pl.DataFrame]:
    """Read several tables of one folder, by name."""
    return {name: read(folder, f"{name}.parquet") for name in names}


def write_all(named: dict[str, pl.DataFrame], folder: Path) -> None:
    """Write several tables into one folder, each as <name>.parquet."""
    for name, table in named.items():
        write(table, folder, f"{name}.parquet")


def read_json(*parts: Path | str) -> dict[str, Any]:
    """Read a JSON file that an earlier stage wrote."""
    return json.loads(_existing(*parts).read_text(encoding="utf-8"))


def write_json(content: dict[str, Any], *parts: Path | str) -> None:
    """Write a JSON file: machine-readable results, also for the index page."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    files.write_text(paths.place(Path(*parts)), text + "\n")


def show(table: pl.DataFrame, rows: int = 20, caption: str = "") -> HTML:
    """The first rows of a table for display in a notebook: formatted numbers, text escaped for HTML.

    `caption`: how it differs from the other tables below the same heading; a table alone is named by the heading.
    """
    if not table.height:
        return HTML("<p>No rows.</p>")
    more = f"<p>... and {table.height - rows:,} more rows</p>" if table.height > rows else ""
    return HTML(html_table.render(table.head(rows), caption) + more)


def counts(named: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> HTML:
    """One row per table: its number of rows and columns. Tables of `scan` are not read."""
    rows = [
        (name, table.lazy().select(pl.len()).collect().item(), len(table.collect_schema()))
        for name, table in named.items()
    ]
    return show(pl.DataFrame(rows, schema=["table", "rows", "columns"], orient="row"), len(rows))


def fingerprint(folder: Path) -> str:
    """Twelve hex digits that identify the content of a folder's tables: equal data, equal fingerprint."""
    digest = hashlib.sha256()
    for path in files.listed(paths.place(folder), "*.parquet"):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _existing(*parts: Path | str) -> Path:
    path = paths.place(Path(*parts))
    if not path.exists():
        raise UserError(
            f"{Path(*parts)} does not exist: first run the stage that writes it (dvc repro runs all missing stages)."
        )
    return path
