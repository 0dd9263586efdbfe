"""What notebooks read, write and show: Parquet and JSON by place, and tables for people."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
from IPython.display import HTML

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError


def read(*parts: Path | str) -> pl.DataFrame:
    """A table that an earlier stage left."""
    path = _existing(*parts)
    return pl.read_parquet(path)


def write(table: pl.DataFrame, *parts: Path | str) -> None:
    """Write a table as Parquet; the caller has sorted its rows."""
    table.write_parquet(paths.output(Path(*parts)))


def read_all(folder: Path, *names: str) -> dict[str, pl.DataFrame]:
    """Several tables of one folder, by name."""
    return {name: read(folder, f"{name}.parquet") for name in names}


def write_all(named: dict[str, pl.DataFrame], folder: Path) -> None:
    """Several tables into one folder, each as <name>.parquet."""
    for name, table in named.items():
        write(table, folder, f"{name}.parquet")


def read_json(*parts: Path | str) -> dict[str, Any]:
    """Facts that an earlier stage left."""
    return json.loads(_existing(*parts).read_text(encoding="utf-8"))


def write_json(content: dict[str, Any], *parts: Path | str) -> None:
    """Write facts for machines, and for the index page."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    paths.output(Path(*parts)).write_text(text + "\n", encoding="utf-8")


def show(table: pl.DataFrame, rows: int = 20) -> HTML:
    """The first rows of a table as people want to see them in a notebook: plain numbers, and words escaped in HTML."""
    if not table.height:
        return HTML("<p>No rows.</p>")
    frame = table.head(rows).with_columns(pl.col(pl.String).fill_null("")).to_pandas()
    whole = {name: "{:,}".format for name, dtype in table.schema.items() if dtype.is_integer()}
    text = frame.to_html(index=False, border=0, na_rep="", formatters=whole, float_format=_short, max_rows=None)
    more = f"<p>... and {table.height - rows:,} more rows</p>" if table.height > rows else ""
    return HTML(text + more)


def _short(value: float) -> str:
    """Four significant digits, or a whole number with its thousands."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def counts(named: dict[str, pl.DataFrame]) -> HTML:
    """One row per table: how many rows and columns it has."""
    rows = [(name, table.height, table.width) for name, table in named.items()]
    return show(pl.DataFrame(rows, schema=["table", "rows", "columns"], orient="row"), len(rows))


def fingerprint(folder: Path) -> str:
    """Twelve hex digits that stand for the content of a folder's tables: equal data, equal fingerprint."""
    digest = hashlib.sha256()
    for path in sorted(paths.place(folder).glob("*.parquet")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _existing(*parts: Path | str) -> Path:
    path = paths.place(Path(*parts))
    if not path.exists():
        raise UserError(
            f"{Path(*parts)} is not there: run the stage that makes it first (dvc repro makes what is missing)."
        )
    return path
