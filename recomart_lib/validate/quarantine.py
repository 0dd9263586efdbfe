"""The way back of quarantined rows: exported for manual repair, replayed through `data/replay`, ingested again.

A repaired row keeps the file, line and version that it came from: in the lake it replaces the row, or the unreadable
line, that was delivered there (see `lake`). Ingested files do not change, and no row counts twice.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from pathlib import Path

import polars as pl

from recomart_lib.core import files
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import STATE, TABLES, VALID_FROM
from recomart_lib.core.shop_tables import Table
from recomart_lib.core.shops import Shop
from recomart_lib.ingest import lake
from recomart_lib.ingest.lake import PLACE, VERSION
from recomart_lib.ingest.replay import numbered
from recomart_lib.ingest.sources import reader

REASONS, RAW = "reasons", "raw"
# A spreadsheet takes a cell that starts with one of these for a formula; with an apostrophe in front, it is text.
FORMULA, ESCAPED_FORMULA = r"^(['=+\-@\t\r])", r"^'(['=+\-@\t\r])"


def read(quarantine: Path, table: str) -> pl.DataFrame:
    """The quarantine of one table: rows that fail a rule, then rejected rows (unreadable lines).

    Returns
    -------
    DataFrame
        One row per quarantined row or line: reasons, raw (the delivered text; unreadable lines only), source_file,
        source_line, source_version, and the table's columns.

    Raises
    ------
    UserError
        If nothing has been validated yet.
    """
    if not (quarantine / "rejected.parquet").exists():
        raise UserError(f"There is no quarantine in {quarantine} yet. Run: dvc repro 02_validate")
    lines = pl.read_parquet(quarantine / "rejected.parquet", glob=False).filter(pl.col("table") == table)
    parts = [lines.select(pl.col("reason").alias(REASONS), RAW, *PLACE, VERSION)]
    if (quarantine / f"{table}.parquet").exists():
        parts.insert(0, pl.read_parquet(quarantine / f"{table}.parquet", glob=False))
    rows = pl.concat(parts, how="diagonal")
    first = [REASONS, RAW, *PLACE, VERSION]
    return rows.select(*first, pl.exclude(first))


def summary(quarantine: Path) -> pl.DataFrame:
    """One row per table and combination of reasons: table, rows, reasons; the most frequent first."""
    counts = [
        read(quarantine, table)
        .group_by(REASONS)
        .agg(rows=pl.len())
        .select(pl.lit(table).alias("table"), "rows", REASONS)
        for table in TABLES
    ]
    without_values = pl.col(REASONS).str.replace("'.*' ", "'...' ")
    by_reasons = pl.concat(counts).group_by("table", without_values).agg(pl.col("rows").sum())
    return by_reasons.select("table", "rows", REASONS).sort("rows", "table", REASONS, descending=[True, False, False])


def export(quarantine: Path, folder: Path) -> dict[str, int]:
    """Write `<folder>/<table>.csv` for manual repair; table -> rows. Formulas in cells are escaped."""
    folder.mkdir(parents=True, exist_ok=True)
    n_rows = {}
    for table in TABLES:
        rows = read(quarantine, table)
        if rows.height:
            escaped = rows.with_columns(
                pl.col(pl.String).str.replace(FORMULA, "'$1"),
                pl.col(pl.Float64).cast(pl.String).str.strip_suffix(".0"),  # 2 pieces, as delivered, not 2.0
            )
            with files.complete(folder / f"{table}.csv") as unfinished:
                escaped.write_csv(unfinished, datetime_format="%Y-%m-%dT%H:%M:%S%.6fZ")
            n_rows[table] = rows.height
    return n_rows


def replay(
    shop: Shop, raw: Path, quarantine: Path, waiting: Path, repaired: Path | None = None
) -> dict[str, tuple[int, int]]:
    """Put rows where stage 01 ingests them from: those of the exported and repaired files, or all of them unchanged.

    Parameters
    ----------
    waiting
        The folder from which stage 01 ingests replayed rows.
    repaired
        The folder of `export`. None: every quarantined row is replayed unchanged.

    Returns
    -------
    dict
        Table -> (rows waiting to be ingested, unreadable lines that are not filled in and stay in quarantine).

    Raises
    ------
    UserError
        If a file lacks a column, a cell cannot be read, or a row does not say which quarantined row it is; if the
        quarantine does not belong to the current files of the lake. Nothing is replayed then.
    """
    replays = {}
    for table in TABLES:
        if repaired is None or (repaired / f"{table}.csv").exists():
            quarantined = read(quarantine, table)
            _check_current(quarantined, lake.newest(raw, shop.name, table), shop, table)
            rows = _repaired_rows(shop, table, repaired, quarantined)
            values = pl.col(name for name in rows.columns if name not in {RAW, *PLACE, VERSION})
            replays[table] = rows.filter(~pl.all_horizontal(values.is_null())).drop(RAW), rows.height
    if not replays:
        raise UserError(
            f"{repaired}: found none of {', '.join(f'{table}.csv' for table in TABLES)}. "
            "Export them first: recomart quarantine export"
        )
    for table, (rows, _) in replays.items():
        if rows.height:
            _write(rows, waiting / shop.name, table)
    return {table: (rows.height, n_rows - rows.height) for table, (rows, n_rows) in replays.items()}


def _check_current(quarantined: pl.DataFrame, newest: dict[str, lake.Manifest], shop: Shop, table: str) -> None:
    current = {(name, lake.version_of(manifest)) for name, manifest in newest.items()}
    for file, version in quarantined.select("source_file", VERSION).unique(maintain_order=True).iter_rows():
        if (file, version) not in current:
            raise UserError(
                f"The quarantine contains {table} of {file} in version {version}, which is not the version of shop "
                f"'{shop.name}' in the lake now. Validate again first: dvc repro 02_validate"
            )


def _write(rows: pl.DataFrame, folder: Path, table: str) -> None:
    """Write a numbered file: the numbers show which repair of a row is the last."""
    content = io.BytesIO()
    rows.write_parquet(content)
    digest = hashlib.sha256(content.getvalue()).hexdigest()[:12]
    number = max((number for number, _ in numbered(folder, table)), default=0) + 1
    files.write_bytes(folder / f"{table}-{number:04d}-{digest}.parquet", content.getvalue())


def _repaired_rows(shop: Shop, table: str, repaired: Path | None, quarantined: pl.DataFrame) -> pl.DataFrame:
    """The rows of a repaired file, or all quarantined rows: the table's types, each with its place and version."""
    if repaired is None:
        return quarantined.drop(REASONS)
    path = repaired / f"{table}.csv"
    try:
        cells = pl.read_csv(path, infer_schema=False, glob=False)
    except pl.exceptions.PolarsError as problem:
        raise UserError(f"{path} could not be read as CSV (comma, UTF-8): {problem}") from None
    columns = [name for name in quarantined.columns if name != REASONS]
    if missing := [name for name in columns if name not in cells.columns]:
        raise UserError(
            f"{path} lacks the column(s) {', '.join(missing)}. Export the quarantine again and repair that."
        )
    cells = cells.select(columns).with_columns(pl.all().str.replace(ESCAPED_FORMULA, "$1"))
    place = cells.select("source_file", pl.col("source_line").cast(pl.Int64, strict=False), VERSION)
    unknown = place.with_row_index("record", 1).join(quarantined, on=[*PLACE, VERSION], how="anti", nulls_equal=True)
    if unknown.height:
        row = unknown.row(0, named=True)
        raise UserError(
            f"{path}: {unknown.height} row(s) are not in quarantine (or no longer), the first in record "
            f"{row['record']}: {row['source_file']}, line {row['source_line']}, version {row[VERSION]}. "
            "Export again and repair that."
        )
    typed = _typed(shop, table, cells.drop(RAW, *PLACE, VERSION), path)
    return pl.concat([typed, place, cells.select(RAW)], how="horizontal")


def _typed(shop: Shop, table: str, cells: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Text cells with the table's types: the columns have the names of the tables, and times are in UTC."""
    own_columns = {*TABLES[table], VALID_FROM, *STATE}
    identity = Table(kind="parquet", path="*", columns={name: name for name in cells.columns if name in own_columns})
    derived = {
        other: Table(
            kind="derived", columns={c.partition(".")[2]: c for c in cells.columns if c.startswith(f"{other}.")}
        )
        for other in ("users", "items")
        if other != table
    }
    utc_shop = shop.model_copy(update={"time_zone": "UTC", "tables": {table: identity, **derived}})
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        cells.write_parquet(copy)
        delivered = reader.read(copy, utc_shop, table)
    if delivered.rejects.height:
        first = delivered.rejects.row(0, named=True)
        raise UserError(
            f"{path}: {delivered.rejects.height} row(s) cannot be read, the first in record "
            f"{first['source_line']}: {first['reason']}. Nothing was replayed."
        )
    return delivered.rows.select(cells.columns)
