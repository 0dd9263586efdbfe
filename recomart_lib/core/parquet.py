"""Tables that do not fit in memory: one Parquet file written piece by piece, and rows scattered over bucket files."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


ABANDONED = 24 * 3600  # seconds after which an unfinished file is taken for a dead process's


@contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """A place for unfinished files, in `folder`/.scratch and so on its disk; nothing of it is left in the end.

    What killed processes left there is swept away when a day has passed: others may be at work.
    """
    room = folder / ".scratch"
    room.mkdir(parents=True, exist_ok=True)
    for left in room.iterdir():
        with suppress(FileNotFoundError):  # its owner has just finished
            if time.time() - left.stat().st_mtime > ABANDONED:
                shutil.rmtree(left)
    with tempfile.TemporaryDirectory(dir=room) as place:
        yield Path(place)


class Writer:
    """One Parquet file of many pieces, which all have the first one's columns; used with `with`."""

    def __init__(self, path: Path) -> None:
        self.path, self.n_rows = path, 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, rows: pl.DataFrame) -> None:
        """Append rows; an empty first piece still makes a file with its columns."""
        import pyarrow.parquet as pq  # a quarter of a second: only where something is written

        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._writer is None:
            self._writer = pq.ParquetWriter(self.path, table.schema, compression="zstd")
        if rows.height or not self.n_rows:
            self._writer.write_table(table)
        self.n_rows += rows.height

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()


class Buckets:
    """Rows scattered over files, so that rows which must be seen together are: one bucket at a time is in memory.

    Used with `with`: rows, all of the same columns, can be scattered until its end, and read after it. A bucket is one
    file of Arrow batches: to append the thousandth costs as much as to append the first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, ExitStack()
        self._writers: dict[int, pa.RecordBatchStreamWriter] = {}
        folder.mkdir()

    def scatter(self, rows: pl.DataFrame, bucket: pl.Expr | pl.Series) -> None:
        """Put each row into the bucket of its number; within a bucket, rows stay in the order in which they came.

        No rows at all make an empty bucket 0: what reads it finds the columns.
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
        """The buckets that hold rows, in the order of their numbers."""
        yield from map(pl.read_ipc_stream, sorted(self._folder.iterdir()))
