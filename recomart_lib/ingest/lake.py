"""The lake: delivered data as immutable Parquet, with a manifest beside every file.

    data/raw/source=<shop>/type=<table>/date=<YYYY-MM-DD>/<content hash>.parquet (+ .json, + .rejects.parquet)

One delivered file becomes one Parquet file. Its partition is the day (in the shop's time zone) of most of its rows; for
tables without times it is the day of ingestion. The hash covers the file's name (its path in the source folder), its
bytes and its declaration in the shop file. The same content is recognised and skipped; a changed file is a new version:
readers see the newest version, and the old one stays. What is read is first compared with the hashes in the manifests.

A *repair* (see `is_repair`) is an ingested file too. Each of its rows replaces one row, or one unreadable line, of
another file, in the version that it was made for: readers see the repaired row in its place.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from recomart_lib import __version__
from recomart_lib.core import clock, files
from recomart_lib.core.errors import UserError
from recomart_lib.core.parquet import Writer
from recomart_lib.core.schemas import PROVENANCE, REJECTS, TABLES, as_declared, dtype_of
from recomart_lib.core.scratch import scratch_folder
from recomart_lib.ingest import lake_verification
from recomart_lib.ingest.lake_verification import Verified
from recomart_lib.ingest.lake_verification import verify as verify
from recomart_lib.ingest.manifests import (
    VERSION,
    Manifest,
    day_of,
    first_day,
    holds_from,
    is_repair,
    newest,
    sealed,
    version_of,
)
from recomart_lib.ingest.manifests import fingerprint as fingerprint
from recomart_lib.ingest.manifests import last_ingestion as last_ingestion
from recomart_lib.ingest.sources.records import Chunk

BATCH_ROWS = 250_000  # rows of a large table that a reader holds in memory
PLACE = list(PROVENANCE)  # identifies the delivered line of a row
DELIVERY = "delivery"  # the day from which a file holds; users and items of one day are one delivery
FILES = {
    "source_file": pl.String,
    VERSION: pl.String,
    "day": pl.Date,
    "daily": pl.Boolean,
    DELIVERY: pl.Date,
    "n_rows": pl.Int64,
    "n_rejected": pl.Int64,
}


@dataclass
class StagedFile:
    """A delivered file that was read but is not in the lake yet: its counts, and the folder with its Parquet files."""

    folder: Path
    time_zone: str
    n_rows: int = 0
    n_rejects: int = 0
    n_ambiguous: int = 0
    first_reject: dict[str, Any] | None = None
    columns: dict[str, str] = field(default_factory=dict)
    days: Counter[date] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None
    equal_by: list[str] = field(default_factory=list)
    hashes: list[pl.Series] = field(default_factory=list)

    def count(self, chunk: Chunk) -> None:
        """Add a chunk to the counts."""
        self.n_rows += chunk.rows.height
        self.n_rejects += chunk.rejects.height
        self.n_ambiguous += chunk.n_ambiguous
        if self.first_reject is None and chunk.rejects.height:
            self.first_reject = chunk.rejects.row(0, named=True)
        self.columns = {name: str(dtype) for name, dtype in chunk.rows.schema.items()}
        if self.equal_by:
            self.hashes.append(chunk.rows.select(pl.struct(self.equal_by).hash()).to_series())
        if "timestamp" in chunk.rows.columns:
            moments = chunk.rows.get_column("timestamp").drop_nulls()
            local = moments.dt.convert_time_zone(self.time_zone).dt.date()
            self.days.update(dict(local.value_counts().iter_rows()))
            limits = [moment for moment in (self.first, self.last, moments.min(), moments.max()) if moment]
            self.first, self.last = min(limits, default=None), max(limits, default=None)

    @property
    def n_equal(self) -> int | None:
        """Number of rows that equal an earlier row in the columns `equal_by`; None without such columns."""
        return self.n_rows - pl.concat(self.hashes).n_unique() if self.hashes else None

    def day(self, default: date) -> date:
        """The day of most rows (the first, if tied), so that late rows and impossible dates do not move a file."""
        return min(self.days, key=lambda day: (-self.days[day], day), default=default)


def content_hash(file: Path, name: str, declaration: str) -> str:
    """The identity of an ingested file: its name, the delivered bytes, and the declaration of how to read them."""
    digest = files.digest(file)
    digest.update(f"{name}\n{declaration}".encode())
    return digest.hexdigest()


@contextmanager
def staging(
    raw: Path, chunks: Iterable[Chunk], time_zone: str = "UTC", equal_by: list[str] | None = None
) -> Iterator[StagedFile]:
    """Read a file completely, beside the lake. Only `commit` ingests it; without `commit`, nothing is left of it.

    Rows that are equal in the columns `equal_by` are counted (8 bytes per row); None: equal rows are not counted.
    """
    with scratch_folder(raw.parent) as folder:
        staged = StagedFile(folder, time_zone, equal_by=equal_by or [])
        with _writer(staged.folder / "rows") as rows, _writer(staged.folder / "rejects") as rejects:
            for chunk in chunks:
                staged.count(chunk)
                rows.add(chunk.rows)
                if chunk.rejects.height:
                    rejects.add(chunk.rejects)
        yield staged


def _writer(path: Path) -> Writer:
    return Writer(path, durable=False)  # `commit` syncs what it moves


def commit(
    staged: StagedFile,
    raw: Path,
    shop: str,
    table: str,
    file: Path,
    name: str,
    sha256: str,
    previous: Manifest | None = None,
) -> Manifest:
    """Move a staged file into the lake, the manifest last: without a manifest, no reader sees the file.

    `previous` is the manifest of the newest version of this file (None: it is new). The versions of a file are ordered
    by their `sequence`, as clocks may go backwards. They share the day from which the file holds (`valid_from`): the
    day in its name, else the local day on which its first version was ingested.

    Returns
    -------
    dict
        The manifest: where the file came from, what it contained, and its `path` relative to `raw`.
    """
    now = clock.now()
    folder = raw / f"source={shop}" / f"type={table}" / f"date={staged.day(now.date())}"
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / sha256[:16]
    manifest = {
        "source": shop,
        "table": table,
        "file": name,
        "sequence": (previous or {}).get("sequence", 0) + 1,
        "valid_from": first_day(previous, name, now.astimezone(ZoneInfo(staged.time_zone)).date()).isoformat(),
        "sha256": sha256,
        "bytes": file.stat().st_size,
        "rows_delivered": staged.n_rows + staged.n_rejects,
        "rows_landed": staged.n_rows,
        "rows_rejected": staged.n_rejects,
        "rows_of_day": staged.days[staged.day(now.date())],
        "rows_equal": staged.n_equal,
        "times_ambiguous": staged.n_ambiguous,
        "columns": staged.columns,
        "first": staged.first.isoformat() if staged.first else None,
        "last": staged.last.isoformat() if staged.last else None,
        "landed_at": now.isoformat(),
        "recomart": __version__,
        "path": stem.with_suffix(".parquet").relative_to(raw).as_posix(),
        "parquet_sha256": files.sha256(staged.folder / "rows"),
        "rejects_sha256": files.sha256(staged.folder / "rejects") if staged.n_rejects else None,
    }
    manifest = sealed(manifest)
    manifest_file = staged.folder / "manifest"
    manifest_file.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    if staged.n_rejects:
        files.move(staged.folder / "rejects", stem.with_suffix(".rejects.parquet"))
    files.move(staged.folder / "rows", stem.with_suffix(".parquet"))
    files.move(manifest_file, stem.with_suffix(".json"))
    return manifest


@dataclass(frozen=True)
class LakeTable:
    """One table as readers see it: the newest version of every file, with repaired rows in their places.

    `declared` are the columns of the data contract, which files of earlier versions may lack. `files` has one row per
    file: source_file, source_version, day (of its partition), daily (at least half of its rows are of that day),
    delivery (the day from which the file holds), n_rows, n_rejected; `paths` and `columns` (name -> type) have one
    entry per file, too. `repairs` are rows of the table; `repaired_rejects` counts the repairs of unreadable lines.
    `unreadable` are the lines without a repair (see `schemas.REJECTS`). `verified` counts the files that were compared
    with their hashes.
    """

    declared: dict[str, pl.DataType]
    files: pl.DataFrame
    paths: list[Path]
    columns: list[dict[str, str]]
    repairs: pl.DataFrame
    repaired_rejects: int
    unreadable: pl.DataFrame
    verified: Verified

    @property
    def height(self) -> int:
        """Number of rows, including repaired lines."""
        return self.files.get_column("n_rows").sum() + self.repaired_rejects

    @property
    def n_rejected(self) -> int:
        """Number of lines that could not be read, without the repaired ones."""
        return self.files.get_column("n_rejected").sum() - self.repaired_rejects

    def batches(self, columns: list[str] | None = None, size: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """All rows by file name and line (repairs last), in batches of at most `size` rows; at least one batch.

        All batches have the same columns: the declared ones and those of any file (only those in `columns`, if given),
        and `PLACE`.
        """
        repaired = self.repairs.lazy().select(PLACE)
        all_columns = dict.fromkeys([*self.declared, *(name for names in self.columns for name in names)])
        names = [name for name in all_columns if columns is None or name in {*columns, *PLACE}]
        for paths, n_rows in self._groups(size):
            rows = _select_or_null(pl.scan_parquet(paths, hive_partitioning=False, glob=False), names)
            for start in range(0, max(n_rows, 1), size):
                yield rows.slice(start, size).join(repaired, on=PLACE, how="anti", maintain_order="left").collect()
        if self.repairs.height:
            yield _select_or_null(self.repairs.lazy(), names).collect()

    def read(self) -> pl.DataFrame:
        """All rows in memory."""
        return pl.concat(self.batches())

    def _groups(self, size: int) -> Iterator[tuple[list[Path], int]]:
        """(files, rows) of groups with equal columns and types, and at most `size` rows together, or of one file."""
        group: list[Path] = []
        n_rows, columns = 0, self.columns[0]
        for path, n, names in zip(self.paths, self.files.get_column("n_rows"), self.columns, strict=True):
            if group and (n_rows + n > size or names != columns):
                yield group, n_rows
                group, n_rows = [], 0
            group, n_rows, columns = [*group, path], n_rows + n, names
        yield group, n_rows


def _select_or_null(rows: pl.LazyFrame, names: list[str]) -> pl.LazyFrame:
    """These columns in today's types, null where a file lacks one: files may differ in those of derived tables."""
    existing = rows.collect_schema().names()
    nulls = [pl.lit(None, dtype_of(name)).alias(name) for name in names if name not in existing]
    return as_declared(rows.with_columns(nulls).select(names))


def table(raw: Path, shop: str, table: str) -> LakeTable:
    """One table as readers see it.

    Raises
    ------
    UserError
        If nothing was ingested, or an ingested file is missing or was changed.
    """
    manifests_by_name = newest(raw, shop, table)
    if not manifests_by_name:
        raise UserError(f"{raw}: nothing was ingested for {shop}/{table}. Run stage 01_ingest first.")
    verified = lake_verification.check(raw, manifests_by_name.values())
    files = {name: manifest for name, manifest in manifests_by_name.items() if not is_repair(manifest)}
    repairs = _repairs(raw, [manifest for manifest in manifests_by_name.values() if is_repair(manifest)], files)
    unreadable = _all_rejects(raw, files)
    unrepaired = unreadable.join(repairs, on=PLACE, how="anti", maintain_order="left")
    return LakeTable(
        declared=TABLES[table],
        files=pl.DataFrame([_file_row(manifest) for manifest in files.values()], schema=FILES, orient="row"),
        paths=[raw / manifest["path"] for manifest in files.values()],
        columns=[manifest["columns"] for manifest in files.values()],
        repairs=repairs,
        repaired_rejects=unreadable.height - unrepaired.height,
        unreadable=unrepaired,
        verified=verified,
    )


def _file_row(manifest: Manifest) -> tuple[object, ...]:
    counts = manifest["rows_landed"], manifest["rows_rejected"]
    daily = 2 * manifest.get("rows_of_day", 0) >= manifest["rows_landed"]
    return manifest["file"], version_of(manifest), day_of(manifest), daily, holds_from(manifest), *counts


def read(raw: Path, shop: str, name: str) -> pl.DataFrame:
    """All rows of a table in memory; see `table` for tables that may not fit."""
    return table(raw, shop, name).read()


def _all_rejects(raw: Path, files: dict[str, Manifest]) -> pl.DataFrame:
    stems = [raw / manifest["path"] for manifest in files.values() if manifest["rows_rejected"]]
    parts = [
        pl.read_parquet(path.with_suffix(".rejects.parquet"), hive_partitioning=False, glob=False) for path in stems
    ]
    return pl.concat([pl.DataFrame(schema=REJECTS), *parts])


def _repairs(raw: Path, manifests: list[Manifest], files: dict[str, Manifest]) -> pl.DataFrame:
    """The repaired rows, without `VERSION`; of several repairs of one line, the last. `manifests` are oldest first.

    A repair belongs to one version of a file: it is no longer used once the shop has delivered another version.
    """
    if not manifests:
        return pl.DataFrame(schema=PROVENANCE)
    current = pl.DataFrame({"source_file": list(files), VERSION: list(map(version_of, files.values()))})
    files_of_rows = [
        as_declared(pl.read_parquet(raw / m["path"], hive_partitioning=False, glob=False)) for m in manifests
    ]
    rows = pl.concat(files_of_rows, how="diagonal")
    rows = rows.join(current, on=["source_file", VERSION], how="semi", maintain_order="left")
    return rows.unique(PLACE, keep="last", maintain_order=True).sort(PLACE).drop(VERSION)
