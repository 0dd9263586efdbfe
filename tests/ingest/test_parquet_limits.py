"""A Parquet file ends where its encodings unfold to what no feed holds."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import parquet_limits, parquet_reader

SPEC = Table(kind="parquet", path="*")
LIMITS = Ingest(max_line_bytes=1_000, max_columns=5)


@pytest.fixture
def file(tmp_path):
    """`file(columns, **options)`: a Parquet file of these columns."""

    def written(columns: dict, **options: object):
        pq.write_table(pa.table(columns), tmp_path / "f", compression="zstd", store_schema=False, **options)
        return tmp_path / "f"

    return written


def read(path, limits: Ingest = LIMITS) -> list[int]:
    """The number of rows of each batch."""
    return [part.cells.height for part in parquet_reader.read(path, SPEC, limits)]


@pytest.mark.parametrize(
    "column",
    [
        ["a" * 5_000, "b"] * 50,
        [b"a" * 5_000, b"b"] * 50,
        [{"k": "a" * 5_000}] * 100,
        [["b", "a" * 5_000]] * 100,
        pa.array([[("k", "a" * 5_000)]] * 100, pa.map_(pa.string(), pa.string())),
        pa.array([b"a" * 5_000] * 100, pa.binary(5_000)),
    ],
    ids=["text", "bytes", "object", "list", "map", "fixed"],
)
def test_a_long_value_is_refused_before_it_is_repeated(file, column):
    path = file({"n": range(100), "x": column})
    for opened in (read, lambda path: parquet_reader.header(path, SPEC, LIMITS)):
        with pytest.raises(UserError, match=r"column 'x.*' has a value of 5,000 bytes, more than ingest\.max_line"):
            opened(path)


def test_a_long_value_that_comes_once_is_refused(file):
    with pytest.raises(UserError, match="column 'x' has a value of 5,000 bytes"):
        read(file({"x": ["b"] * 9 + ["a" * 5_000]}, use_dictionary=False))


@pytest.mark.parametrize("use_dictionary", [True, False])
def test_batches_are_as_small_as_values_are_long(file, monkeypatch, use_dictionary):
    monkeypatch.setattr(parquet_limits, "BATCH_BYTES", 10_000)
    path = file({"x": ["a" * 900, "b" * 900] * 50}, use_dictionary=use_dictionary)
    assert read(path) == ([11] * 9 + [1] if use_dictionary else [10] * 10)


def test_a_column_that_grows_beyond_measure_is_refused(file, monkeypatch):
    monkeypatch.setattr(parquet_limits, "LARGE", 10_000)
    with pytest.raises(UserError, match=r"column 'x' grows from [\d,]+ to [\d,]+ bytes in one row group"):
        read(file({"x": ["a" * 900] * 1_000}, use_dictionary=False))


def test_rows_that_unfold_beyond_measure_are_refused(file, monkeypatch):
    monkeypatch.setattr(parquet_limits, "MAX_UNFOLDED", 10_000)
    path = file({"x": ["a" * 900] * 1_000})
    assert path.stat().st_size < 900_000 / parquet_limits.MAX_RATIO
    with pytest.raises(UserError, match=r"f grows from [\d,]+ to more than [\d,]+ bytes"):
        read(path)


def test_rows_without_content_are_refused(file, monkeypatch):
    monkeypatch.setattr(parquet_limits, "LARGE", 10_000)
    with pytest.raises(UserError, match=r"f has [\d,]+ bytes, but declares 1,000,000 rows"):
        read(file({"x": pa.nulls(1_000_000, pa.int64())}))


def test_lists_without_end_are_refused(file, monkeypatch):
    monkeypatch.setattr(parquet_limits, "MAX_VALUES", 1_000)
    with pytest.raises(UserError, match=r"the lists in column 'x\..*' have 5,000 entries in one row group"):
        read(file({"x": [[1] * 5_000]}))


def test_too_many_columns_are_refused(file):
    with pytest.raises(UserError, match=r"has 6 columns, more than ingest\.max_columns = 5"):
        read(file({f"c{n}": [1] for n in range(6)}))
