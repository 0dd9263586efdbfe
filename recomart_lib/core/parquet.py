"""Tables that do not fit in memory: a Parquet file written in chunks, and rows partitioned into bucket files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import polars as pl

from recomart_lib.core import files

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


def write(table: pl.DataFrame, path: Path) -> None:
    """Write a Parquet file, completely or not at all."""
    with files.complete(path) as unfinished:
        table.write_parquet(unfinished)


class Writer:
    """Writes one Parquet file in chunks, which all have the columns of the first; a context manager.

    The file is there at the end of `with`, complete; an error leaves none.

    Parameters
    ----------
    repetitive
        The columns of few distinct values, which are stored as a dictionary (None: all). For many distinct numbers, a
        dictionary takes time and space.
    durable
        False for a file in a scratch folder, which `files.move` makes durable (see `files.complete`).
    """

    def __init__(self, path: Path, repetitive: Sequence[str] | None = None, durable: bool = True) -> None:
        self.path, self.n_rows, self._durable = path, 0, durable
        self._dictionaries = True if repetitive is None else list(repetitive)
        self._stack = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows; an empty first chunk still creates a file with its columns."""
        import pyarrow.parquet as pq  # takes 0.25 s to import: only where something is written

        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            unfinished = self._stack.enter_context(files.complete(self.path, self._durable))
            writer = pq.ParquetWriter(unfinished, table.schema, compression="zstd", use_dictionary=self._dictionaries)
            self._writer = self._stack.enter_context(writer)
        if rows.height or not self.n_rows:
            self._writer.write_table(table)
        self.n_rows += rows.height

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)


class Buckets:
    """Partition rows into files, so that rows that belong together are processed together, one bucket in memory.

    A context manager: add rows, all with the same columns, inside `with`; read the buckets after it. A bucket is one
    file of Arrow batches, so that appending a batch has a constant cost.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, ExitStack()
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        folder.mkdir()

    def scatter(self, rows: pl.DataFrame, bucket: pl.Expr | pl.Series) -> None:
        """Add each row to the bucket of its number; a bucket keeps the order of its rows.

        No rows at all create an empty bucket 0 with the columns.
        """
        numbered = rows.with_columns(bucket.cast(pl.Int64).alias("bucket"))
        parts = numbered.partition_by("bucket", as_dict=True, include_key=False) or {(0,): rows}
        for (number,), part in parts.items():
            self._append(number, part.to_arrow(compat_level=pl.CompatLevel.oldest()))

    def _append(self, number: int, table: pa.Table) -> None:
        import pyarrow as pa

        if number not in self._writers:
            file = self._files.enter_context((self._folder / f"{number:06d}").open("wb"))
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writers[number] = self._files.enter_context(pa.ipc.new_stream(file, table.schema, options=options))
        self._writers[number].write_table(table)

    def __enter__(self) -> Buckets:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._files.close()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """The existing buckets in the order of their numbers."""
        yield from map(pl.read_ipc_stream, sorted(self._folder.iterdir()))
