"""Read one table of a shop as 01_ingest does, but into a sample in memory instead of the lake."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import polars as pl
from tqdm.auto import tqdm

from recomart.dry_run.sampler import Sampler
from recomart_lib.core import clock, source_files
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import PROVENANCE, REJECTS, TABLES, TIMESTAMP
from recomart_lib.core.shops import Shop
from recomart_lib.ingest import ingestion, manifests
from recomart_lib.ingest.lake import BATCH_ROWS, FILES, PLACE, LakeTable, StagedFile
from recomart_lib.ingest.lake_verification import Verified
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import formats, joins, reader
from recomart_lib.validate.exclusions import exclusion

KEPT_REJECTS = 10_000  # unreadable lines of a table, for the advice
TOGETHER = 50_000  # rows of small files that are sampled in one step, which is faster
MEASURED_BYTES = 1_000_000  # of a file, from which the length of its lines is estimated
ITEM_TIMES = {"item_id": pl.String, "first": TIMESTAMP}


class Problem(NamedTuple):
    """What 01_ingest would stop at: a table that cannot be read, or one of its files."""

    table: str
    message: str


@dataclass
class Reading:
    """What was read of a table. Bytes are those of files on the disk; `seconds` is the time that reading took.

    `n_rows` lines could be read, `n_rejects` could not; `rejects` are the first of the latter. `share` of the keys are
    in the sample. `is_complete`: all files were read to their ends. `item_times` (of events): when each product was
    seen first.
    """

    n_files: int = 0
    n_bytes: int = 0
    n_bytes_read: float = 0.0
    n_rows: int = 0
    n_rejects: int = 0
    seconds: float = 0.0
    share: float = 1.0
    is_complete: bool = True
    rejects: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECTS))
    item_times: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ITEM_TIMES))

    @property
    def delivered(self) -> int:
        """The lines that were read."""
        return self.n_rows + self.n_rejects

    @property
    def estimated(self) -> int:
        """The lines of all files: those that were read, and as many per byte in the others."""
        return self.delivered if self.is_complete else round(self.delivered * self.n_bytes / self.n_bytes_read)


@dataclass(frozen=True)
class SampleTable(LakeTable):
    """A sample of a table as readers of the lake see it; `files` has the numbers of rows in the sample."""

    rows: pl.DataFrame = field(default_factory=pl.DataFrame)

    def batches(self, columns: list[str] | None = None, size: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
        """See `LakeTable.batches`."""
        names = [name for name in self.rows.columns if columns is None or name in {*columns, *PLACE}]
        for start in range(0, max(self.rows.height, 1), size):
            yield self.rows.select(names).slice(start, size)


class TableReader:
    """Reads the files of one table once; `problems` are those of single files, and `reading` what was read."""

    def __init__(self, shop: Shop, table: str, source: Path, settings: Ingest, sampler: Sampler) -> None:
        self.reading, self.problems = Reading(), []
        self._shop, self._table, self._source, self._settings = shop, table, source, settings
        self._sampler = sampler
        self._staged: dict[str, StagedFile] = {}
        self._waiting: list[pl.DataFrame] = []
        self._n_rows, self._others = 0, joins.NONE

    def read(self, max_rows: int) -> SampleTable:
        """The sample of the table; reading ends after `max_rows` rows, of files from all parts of the list.

        Raises
        ------
        UserError
            If there are no files, or none of them can be read.
        """
        paths = source_files.files(self._shop, self._table, self._source, self._settings.follow_links)
        self.reading.n_files, self.reading.n_bytes = len(paths), sum(path.stat().st_size for path in paths)
        began = time.perf_counter()
        self._others = reader.joined(self._shop, self._table, self._source, self._settings)
        progress = tqdm(desc=f"reading {self._table}", unit=" rows", unit_scale=True, delay=1, disable=None)
        with progress:
            for path in spread(paths):
                if self._n_rows >= max_rows:
                    self.reading.is_complete = False
                    break
                self._read_file(path, max_rows, progress)
        self.reading.seconds = time.perf_counter() - began
        if len(self.problems) == len(paths) and not self._n_rows:
            raise UserError(self.problems.pop().message)
        return self._finished()

    def _read_file(self, path: Path, max_rows: int, progress: tqdm) -> None:
        """Read one file to its end, or until enough rows were read."""
        name, settings = path.relative_to(self._source).as_posix(), self._settings
        staged = self._staged[name] = StagedFile(path.parent, self._shop.time_zone)
        n_bytes = path.stat().st_size
        try:
            for chunk in reader.chunks(path, self._shop, self._table, name, settings, self._others):
                staged.count(chunk)
                self._add(chunk.rows, chunk.rejects)
                progress.update(chunk.rows.height)
                if self._n_rows >= max_rows:
                    n_bytes = min(n_bytes, bytes_of(path, self._shop.table(self._table).kind, staged, settings))
                    self.reading.is_complete = False
                    break
            ingestion.check_rejected_share(name, staged, settings.max_rejected)
        except UserError as problem:
            self.problems.append(Problem(self._table, str(problem)))
        self.reading.n_bytes_read += n_bytes

    def _add(self, rows: pl.DataFrame, rejects: pl.DataFrame) -> None:
        self._n_rows += rows.height
        self._waiting.append(rows)
        if rejects.height and self.reading.rejects.height < KEPT_REJECTS:
            self.reading.rejects = self.reading.rejects.vstack(rejects.cast(REJECTS))
        if sum(part.height for part in self._waiting) >= TOGETHER:
            self._sample()

    def _sample(self) -> None:
        """Pass the rows that wait on to the sample."""
        if not self._waiting:
            return
        rows = pl.concat(self._waiting, how="diagonal")
        self._waiting = []
        self._sampler.add(rows)
        if self._table == "events":
            used = rows.filter(exclusion(self._shop, "events").is_null(), pl.col("user_id").is_not_null())
            times = used.group_by("item_id").agg(first=pl.col("timestamp").min())
            self.reading.item_times = first_times([self.reading.item_times, times])

    def _finished(self) -> SampleTable:
        self._sample()
        reading, rows = self.reading, self._sampler.rows()
        reading.share = self._sampler.share
        reading.n_rows = sum(staged.n_rows for staged in self._staged.values())
        reading.n_rejects = sum(staged.n_rejects for staged in self._staged.values())
        columns = [*TABLES[self._table], *(name for name in rows.columns if name not in TABLES[self._table])]
        rows = rows.select(columns).sort("source_file", maintain_order=True).rechunk()
        files = self._files(rows)
        return SampleTable(
            declared=TABLES[self._table],
            files=files,
            paths=[],
            columns=[],
            repairs=pl.DataFrame(schema=PROVENANCE),
            repaired_rejects=0,
            unreadable=reading.rejects,
            verified=Verified(),
            rows=rows,
        )

    def _files(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row per file as in the lake, but with the numbers of rows in the sample, and its share of the rejects."""
        n_rows = dict(rows.group_by("source_file").len().iter_rows())
        share = rows.height / self.reading.n_rows if self.reading.n_rows else 1.0
        today, n_before, records = clock.now().date(), 0, []
        for name, staged in sorted(self._staged.items()):
            n_rejects = round((n_before + staged.n_rejects) * share) - round(n_before * share)
            n_before += staged.n_rejects
            day = staged.day(today)
            daily, delivery = 2 * staged.days[day] >= staged.n_rows, manifests.first_day(None, name, today)
            records.append((name, "", day, daily, delivery, n_rows.get(name, 0), n_rejects))
        return pl.DataFrame(records, schema=FILES, orient="row")


def spread(paths: list[Path]) -> Iterator[Path]:
    """Every path once, so that the first few are from all parts of the list: the first, the middle, the quarters."""
    n_bits = max(len(paths) - 1, 0).bit_length()
    places = (int(f"{place:0{n_bits}b}"[::-1], 2) for place in range(2**n_bits)) if n_bits else iter([0])
    return (paths[place] for place in places if place < len(paths))


def first_times(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """One row per product: item_id, first (the time of its first event in any part)."""
    return pl.concat(parts).group_by("item_id").agg(pl.col("first").min()).drop_nulls("item_id")


def bytes_of(path: Path, kind: str, staged: StagedFile, limits: Ingest) -> float:
    """About how many bytes of a file the lines take that were read of it; all, if its lines cannot be measured."""
    n_lines, size = staged.n_rows + staged.n_rejects, path.stat().st_size
    if formats.is_packed(path) or kind not in ("csv", "jsonl", "parquet"):
        return size
    if kind == "parquet":
        return size * n_lines / pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
    with formats.open_data(path, limits.max_file_bytes) as stream:
        part = stream.read(MEASURED_BYTES)
    return n_lines * len(part) / max(part.count(b"\n"), 1)
