"""Quarantined rows on their way back: exported for people to mend, replayed through `data/replay`, landed again.

A repaired row keeps the file, line and version that it came from: in the lake it takes the place of the row, or of the
unreadable line, that was delivered there (see `lake`). Nothing that was landed changes, and no row counts twice.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TABLES
from recomart_lib.core.shops import Shop, Table
from recomart_lib.ingest import lake
from recomart_lib.ingest.lake import PLACE, VERSION
from recomart_lib.ingest.sources import reader

REASONS, RAW = "reasons", "raw"
# A spreadsheet takes a cell that starts so for a formula; with an apostrophe before it, it is text.
FORMULA, DISARMED = r"^(['=+\-@\t\r])", r"^'(['=+\-@\t\r])"


def held(quarantine: Path, table: str) -> pl.DataFrame:
    """What is in quarantine of one table: rows that break a rule, then lines that could not be read.

    Returns
    -------
    DataFrame
        One row per quarantined row or line: reasons, raw (the delivered text; unreadable lines only), source_file,
        source_line, source_version, and the table's columns.

    Raises
    ------
    UserError
        If nothing was validated yet.
    """
    if not (quarantine / "rejected.parquet").exists():
        raise UserError(f"There is no quarantine in {quarantine} yet. Run: dvc repro 02_validate")
    lines = pl.read_parquet(quarantine / "rejected.parquet").filter(pl.col("table") == table)
    parts = [lines.select(pl.col("reason").alias(REASONS), RAW, *PLACE, VERSION)]
    if (quarantine / f"{table}.parquet").exists():
        parts.insert(0, pl.read_parquet(quarantine / f"{table}.parquet"))
    together = pl.concat(parts, how="diagonal")
    first = [REASONS, RAW, *PLACE, VERSION]
    return together.select(*first, pl.exclude(first))


def summary(quarantine: Path) -> pl.DataFrame:
    """One row per table and combination of reasons: table, rows, reasons; the most frequent first."""
    counts = [
        held(quarantine, table)
        .group_by(REASONS)
        .agg(rows=pl.len())
        .select(pl.lit(table).alias("table"), "rows", REASONS)
        for table in TABLES
    ]
    kinds = pl.col(REASONS).str.replace("'.*' ", "'...' ")
    grouped = pl.concat(counts).group_by("table", kinds).agg(pl.col("rows").sum())
    return grouped.select("table", "rows", REASONS).sort("rows", "table", REASONS, descending=[True, False, False])


def export(quarantine: Path, folder: Path) -> dict[str, int]:
    """Write `<folder>/<table>.csv` for people to mend; table -> rows. Formulas in cells are disarmed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for table in TABLES:
        rows = held(quarantine, table)
        if rows.height:
            texts = pl.col(pl.String).str.replace(FORMULA, "'$1")
            rows.with_columns(texts).write_csv(folder / f"{table}.csv", datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
            written[table] = rows.height
    return written


def replay(
    shop: Shop, raw: Path, quarantine: Path, waiting: Path, mended: Path | None = None
) -> dict[str, tuple[int, int]]:
    """Put rows where stage 01 lands them from: those of the exported and mended files, or all as they are.

    Parameters
    ----------
    mended
        The folder of `export`. None: every quarantined row goes through again as it is.

    Returns
    -------
    dict
        Table -> (rows that wait to be landed, unreadable lines that nobody filled in and that stay).

    Raises
    ------
    UserError
        If a file lacks a column, a cell cannot be read, or a row does not say which quarantined row it is; if the
        quarantine is not that of the files that are in the lake now. Nothing is replayed then.
    """
    found = {}
    for table in TABLES:
        if mended is None or (mended / f"{table}.csv").exists():
            known = held(quarantine, table)
            _check_current(known, lake.newest(raw, shop.name, table), shop, table)
            rows = known.drop(REASONS) if mended is None else _mended(shop, table, mended / f"{table}.csv", known)
            own = pl.col(name for name in rows.columns if name not in {RAW, *PLACE, VERSION})
            found[table] = rows.filter(~pl.all_horizontal(own.is_null())).drop(RAW), rows.height
    if not found:
        raise UserError(
            f"{mended}: there is none of {', '.join(f'{table}.csv' for table in TABLES)}. "
            "Export them first: recomart quarantine export"
        )
    for table, (filled, _) in found.items():
        if filled.height:
            _put(filled, waiting / shop.name, table)
    return {table: (filled.height, n_rows - filled.height) for table, (filled, n_rows) in found.items()}


def _check_current(known: pl.DataFrame, landed: dict[str, lake.Manifest], shop: Shop, table: str) -> None:
    current = {(name, lake.version_of(manifest)) for name, manifest in landed.items()}
    for file, version in known.select("source_file", VERSION).unique(maintain_order=True).iter_rows():
        if (file, version) not in current:
            raise UserError(
                f"The quarantine holds {table} of {file} in version {version}, which is not what shop '{shop.name}' "
                "has in the lake now. Validate again first: dvc repro 02_validate"
            )


def _put(rows: pl.DataFrame, folder: Path, table: str) -> None:
    """A numbered file, so that the last repair of a row can be told."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(path.name.split("-")[1]) for path in folder.glob(f"{table}-*.parquet")), default=0)
    unfinished = folder / f"{table}.tmp"
    rows.write_parquet(unfinished)
    digest = hashlib.sha256(unfinished.read_bytes()).hexdigest()[:12]
    unfinished.replace(folder / f"{table}-{number:04d}-{digest}.parquet")


def _mended(shop: Shop, table: str, path: Path, known: pl.DataFrame) -> pl.DataFrame:
    """The rows of a mended file, typed as the table's, each with its place and version."""
    try:
        cells = pl.read_csv(path, infer_schema=False)
    except pl.exceptions.PolarsError as problem:
        raise UserError(f"{path} could not be read as CSV (comma, UTF-8): {problem}") from None
    wanted = [name for name in known.columns if name != REASONS]
    if missing := [name for name in wanted if name not in cells.columns]:
        raise UserError(f"{path} lacks the column(s) {', '.join(missing)}. Export the quarantine again and mend that.")
    cells = cells.select(wanted).with_columns(pl.all().str.replace(DISARMED, "$1"))
    place = cells.select("source_file", pl.col("source_line").cast(pl.Int64, strict=False), VERSION)
    strangers = place.with_row_index("line", 2).join(known, on=[*PLACE, VERSION], how="anti", nulls_equal=True)
    if strangers.height:
        row = strangers.row(0, named=True)
        raise UserError(
            f"{path}: {strangers.height} row(s) are not in quarantine (any more), the first in record "
            f"{row['line'] - 1}: {row['source_file']}, line {row['source_line']}, version {row[VERSION]}. "
            "Export again and mend that."
        )
    typed = _typed(shop, table, cells.drop(RAW, *PLACE, VERSION), path)
    return pl.concat([typed, place, cells.select(RAW)], how="horizontal")


def _typed(shop: Shop, table: str, cells: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Text cells as the table's types: the columns have our names, and times are in UTC."""
    same = Table(kind="parquet", path="*", columns={name: name for name in cells.columns if name in TABLES[table]})
    derived = {
        other: Table(
            kind="derived", columns={c.partition(".")[2]: c for c in cells.columns if c.startswith(f"{other}.")}
        )
        for other in ("users", "items")
        if other != table
    }
    plain = shop.model_copy(update={"time_zone": "UTC", "tables": {table: same, **derived}})
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        cells.write_parquet(copy)
        delivered = reader.read(copy, plain, table)
    if delivered.rejects.height:
        first = delivered.rejects.row(0, named=True)
        raise UserError(
            f"{path}: {delivered.rejects.height} row(s) cannot be read, the first in record "
            f"{first['source_line']}: {first['reason']}. Nothing was replayed."
        )
    return delivered.rows.select(cells.columns)
