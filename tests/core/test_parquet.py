"""Tables in chunks: a file does not depend on its chunks, and buckets keep rows together."""

from __future__ import annotations

import os
import time
from itertools import pairwise

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recomart_lib.core.parquet import Buckets, Writer, scratch_folder

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


def test_a_scratch_folder_is_deleted_with_old_leftovers(tmp_path):
    for name, age in (("killed", 2 * 86_400), ("active", 60)):
        leftover = tmp_path / ".scratch" / name
        leftover.mkdir(parents=True)
        (leftover / "rows").write_text("half")
        os.utime(leftover, (time.time() - age,) * 2)
    with scratch_folder(tmp_path) as folder:
        (folder / "rows").write_text("x")
    assert [folder.name for folder in (tmp_path / ".scratch").iterdir()] == ["active"]


def test_foreign_things_in_the_scratch_folder_disturb_nobody(tmp_path):
    scratch = tmp_path / ".scratch"
    scratch.mkdir()
    (scratch / ".DS_Store").write_text("a file, not a folder")
    (scratch / "link").symlink_to("/nowhere/at/all")
    (scratch / "young.swp").write_text("")
    for name in (".DS_Store", "link"):
        os.utime(scratch / name, (0, 0), follow_symlinks=False)
    with scratch_folder(tmp_path) as folder:
        (folder / "rows").write_text("x")
    assert [path.name for path in scratch.iterdir()] == ["young.swp"]


def test_what_cannot_be_deleted_there_stays(tmp_path, monkeypatch):
    leftover = tmp_path / ".scratch" / "killed"
    leftover.mkdir(parents=True)
    os.utime(leftover, (0, 0))

    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("recomart_lib.core.parquet.shutil.rmtree", refuse)
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
        monkeypatch.undo()
    assert [path.name for path in (tmp_path / ".scratch").iterdir()] == ["killed"]
