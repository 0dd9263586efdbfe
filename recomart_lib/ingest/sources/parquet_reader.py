"""Read Parquet in batches of bounded size; columns keep their types. Line numbers are record numbers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import formats, headers, nested, parquet_limits, unpacked
from recomart_lib.ingest.sources.records import DEFAULTS, Records

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


ROWS = 100_000  # per batch
BUFFER_BYTES = 1_000_000  # read buffer per column
# the first and last day that Python knows, since 1970
FIRST_DAY, LAST_DAY = ((day - date(1970, 1, 1)).days for day in (date.min, date.max))
PER_DAY = {"days": 1, "ms": 86_400_000, "us": 86_400_000_000}


def header(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> list[str]:
    """The column names of a file, and the paths inside columns of objects."""
    with _opened(path, limits) as (file, _):
        return nested.names(_records(file.schema_arrow.empty_table(), 0))


def read(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> Iterator[Records]:
    """The records of a file; yields at least once, even for a file without records."""
    with _opened(path, limits) as (file, rows):
        n_before, n_unfolded, n_bytes = 0, 0, path.stat().st_size
        if not file.metadata.num_rows:
            yield _records(file.schema_arrow.empty_table(), n_before)
        for batch in file.iter_batches(rows):
            parquet_limits.check_values(path, batch, limits)
            n_unfolded += batch.nbytes
            parquet_limits.check_growth(path, n_bytes, n_unfolded)
            yield _records(batch, n_before)
            n_before += batch.num_rows


def _records(batch: pa.Table | pa.RecordBatch, n_before: int) -> Records:
    batch = _with_readable_uuids(batch.rename_columns(headers.unique(batch.schema.names)))
    cells = _with_possible_times(pl.from_arrow(batch))
    return Records(cells, pl.int_range(n_before + 1, n_before + cells.height + 1, eager=True), [])


def _with_readable_uuids(batch: pa.Table | pa.RecordBatch) -> pa.Table | pa.RecordBatch:
    """UUIDs as text: Polars reads them as their 16 bytes."""
    import pyarrow as pa

    for place, field in enumerate(batch.schema):
        if isinstance(field.type, pa.UuidType):
            texts = [None if value is None else str(value) for value in batch.column(place).to_pylist()]
            batch = batch.set_column(place, field.name, pa.array(texts, pa.string()))
    return batch


def _with_possible_times(cells: pl.DataFrame) -> pl.DataFrame:
    """Columns with a time beyond the years 1 to 9999 as text, where it is the number that the file contains.

    Neither Python nor Polars can show such a time, not even in a message.
    """
    return cells.with_columns(_possible(column) for column in cells if column.dtype in (pl.Date, pl.Datetime))


def _possible(times: pl.Series) -> pl.Series:
    unit, number = getattr(times.dtype, "time_unit", "days"), times.to_physical()
    if unit == "ns":  # 64 bits of nanoseconds cannot leave the years 1677 to 2262
        return times
    margin = getattr(times.dtype, "time_zone", None) not in (None, "UTC")  # a day, which a zone may move
    first, last = (FIRST_DAY + margin) * PER_DAY[unit], (LAST_DAY + 1 - margin) * PER_DAY[unit] - 1
    possible = number.is_between(first, last)
    if possible.all():  # or null
        return times
    frame = pl.DataFrame([times.alias("time"), number.alias("number"), possible.alias("possible")])
    text = pl.when("possible").then("time").dt.to_string("iso:strict")
    return frame.select(text.fill_null(pl.format(f"{{}} {unit} since 1970", "number"))).to_series().alias(times.name)


@contextmanager
def _opened(path: Path, limits: Ingest) -> Iterator[tuple[pq.ParquetFile, int]]:
    """The file, and how many of its rows to read at once."""
    import pyarrow as pa  # a quarter of a second: only where Parquet is read
    import pyarrow.parquet as pq

    try:
        with formats.open_data(path, limits.max_file_bytes) as stream, tempfile.TemporaryFile() as copied:
            formats.check_parquet(path, stream)
            source = stream
            if formats.is_packed(path):  # Parquet needs random access
                unpacked.copy(stream, copied, path)
                source = copied
            n_bytes = source.seek(0, os.SEEK_END)
            file = pq.ParquetFile(source, buffer_size=BUFFER_BYTES, pre_buffer=False)
            yield file, parquet_limits.batch_rows(path, file, source, n_bytes, ROWS, limits)
    except pa.ArrowException as problem:
        raise UserError(f"{path} could not be read as parquet: {problem}") from None
