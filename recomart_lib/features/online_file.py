"""The rows of Feast's SQLite online store, written by column.

Feast's own write builds a message of each value and inserts row by row: two minutes for 100,000 users. This one
encodes a column at once, and inserts the rows in the order of the primary key. The rows are equal:
`tests/features/test_online_file.py` compares them with those that Feast writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import polars as pl

BLOCK_ROWS = 5_000  # ids that are encoded at a time
SETTINGS = ("journal_mode = off", "synchronous = off", "cache_size = -65536")  # a scratch file, which the caller syncs
INSERT = 'insert into "{}" (entity_key, feature_name, value, value_text, event_ts) values {}'
ROW, WIDTH = "(?, ?, ?, ?, ?)", 5
AT_ONCE = 50  # rows of one statement: a third faster than one by one


def write(file: Path, table: str, key: str, blocks: Iterable[pl.DataFrame]) -> int:
    """Fill an empty table of an online file; after an error the file is of no use.

    Parameters
    ----------
    table
        Feast has created it, with its indexes.
    key
        The column of the ids (text).
    blocks
        One row per id, in the order of the ids: the id, event_timestamp, and the features (Int64, Float64, String, or
        lists of the last two).

    Returns
    -------
    int
        The number of ids.

    Raises
    ------
    TypeError
        If a feature has another type.
    """
    n_ids = 0
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        for setting in SETTINGS:
            db.execute(f"pragma {setting}")
        db.execute("begin")
        with _without_indexes(db, table):
            for part in (part for block in blocks for part in block.iter_slices(BLOCK_ROWS)):
                _insert(db, table, chain.from_iterable(_rows(part, key)))
                n_ids += part.height
        db.execute("commit")
    return n_ids


def _insert(db: sqlite3.Connection, table: str, values: Iterator[Any]) -> None:
    """Insert rows, whose values follow each other."""
    name = table.replace('"', '""')
    while several := list(islice(values, AT_ONCE * WIDTH)):
        db.execute(INSERT.format(name, ", ".join([ROW] * (len(several) // WIDTH))), several)


@contextmanager
def _without_indexes(db: sqlite3.Connection, table: str) -> Iterator[None]:
    """Build the indexes beside the primary key at the end: that is faster than to keep them up to date."""
    query = "select name, sql from sqlite_master where type = 'index' and tbl_name = ? and sql is not null"
    indexes = db.execute(query, (table,)).fetchall()
    for name, _ in indexes:
        db.execute('drop index "{}"'.format(name.replace('"', '""')))
    yield
    for _, statement in indexes:
        db.execute(statement)


def _rows(part: pl.DataFrame, key: str) -> Iterator[tuple[Any, ...]]:
    """One row per id and feature, the features of an id by name: in the order of the primary key.

    The bytes are of the type bytearray: Python's driver would look for an adapter for each value of the type bytes.
    """
    keys = [bytearray(serialised) for serialised in _entity_keys(key, part.get_column(key))]
    seconds = _seconds(part.get_column("event_timestamp"))
    columns = []
    for name in sorted(set(part.columns) - {key, "event_timestamp"}):
        values, texts = _encoded(part.get_column(name))
        columns.append(zip(keys, repeat(name), map(bytearray, values), texts, seconds, strict=False))
    return chain.from_iterable(zip(*columns, strict=True))


def _entity_keys(key: str, ids: Iterable[str]) -> list[bytes]:
    from feast.infra.key_encoding_utils import serialize_entity_key
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    return [serialize_entity_key(EntityKey(join_keys=[key], entity_values=[Value(string_val=i)])) for i in ids]


def _seconds(moments: pl.Series) -> list[int]:
    """Whole seconds as Feast stores them: of the time in UTC, read as a local one (reading reverses it)."""
    stored = {moment: int(_naive(moment).timestamp()) for moment in moments.unique()}
    return [stored[moment] for moment in moments]


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _encoded(column: pl.Series) -> tuple[list[bytes], Iterable[str | None]]:
    """Feast's serialised values of a column, and their texts (of lists: none)."""
    if column.dtype == pl.Float64:
        return _doubles(column.fill_nan(None))
    if column.dtype == pl.Int64:
        return _scalars(column, "int64_val")
    if column.dtype == pl.String:
        return _scalars(column, "string_val")
    if column.dtype == pl.List(pl.Float64):
        return _double_lists(column), repeat(None)
    if column.dtype == pl.List(pl.String):
        return _string_lists(column), repeat(None)
    raise TypeError(f"the feature {column.name} has the type {column.dtype}, which this store does not have")


def _scalars(column: pl.Series, field: str) -> tuple[list[bytes], list[str | None]]:
    """Integers or strings, each distinct one encoded once; null is empty."""
    from feast.protos.feast.types.Value_pb2 import Value

    encoded: dict[Any, tuple[bytes, str | None]] = {
        scalar: (Value(**{field: scalar}).SerializeToString(), str(scalar)) for scalar in column.drop_nulls().unique()
    }
    encoded[None] = (b"", None)
    pairs = [encoded[scalar] for scalar in column]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _doubles(column: pl.Series) -> tuple[list[bytes], list[str | None]]:
    """Doubles; null is empty."""
    prefix, raw, numbers = _prefix(None), column.fill_null(0.0).to_numpy().astype("<f8").tobytes(), column.to_list()
    values = [b"" if number is None else prefix + raw[8 * n : 8 * n + 8] for n, number in enumerate(numbers)]
    return values, [None if number is None else str(number) for number in numbers]


def _double_lists(column: pl.Series) -> list[bytes]:
    """Lists of doubles; null in a list is NaN, and a list that is null is empty."""
    lists: Any = column.to_arrow(compat_level=pl.CompatLevel.oldest())
    raw = pl.Series(lists.values).fill_null(float("nan")).to_numpy().astype("<f8").tobytes()
    bounds, is_list = lists.offsets.to_pylist(), column.is_not_null().to_list()
    return [
        _prefix(end - start) + raw[8 * start : 8 * end] if there else b""
        for start, end, there in zip(bounds, bounds[1:], is_list, strict=False)
    ]


@lru_cache(maxsize=4096)
def _prefix(length: int | None) -> bytes:
    """What precedes the eight bytes of each double in Feast's message of a list, or (None) of a single double."""
    from feast.protos.feast.types.Value_pb2 import DoubleList, Value

    if length is None:
        return Value(double_val=0.0).SerializeToString()[:-8]
    message = Value(double_list_val=DoubleList(val=[0.0] * length)).SerializeToString()
    return message[: len(message) - 8 * length]


def _string_lists(column: pl.Series) -> list[bytes]:
    from feast.protos.feast.types.Value_pb2 import StringList, Value

    return [
        b"" if texts is None else Value(string_list_val=StringList(val=texts)).SerializeToString()
        for texts in column.to_list()
    ]
