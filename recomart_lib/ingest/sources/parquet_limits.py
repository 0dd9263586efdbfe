"""What a Parquet file may unfold to: its encodings repeat a value, or nothing at all, any number of times for free.

The limits are checked in the file's metadata, and in its dictionaries, which hold the values that are repeated. A file
whose metadata lie can still take some gigabytes, the size of one page.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources.records import check_width
from recomart_lib.ingest.sources.unpacked import LARGE, MAX_RATIO

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_VALUES = 100_000_000  # of lists in one row group
MAX_UNFOLDED = 2_000_000_000  # what unfolds to more bytes, and more than MAX_RATIO times its size, is no feed
BATCH_BYTES = 250_000_000  # of one column in a batch
ADVICE = "If this is right, deliver it as CSV or JSON Lines"


def batch_rows(path: Path, file: pq.ParquetFile, source: Any, n_bytes: int, rows: int, limits: Ingest) -> int:
    """How many rows to read at once, `rows` at most: fewer if their values may be long.

    Parameters
    ----------
    source
        The opened file again, to read its dictionaries.
    n_bytes
        The size of the file.

    Raises
    ------
    UserError
        If the file unfolds to what no feed holds; names the column.
    """
    metadata = file.metadata
    check_width(path, metadata.num_columns, limits)
    if metadata.num_rows > max(LARGE, MAX_RATIO * n_bytes):
        raise UserError(f"{path} has {n_bytes:,} bytes, but declares {metadata.num_rows:,} rows. {ADVICE}.")
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    for group in groups:
        for number in range(metadata.num_columns):
            _check_column(path, group.column(number), metadata.schema.column(number))
    longest = max(_longest(path, metadata.schema, limits), *_longest_repeated(path, file, source, limits), 1)
    widest = max((_mean_bytes(group, number) for group in groups for number in range(metadata.num_columns)), default=0)
    return int(max(1, min(rows, BATCH_BYTES // max(longest, widest, 1))))


def check_growth(path: Path, n_bytes: int, n_unfolded: int) -> None:
    """Raise a `UserError` if the rows that were read so far have far more bytes than their file, `n_bytes`."""
    if n_unfolded > max(MAX_UNFOLDED, MAX_RATIO * n_bytes):
        raise UserError(f"{path} grows from {n_bytes:,} to more than {n_unfolded:,} bytes. {ADVICE}.")


def _check_column(path: Path, column: Any, schema: Any) -> None:
    """Raise a `UserError` if a column of a row group grows as none does, or holds lists without end."""
    packed, unpacked = column.total_compressed_size, column.total_uncompressed_size
    if unpacked > max(LARGE, MAX_RATIO * packed):
        raise UserError(
            f"{path}: column '{schema.path}' grows from {packed:,} to {unpacked:,} bytes in one row group. {ADVICE}."
        )
    if schema.max_repetition_level and column.num_values > MAX_VALUES:
        raise UserError(
            f"{path}: the lists in column '{schema.path}' have {column.num_values:,} entries in one row group, more "
            f"than {MAX_VALUES:,}. {ADVICE}, or in smaller row groups."
        )


def _mean_bytes(group: Any, number: int) -> float:
    return group.column(number).total_uncompressed_size / max(1, group.num_rows)


def _longest(path: Path, schema: Any, limits: Ingest) -> int:
    """The length of the longest values whose type has a fixed length."""
    columns = [schema.column(number) for number in range(len(schema))]
    lengths = [(column.length, column.path) for column in columns if column.physical_type == "FIXED_LEN_BYTE_ARRAY"]
    length, name = max(lengths, default=(0, ""))
    _check_length(path, name, length, limits)
    return length


def _longest_repeated(path: Path, file: pq.ParquetFile, source: Any, limits: Ingest) -> Iterator[int]:
    """The length of the longest value in each dictionary: the first row of a row group comes with all of it."""
    import pyarrow.parquet as pq

    metadata = file.metadata
    texts = [number for number in range(metadata.num_columns) if _is_text(metadata.schema.column(number))]
    names = [metadata.schema.column(number).path for number in texts]
    with_dictionaries = pq.ParquetFile(source, metadata=metadata, read_dictionary=names, pre_buffer=False)
    for number in range(metadata.num_row_groups):
        columns = [metadata.row_group(number).column(place) for place in texts]
        used = [column.path_in_schema for column in columns if column.has_dictionary_page]
        first = next(with_dictionaries.iter_batches(1, [number], used), None) if used else None
        for name, column in zip(first.schema.names, first.columns, strict=True) if first else ():
            for dictionary in _dictionaries(column):
                length = _longest_value(dictionary)
                _check_length(path, name, length, limits)
                yield length


def _is_text(column: Any) -> bool:
    return column.physical_type == "BYTE_ARRAY" and column.logical_type.type in ("STRING", "NONE", "JSON", "ENUM")


def _dictionaries(array: pa.Array) -> Iterator[pa.Array]:
    """The dictionaries in a column, which may be one of objects or lists."""
    import pyarrow as pa

    if isinstance(array, pa.DictionaryArray):
        yield array.dictionary
    elif isinstance(array, pa.StructArray):
        for number in range(array.type.num_fields):
            yield from _dictionaries(array.field(number))
    elif isinstance(array, pa.MapArray):
        yield from _dictionaries(array.keys)
        yield from _dictionaries(array.items)
    elif isinstance(array, pa.ListArray | pa.LargeListArray):
        yield from _dictionaries(array.values)


def _longest_value(values: pa.Array) -> int:
    import pyarrow.compute as pc

    return pc.max(pc.binary_length(values)).as_py() or 0


def _check_length(path: Path, name: str, length: int, limits: Ingest) -> None:
    if length > limits.max_line_bytes:
        raise UserError(
            f"{path}: column '{name}' has a value of {length:,} bytes, more than ingest.max_line_bytes = "
            f"{limits.max_line_bytes:,} (in params.yaml). If such values are meant, raise it."
        )


def check_values(path: Path, batch: pa.RecordBatch | pa.Table, limits: Ingest) -> None:
    """Raise a `UserError` if a column of text has a value that is longer than `ingest.max_line_bytes`."""
    import pyarrow as pa

    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_string(column.type) or pa.types.is_binary(column.type):
            _check_length(path, name, _longest_value(column), limits)
