"""Ingest what a shop delivers: every file once, every line accounted for."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import NamedTuple

import polars as pl
from tqdm.auto import tqdm

from recomart_lib.core import source_files
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import PROVENANCE, REJECTS, TABLES, as_declared
from recomart_lib.core.shops import Shop
from recomart_lib.ingest import inventory, lake, lake_verification, manifests, replay, superseded
from recomart_lib.ingest.manifests import Manifest
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import reader, rest_api
from recomart_lib.ingest.sources.joins import Joins
from recomart_lib.ingest.sources.records import Chunk

log = logging.getLogger(__name__)

STREAM = "stream/"  # prefix of the file names of streamed events in the lake
YEARS_SHOWN = 50
WAITING = 2  # files per core on their way to the disk: it makes several durable in the time of one
DEFAULTS = Ingest()  # the strictest: no link that leads out of the source folder, no foreign variable
COUNTS = ("rows_delivered", "rows_ingested", "rows_rejected", "times_ambiguous")
NOT_READING = {"exclude", "groups", "equal_lines", "complete"}  # keys of a table that only later stages use
FETCHED = {
    "table": pl.String,
    "url": pl.String,
    "records": pl.Int64,
    "pages": pl.Int64,
    "requests": pl.Int64,
    "retries": pl.Int64,
    "waited_s": pl.Float64,
    "seconds": pl.Float64,
    "end": pl.String,
}


def check(shop: Shop, source: Path, settings: Ingest = DEFAULTS) -> None:
    """Check what can be checked before reading: the files exist and their headers contain the mapped columns.

    For tables behind an API, this only checks that the API's secret is set, and that the shop file may name it.

    Raises
    ------
    UserError
        Names the file, the key and what was expected.
    """
    rest_api.check(shop, settings)
    for table in shop.delivered:
        if shop.table(table).kind == "rest":
            continue
        for file in source_files.files(shop, table, source, settings.follow_links):
            if names := reader.header(file, shop.table(table), settings):
                reader.check_columns(file, shop, table, names, settings)
        reader.check_joins(shop, table, source, settings)


def fetch(shop: Shop, source: Path, settings: Ingest) -> pl.DataFrame:
    """Fetch the shop's tables of kind `rest` from its API, each into one file of the source folder.

    Returns
    -------
    DataFrame
        One row per table of kind `rest`: table, url, records, pages, requests, retries, waited_s, seconds, end
        (how the last page was recognised).
    """
    tables = [table for table in shop.delivered if shop.table(table).kind == "rest"]
    results = [rest_api.download(shop, table, source, settings) for table in tables]
    return pl.DataFrame([asdict(result) for result in results], schema=FETCHED)


def ingest(
    shop: Shop,
    source: Path,
    raw: Path,
    settings: Ingest,
    replay_folder: Path | None = None,
    streamed: dict[date, Path] | None = None,
) -> pl.DataFrame:
    """Ingest all new or changed files of a shop, and the files that `recomart quarantine replay` left for it.

    Each day of streamed events (`commit_log.day_files`) becomes one file, stream/events-<day>.parquet. When the day
    has grown, it becomes a new version of this file, and the earlier one is deleted.

    Returns
    -------
    DataFrame
        One row per delivered file: table, file, day (of its partition), rows_delivered, rows_ingested, rows_rejected,
        times_ambiguous, rows_equal (rows without an id that equal an earlier row of the file; null: they have ids, or
        were not counted), bytes, first, last, valid_from (the day from which it holds), state
        (new: ingested for the first time; new version: the file has changed; restored: the file has not changed, but
        what the lake had of it was damaged; unchanged: nothing to do).

    Raises
    ------
    UserError
        If a file has too many unreadable lines, or the lake has lost a file that is not delivered any more.
    """
    results: list[Manifest] = []
    delivered_names: set[str] = set()
    n_cores = os.cpu_count() or 1
    cores = BoundedSemaphore(n_cores)
    for table in shop.delivered:
        delivered = source_files.files(shop, table, source, settings.follow_links)
        others = reader.joined(shop, table, source, settings)
        read = partial(reader.chunks, limits=settings, others=others)
        jobs = [_Job(file, _name(file, source), read, True) for file in delivered]
        delivered_names.update(job.name for job in jobs)
        jobs += _own_jobs(shop, table, replay_folder, streamed or {})
        ingest_job = partial(
            _ingest_file,
            cores=cores,
            versions=manifests.newest(raw, shop.name, table),
            shop=shop,
            table=table,
            declaration=_declaration(shop, table, others),
            raw=raw,
            max_rejected=settings.max_rejected,
        )
        with ThreadPoolExecutor(WAITING * n_cores) as threads:
            progress = tqdm(
                threads.map(ingest_job, jobs), desc=f"ingesting {table}", total=len(jobs), unit="file", disable=None
            )
            table_results = list(progress)
        _log_counts(table, table_results)
        results += table_results
    inventory.check(raw, shop.name, shop.delivered)
    # only what the zone has: a shop may deliver a folder `stream` of its own
    streamed_names = {_name_of_day(day) for day in streamed or {}} - delivered_names
    superseded.prune(raw, shop.name, "events", streamed_names)
    day = pl.col("path").str.extract(r"date=(\d{4}-\d{2}-\d{2})").str.to_date().alias("day")
    holds_from = [manifests.holds_from(result) for result in results]
    columns = ["table", "file", "day", *COUNTS, "rows_equal", "bytes", "first", "last", "valid_from", "state"]
    files = pl.DataFrame(results, infer_schema_length=None).rename({"rows_landed": "rows_ingested"})
    rows_equal = pl.col("rows_equal").cast(pl.Int64)
    return files.with_columns(day, rows_equal, valid_from=pl.Series(holds_from)).select(columns)


def _log_counts(table: str, results: list[Manifest]) -> None:
    new = [result for result in results if result["state"] != "unchanged"]
    ingested, rejected = (sum(result[name] for result in new) for name in ("rows_landed", "rows_rejected"))
    log.info(
        "%s: %d of %d files are new; %d rows ingested, %d rejected", table, len(new), len(results), ingested, rejected
    )


def summary(files: pl.DataFrame) -> pl.DataFrame:
    """One row per table: files; rows delivered, ingested, rejected; ambiguous times; megabytes; first and last day."""
    return files.group_by("table", maintain_order=True).agg(
        pl.len().alias("files"),
        *(pl.col(name).sum().alias(name.removeprefix("rows_").removeprefix("times_")) for name in COUNTS),
        (pl.col("bytes").sum() / 1e6).alias("megabytes"),
        pl.col("day").min().alias("first_day"),
        pl.col("day").max().alias("last_day"),
    )


def per_day(files: pl.DataFrame) -> pl.DataFrame:
    """One row per calendar day between the first and last delivery of events: day, n (rows ingested, 0 if none).

    Days that are `far_days` are left out.
    """
    days = _day_counts(files).join(far_days(files), on="day", how="anti").sort("day")
    return days.upsample("day", every="1d").with_columns(pl.col("n").fill_null(0)) if days.height else days


def far_days(files: pl.DataFrame) -> pl.DataFrame:
    """Days of events more than `YEARS_SHOWN` years from the middle row's: day, n. A calendar has no place for them."""
    days = _day_counts(files)
    middle = days.filter(2 * pl.col("n").cum_sum() >= pl.col("n").sum())["day"][:1].item() if days["n"].sum() else None
    return days.filter((pl.col("day") - pl.lit(middle, pl.Date)).dt.total_days().abs() > YEARS_SHOWN * 365.25)


def _day_counts(files: pl.DataFrame) -> pl.DataFrame:
    # a file without events is filed under the day of its ingestion
    events = files.filter((pl.col("table") == "events") & (pl.col("rows_ingested") > 0))
    return events.group_by("day").agg(n=pl.col("rows_ingested").sum()).sort("day")


def no_longer_delivered(shop: Shop, source: Path, raw: Path, settings: Ingest = DEFAULTS) -> list[str]:
    """Ingested files (`<table>/<file>`) that the source folder no longer contains, but the lake does."""
    missing = []
    for table in shop.delivered:
        delivered = {_name(file, source) for file in source_files.files(shop, table, source, settings.follow_links)}
        missing += [
            f"{table}/{name}"
            for name, manifest in manifests.newest(raw, shop.name, table).items()
            if name not in delivered and not manifests.is_repair(manifest) and not name.startswith(STREAM)
        ]
    return missing


class _Job(NamedTuple):
    """One file to ingest: its path, its name in the lake, the function that reads it, and whether it was delivered."""

    file: Path
    name: str
    read: Callable[..., Iterator[Chunk]]
    is_delivered: bool = False


def _own_jobs(shop: Shop, table: str, replay_folder: Path | None, streamed: dict[date, Path]) -> list[_Job]:
    """The files that RecoMart itself has written: repaired rows, and days of streamed events."""
    jobs = [_Job(file, f"replay/{file.name}", replay.chunks) for file in replay.pending(replay_folder, shop, table)]
    if table == "events":
        jobs += [_Job(file, _name_of_day(day), _stream_chunks) for day, file in streamed.items()]
    return jobs


def _name_of_day(day: date) -> str:
    """The name of a day of streamed events in the lake."""
    return f"{STREAM}events-{day}.parquet"


def _stream_chunks(file: Path, shop: Shop, table: str, name: str) -> Iterator[Chunk]:
    """A day of streamed events in chunks; the consumer has already read and typed them."""
    rows = as_declared(pl.scan_parquet(file, hive_partitioning=False, glob=False).select(list(TABLES[table])))
    for start in range(0, max(1, rows.select(pl.len()).collect().item()), lake.BATCH_ROWS):
        batch = rows.slice(start, lake.BATCH_ROWS).collect().with_row_index("source_line", start + 1)
        provenance = pl.lit(name).alias("source_file"), pl.col("source_line").cast(pl.Int64)
        yield Chunk(batch.with_columns(provenance).select(*TABLES[table], *PROVENANCE), pl.DataFrame(schema=REJECTS))


def _name(file: Path, source: Path) -> str:
    """The name of a file in the lake: its path in the source folder, as two folders may each hold a part-0.parquet."""
    return file.relative_to(source).as_posix()


def _ingest_file(
    job: _Job,
    cores: BoundedSemaphore,
    versions: dict[str, Manifest],
    shop: Shop,
    table: str,
    declaration: str,
    raw: Path,
    max_rejected: float,
) -> Manifest:
    """The manifest of an ingested file, with its `state`; a file whose newest version is the same is not read.

    If that version is damaged in the lake, the file is ingested again in its place. As many files as there are `cores`
    are read at a time, which bounds memory; those that wait for the disk do not count.
    """
    with ExitStack() as stack:
        with cores:
            sha256 = lake.content_hash(job.file, job.name, declaration)
            previous = versions.get(job.name)
            state = "new version" if previous else "new"
            if previous and previous["sha256"] == sha256:
                if not (problem := lake_verification.problem(raw, previous)):
                    return {"times_ambiguous": 0, "rows_equal": None, **previous, "state": "unchanged"}
                log.warning("%s is ingested again: in the lake, %s", job.name, problem)
                state = "restored"
            chunks = job.read(job.file, shop, table, job.name)
            staging = lake.staging(raw, chunks, shop.time_zone, _equal_by(job, shop, table))
            staged = stack.enter_context(staging)
            check_rejected_share(job.name, staged, max_rejected)
        manifest = lake.commit(staged, raw, shop.name, table, job.file, job.name, sha256, previous)
    log.debug("%s: %s rows ingested, %s rejected", job.name, manifest["rows_landed"], manifest["rows_rejected"])
    return {**manifest, "state": state}


def _equal_by(job: _Job, shop: Shop, table: str) -> list[str] | None:
    """The columns by which a delivered file's events without an id are compared; None: the rows have ids."""
    has_ids = table != "events" or "event_id" in shop.table(table).columns or not job.is_delivered
    return None if has_ids else [name for name in TABLES[table] if name != "event_id"]


def _declaration(shop: Shop, table: str, others: Joins) -> str:
    """Everything that decides how this table is read, besides its files; keys with default values do not count."""
    spec = reader.reading(shop, table).model_dump_json(exclude=NOT_READING, exclude_defaults=True)
    declaration = f"{shop.time_zone} {spec} {reader.mapped_columns(shop, table)}"
    return " ".join([declaration, *map(str, filter(None, (reader.line_totals(shop, table), others.fingerprint)))])


def check_rejected_share(name: str, staged: lake.StagedFile, max_rejected: float) -> None:
    """Raise a `UserError` if more of a file's lines than this share could not be read."""
    n_lines = staged.n_rows + staged.n_rejects
    if staged.n_rejects > max_rejected * n_lines:
        first = staged.first_reject or {}
        raise UserError(
            f"{name}: {staged.n_rejects} of {n_lines} lines could not be read, more than ingest.max_rejected = "
            f"{max_rejected}. Are separator, encoding, decimal and timestamp_format right in the shop file? "
            f"First: line {first['source_line']}, {first['reason']}."
        )
