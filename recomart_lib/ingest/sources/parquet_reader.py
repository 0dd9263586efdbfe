"""Read Parquet in batches of bounded size; columns keep their types. Line numbers are record numbers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources.records import Records, open_bytes

if TYPE_CHECKING:
    import pyarrow.parquet as pq


ROWS = 100_000  # per batch
BUFFER_BYTES = 1_000_000  # read buffer per column


def header(path: Path, spec: Table) -> list[str]:
    """The column names of a file."""
    with _opened(path) as file:
        return file.schema_arrow.names


def read(path: Path, spec: Table) -> Iterator[Records]:
    """The records of a file; yields at least once, even for a file without records."""
    with _opened(path) as file:
        n_before = 0
        if not file.metadata.num_rows:
            yield _records(pl.from_arrow(file.schema_arrow.empty_table()), n_before)
        for batch in file.iter_batches(ROWS):
            yield _records(pl.from_arrow(batch), n_before)
            n_before += batch.num_rows


def _records(cells: pl.DataFrame, n_before: int) -> Records:
    return Records(cells, pl.int_range(n_before + 1, n_before + cells.height + 1, eager=True), [])


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    import pyarrow as pa  # a quarter of a second: only where Parquet is read
    import pyarrow.parquet as pq

    try:
        with open_bytes(path) as packed, tempfile.TemporaryFile() as unpacked:
            if path.suffix == ".gz":
                # Parquet needs random access
                shutil.copyfileobj(packed, unpacked)
            file = unpacked if path.suffix == ".gz" else packed
            yield pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False)
    except pa.ArrowException as problem:
        raise UserError(f"{path} could not be read as parquet: {problem}") from None
