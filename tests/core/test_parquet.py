"""Tables in chunks: a file does not depend on its chunks, and buckets keep rows together."""

from __future__ import annotations

from itertools import pairwise

import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from recomart_lib.core.parquet import Buckets, Writer

ROWS = pl.DataFrame(
    {
        "id": ["a", None, "ü", ""],
        "at": pl.Series([1, 2, None, 3]).cast(pl.Datetime("us", "UTC")),
        "day": pl.Series([1, None, 2, 3]).cast(pl.Date),
        "n": [1, None, 2, 3],
        "x": [None, 1.5, float("nan"), 2.0],
    }
)


@pytest.mark.parametrize("cuts", [[0, 4], [0, 0, 1, 4], [0, 2, 2, 4]])
def test_chunks_make_one_file_with_the_same_types(tmp_path, cuts):
    with Writer(tmp_path / "f") as writer:
        for start, end in pairwise(cuts):
            writer.add(ROWS[start:end])
    assert_frame_equal(pl.read_parquet(tmp_path / "f"), ROWS)
    assert writer.n_rows == 4


def test_no_rows_make_a_file_with_columns(tmp_path):
    with Writer(tmp_path / "f") as writer:
        writer.add(ROWS.clear())
    assert_frame_equal(pl.read_parquet(tmp_path / "f"), ROWS.clear())


def test_rows_of_a_bucket_stay_in_their_order(tmp_path):
    with Buckets(tmp_path / "b") as buckets:
        for n in ([5, 1, 4], [3, 2, 0]):
            buckets.scatter(pl.DataFrame({"n": n}), pl.col("n") % 2)
    assert [bucket["n"].to_list() for bucket in buckets] == [[4, 2, 0], [5, 1, 3]]


def test_no_rows_make_one_empty_bucket(tmp_path):
    with Buckets(tmp_path / "b") as buckets:
        buckets.scatter(ROWS.clear(), pl.col("n"))
    (only,) = buckets
    assert_frame_equal(only, ROWS.clear())


def test_only_repetitive_columns_are_stored_as_a_dictionary(tmp_path):
    rows = pl.DataFrame({"key": ["a", "b"] * 50, "number": [n / 7 for n in range(100)]})
    for repetitive, expected in ((None, [True, True]), (["key"], [True, False])):
        path = tmp_path / "rows.parquet"
        with Writer(path, repetitive) as writer:
            writer.add(rows)
        columns = pq.ParquetFile(path).metadata.row_group(0)
        assert [columns.column(n).has_dictionary_page for n in range(2)] == expected
        assert pl.read_parquet(path).equals(rows)
