"""Reading for the dry run: foreign keys of a sample, limits of reading, tables that cannot be read."""

from __future__ import annotations

from pathlib import Path

import messy_shop
import pytest

from recomart.dry_run import sample, table_reader
from recomart_lib.ingest.settings import Ingest


def test_foreign_keys_of_a_sample_hold_where_they_hold_in_all_data(folder, shop):
    whole = sample.read(shop, folder / "source", Ingest())
    part = sample.read(shop, folder / "source", Ingest(), sample_rows=1_000)
    assert whole.is_whole
    assert not part.is_whole
    assert 0 < part.tables["events"].rows.height <= 1_000
    for table, key in (("users", "user_id"), ("items", "item_id")):
        needed = part.tables["events"].rows.select(key).unique().drop_nulls()
        missing = [needed.join(read.tables[table].rows, on=key, how="anti").height for read in (whole, part)]
        assert missing[0] == missing[1]
    events = whole.tables["events"].rows
    users = part.tables["events"].rows["user_id"].drop_nulls().unique()
    assert events.filter(events["user_id"].is_in(users.implode())).height == (
        part.tables["events"].rows.drop_nulls("user_id").height
    )


def test_lines_are_counted_in_all_files_and_shared_out_to_the_sample(folder, shop):
    part = sample.read(shop, folder / "source", Ingest(), sample_rows=1_000)
    reading, table = part.readings["events"], part.tables["events"]
    assert reading.delivered == reading.estimated == 6_000 + 3 * 21
    assert table.height == table.rows.height == table.read().height
    share = table.height / reading.n_rows
    assert abs(table.n_rejected - share * reading.n_rejects) <= 1
    assert reading.item_times.height == messy_shop.N_ITEMS + 2


@pytest.mark.parametrize("max_rows", [1_000, 2_500])
def test_reading_ends_after_enough_rows_and_the_others_are_estimated(folder, shop, max_rows):
    part = sample.read(shop, folder / "source", Ingest(), max_rows=max_rows)
    reading = part.readings["events"]
    assert not reading.is_complete
    assert reading.delivered < 6_000
    assert reading.estimated == pytest.approx(6_063, rel=0.1)


def test_files_are_read_from_all_parts_of_the_list():
    paths = [Path(f"{n:02}") for n in range(11)]
    spread = [int(path.name) for path in table_reader.spread(paths)]
    assert spread[:4] == [0, 8, 4, 2]
    assert sorted(spread) == list(range(11))
    assert list(table_reader.spread(paths[:1])) == paths[:1]
    assert list(table_reader.spread([])) == []


def test_a_table_that_cannot_be_read_is_a_problem_and_the_others_are_read(tmp_path):
    shop = messy_shop.write(tmp_path, n_events=100)
    (tmp_path / "source/users.csv").write_text("other,columns\n1,2\n")
    (tmp_path / "source/events-1.csv").write_bytes(b"PK\x03\x04 no csv")
    read = sample.read(shop, tmp_path / "source", Ingest())
    assert [(problem.table, problem.message[:20]) for problem in read.problems] == [
        ("events", f"{tmp_path}/source/events-1.csv"[:20]),
        ("users", "users.csv lacks 3 co"),
    ]
    assert list(read.tables) == ["items", "events"]
    assert read.readings["events"].n_rows > 50


def test_a_file_with_too_many_unreadable_lines_is_a_problem(tmp_path):
    shop = messy_shop.write(tmp_path, n_events=100)
    (tmp_path / "source/events-3.csv").write_text("user,item,action,time,qty,price\nu,i,buy,now,1,1\n")
    read = sample.read(shop, tmp_path / "source", Ingest())
    assert "1 of 1 lines could not be read, more than ingest.max_rejected" in read.problems[0].message
