"""Land what a shop delivers: every file once, every line accounted for."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl
from tqdm.auto import tqdm

from recomart_lib.core import shops
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import PROVENANCE, REJECTS, TABLES
from recomart_lib.core.shops import Shop
from recomart_lib.ingest import lake, replayed
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import reader, rest_api
from recomart_lib.ingest.sources.reader import Delivered

log = logging.getLogger(__name__)

STREAM = "stream/"  # what streamed events are called in the lake starts so
COUNTS = ("rows_delivered", "rows_landed", "rows_rejected", "times_ambiguous")
FETCHED = {
    "table": pl.String,
    "url": pl.String,
    "records": pl.Int64,
    "pages": pl.Int64,
    "requests": pl.Int64,
    "retries": pl.Int64,
    "waited_s": pl.Float64,
    "seconds": pl.Float64,
}


def check(shop: Shop, source: Path) -> None:
    """What can be known before anything is read: the files are there and their headers hold the mapped columns.

    Of a table behind an API it is known whether its secret is set.

    Raises
    ------
    UserError
        Naming the file, the key and what was expected.
    """
    rest_api.check(shop)
    for table in shop.delivered:
        if shop.table(table).kind == "rest":
            continue
        for file in shops.files(shop, table, source):
            if names := reader.header(file, shop.table(table)):
                reader.check_columns(file, shop, table, names)


def fetch(shop: Shop, source: Path, patience: Ingest) -> pl.DataFrame:
    """Ask the shop's API for its tables, each into one file of the source folder; other tables are files already.

    Returns
    -------
    DataFrame
        One row per table of kind rest: table, url, records, pages, requests, retries, waited_s, seconds.
    """
    tables = [table for table in shop.delivered if shop.table(table).kind == "rest"]
    fetched = [rest_api.download(shop, table, source, patience) for table in tables]
    return pl.DataFrame([asdict(answer) for answer in fetched], schema=FETCHED)


def ingest(
    shop: Shop,
    source: Path,
    raw: Path,
    settings: Ingest,
    replay: Path | None = None,
    streamed: dict[date, Path] | None = None,
) -> pl.DataFrame:
    """Land all files of a shop that are new or changed, and what `recomart quarantine replay` left in `replay`.

    A day of streamed events (`stream_log.day_files`) is landed as one file, stream/events-<day>.parquet; when it has
    grown, as a new version of it.

    Returns
    -------
    DataFrame
        One row per delivered file: table, file, day (of its partition), rows_delivered, rows_landed, rows_rejected,
        times_ambiguous, bytes, first, last, state
        (landed: a new file; new version: the file changed; known: nothing to do).
    """
    done = []
    for table in shop.delivered:
        known = lake.newest(raw, shop.name, table)
        jobs = [_Job(file, _name(file, source), reader.chunks) for file in shops.files(shop, table, source)]
        jobs += [_Job(file, f"replay/{file.name}", replayed.pieces) for file in replayed.waiting(replay, shop, table)]
        if table == "events":
            jobs += [_Job(file, f"{STREAM}events-{day}.parquet", _streamed) for day, file in (streamed or {}).items()]
        land = partial(_land, known=known, shop=shop, table=table, raw=raw, max_rejected=settings.max_rejected)
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            landed = threads.map(land, jobs)
            found = list(tqdm(landed, desc=f"landing {table}", total=len(jobs), unit="file", disable=None))
        _tell(table, found)
        done += found
    day = pl.col("path").str.extract(r"date=(\d{4}-\d{2}-\d{2})").str.to_date().alias("day")
    columns = ["table", "file", "day", *COUNTS, "bytes", "first", "last", "state"]
    return pl.DataFrame(done, infer_schema_length=None).with_columns(day).select(columns)


def _tell(table: str, found: list[lake.Manifest]) -> None:
    new = [file for file in found if file["state"] != "known"]
    landed, rejected = (sum(file[name] for file in new) for name in ("rows_landed", "rows_rejected"))
    log.info("%s: %d of %d files are new; %d rows landed, %d rejected", table, len(new), len(found), landed, rejected)


def summary(files: pl.DataFrame) -> pl.DataFrame:
    """One row per table: files, rows delivered, landed and rejected, ambiguous times, megabytes, first and last day."""
    return files.group_by("table", maintain_order=True).agg(
        pl.len().alias("files"),
        *(pl.col(name).sum().alias(name.removeprefix("rows_").removeprefix("times_")) for name in COUNTS),
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
        landed = lake.newest(raw, shop.name, table).items()
        gone += [
            f"{table}/{name}"
            for name, m in landed
            if name not in here and not lake.is_repair(m) and not name.startswith(STREAM)
        ]
    return gone


def _streamed(file: Path, shop: Shop, table: str, name: str) -> Iterator[Delivered]:
    """A day of streamed events as `lake` lands it; they were read and typed when they arrived."""
    rows = pl.scan_parquet(file, hive_partitioning=False).select(list(TABLES[table]))
    for start in range(0, max(1, rows.select(pl.len()).collect().item()), lake.ROWS_AT_ONCE):
        part = rows.slice(start, lake.ROWS_AT_ONCE).collect().with_row_index("source_line", start + 1)
        place = pl.lit(name).alias("source_file"), pl.col("source_line").cast(pl.Int64)
        yield Delivered(part.with_columns(place).select(*TABLES[table], *PROVENANCE), pl.DataFrame(schema=REJECTS), 0)


def _name(file: Path, source: Path) -> str:
    """What a file is called: its path in the source folder, for two folders may each hold a part-0.parquet."""
    return file.relative_to(source).as_posix()


class _Job(NamedTuple):
    """One file to land: where it lies, what it is called, and what reads it."""

    file: Path
    name: str
    read: Callable[..., Iterator[lake.Piece]]


def _land(
    job: _Job, known: dict[str, lake.Manifest], shop: Shop, table: str, raw: Path, max_rejected: float
) -> lake.Manifest:
    sha256 = lake.content_hash(job.file, job.name, _declaration(shop, table))
    before = known.get(job.name)
    if before and before["sha256"] == sha256:
        return {"times_ambiguous": 0, **before, "state": "known"}
    with lake.landing(raw, job.read(job.file, shop, table, job.name), shop.time_zone) as found:
        _refuse_unreadable(job.name, found, max_rejected)
        manifest = lake.commit(found, raw, shop.name, table, job.file, job.name, sha256)
    log.debug("%s: %s rows landed, %s rejected", job.name, manifest["rows_landed"], manifest["rows_rejected"])
    return {**manifest, "state": "new version" if before else "landed"}


def _declaration(shop: Shop, table: str) -> str:
    """All of the shop file that decides how this table is read; what it leaves out does not count."""
    spec = shop.table(table).model_dump_json(exclude={"exclude", "groups"}, exclude_defaults=True)
    return f"{shop.time_zone} {spec} {reader.mapped_columns(shop, table)}"


def _refuse_unreadable(name: str, found: lake.Landing, max_rejected: float) -> None:
    n_lines = found.n_rows + found.n_rejects
    if found.n_rejects > max_rejected * n_lines:
        first = found.first_reject or {}
        raise UserError(
            f"{name}: {found.n_rejects} of {n_lines} lines could not be read, more than ingest.max_rejected = "
            f"{max_rejected}. Are separator, encoding, decimal and timestamp_format right in the shop file? "
            f"First: line {first['source_line']}, {first['reason']}."
        )
