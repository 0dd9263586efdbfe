"""Land what a shop delivers: every file once, every line accounted for."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import polars as pl
from tqdm.auto import tqdm

from recomart_lib import lake, shops
from recomart_lib.errors import UserError
from recomart_lib.shops import Shop
from recomart_lib.sources import files

log = logging.getLogger(__name__)

COUNTS = ("rows_delivered", "rows_landed", "rows_rejected")


def check(shop: Shop, source: Path) -> None:
    """What can be known before anything is read: the files are there and their headers hold the mapped columns.

    Raises
    ------
    UserError
        Naming the file, the key and what was expected.
    """
    for table in shop.delivered:
        for file in shops.files(shop, table, source):
            if names := files.header(file, shop.table(table)):
                files.check_columns(file, shop, table, names)


def ingest(shop: Shop, source: Path, raw: Path, max_rejected: float) -> pl.DataFrame:
    """Land all files of a shop that are new or changed.

    Returns
    -------
    DataFrame
        One row per delivered file: table, file, day (of its partition), rows_delivered, rows_landed, rows_rejected,
        bytes, first, last, state
        (landed: a new file; new version: the file changed; known: nothing to do).
    """
    done = []
    for table in shop.delivered:
        known, found = lake.newest(raw, shop.name, table), shops.files(shop, table, source)
        names = [_name(file, source) for file in found]
        land = partial(_ingest_file, shop=shop, table=table, raw=raw, max_rejected=max_rejected)
        with ThreadPoolExecutor() as threads:
            landed = threads.map(land, found, names, map(known.get, names))
            done += tqdm(landed, desc=f"landing {table}", total=len(found), unit="file", disable=None)
    day = pl.col("path").str.extract(r"date=(\d{4}-\d{2}-\d{2})").str.to_date().alias("day")
    columns = ["table", "file", "day", *COUNTS, "bytes", "first", "last", "state"]
    return pl.DataFrame(done, infer_schema_length=None).with_columns(day).select(columns)


def summary(files: pl.DataFrame) -> pl.DataFrame:
    """One row per table: files, rows delivered, landed and rejected, megabytes, first and last day."""
    return files.group_by("table", maintain_order=True).agg(
        pl.len().alias("files"),
        pl.col(*COUNTS).sum(),
        (pl.col("bytes").sum() / 1e6).alias("megabytes"),
        pl.col("day").min().alias("first_day"),
        pl.col("day").max().alias("last_day"),
    )


def per_day(files: pl.DataFrame) -> pl.DataFrame:
    """One row per calendar day from the first to the last drop of events: day, n (rows landed, 0 for none)."""
    drops = files.filter(pl.col("table") == "events").group_by("day").agg(n=pl.col("rows_landed").sum()).sort("day")
    return drops.upsample("day", every="1d").with_columns(pl.col("n").fill_null(0)) if drops.height else drops


def no_longer_delivered(shop: Shop, source: Path, raw: Path) -> list[str]:
    """Files that were landed earlier and are not in the source folder today: they stay in the lake and are read."""
    gone = []
    for table in shop.delivered:
        here = {_name(file, source) for file in shops.files(shop, table, source)}
        gone += [f"{table}/{name}" for name in lake.newest(raw, shop.name, table) if name not in here]
    return gone


def _name(file: Path, source: Path) -> str:
    """What a file is called: its path in the source folder, for two folders may each hold a part-0.parquet."""
    return file.relative_to(source).as_posix()


def _ingest_file(
    file: Path, name: str, known: lake.Manifest | None, shop: Shop, table: str, raw: Path, max_rejected: float
) -> lake.Manifest:
    sha256 = lake.content_hash(file, name, _declaration(shop, table))
    if known and known["sha256"] == sha256:
        return {**known, "state": "known"}
    delivered = files.read(file, shop, table, name)
    _refuse_unreadable(name, delivered, max_rejected)
    manifest = lake.land(raw, shop.name, table, file, name, sha256, delivered.rows, delivered.rejects)
    log.info("%s: %s rows landed, %s rejected", name, manifest["rows_landed"], manifest["rows_rejected"])
    return {**manifest, "state": "new version" if known else "landed"}


def _declaration(shop: Shop, table: str) -> str:
    """All of the shop file that decides how this table is read."""
    return f"{shop.time_zone} {shop.table(table).model_dump_json()} {files.mapped_columns(shop, table)}"


def _refuse_unreadable(name: str, delivered: files.Delivered, max_rejected: float) -> None:
    n_rejected, n_rows = delivered.rejects.height, delivered.rows.height + delivered.rejects.height
    if n_rejected > max_rejected * n_rows:
        first = delivered.rejects.row(0, named=True)
        raise UserError(
            f"{name}: {n_rejected} of {n_rows} lines could not be read, more than ingest.max_rejected = "
            f"{max_rejected}. Are separator, encoding, decimal and timestamp_format right in the shop file? "
            f"First: line {first['source_line']}, {first['reason']}."
        )
