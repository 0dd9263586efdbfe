"""The lake: what lies where, which version is read, and that nothing that was landed is lost."""

from __future__ import annotations

import json

import polars as pl
import pytest
from conftest import rows, utc

from recomart_lib import lake, schemas
from recomart_lib.errors import UserError


def event(day: int, user: str = "u1", **more: object) -> dict:
    return {"event_id": f"e{day}", "user_id": user, "timestamp": utc(2024, 1, day), **more}


@pytest.fixture
def land(tmp_path):
    """`land(name, text, *records, n_rejects=0)`: land a file that holds this text as these records."""

    def landed(name: str, text: str, *records: dict, table: str = "events", n_rejects: int = 0) -> lake.Manifest:
        file = tmp_path / "delivered"
        file.write_text(text)
        rejects = pl.DataFrame([(name, n, "x", "y") for n in range(n_rejects)], schema=schemas.REJECTS, orient="row")
        sha256 = lake.content_hash(file, name, "declared")
        return lake.land(tmp_path / "raw", "s", table, file, name, sha256, rows(table, *records), rejects)

    return landed


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


def test_a_file_lies_in_the_partition_of_the_day_that_most_rows_speak_of(land, raw):
    manifest = land("f", "x", event(1), event(2), event(2), event(9, timestamp=None), n_rejects=1)
    assert manifest["path"].startswith("source=s/type=events/date=2024-01-02/")
    assert (manifest["rows_delivered"], manifest["rows_landed"], manifest["rows_rejected"]) == (5, 4, 1)
    assert (manifest["first"], manifest["last"]) == ("2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00")
    assert (raw / manifest["path"]).is_file()


def test_of_two_days_with_as_many_rows_the_first_is_taken(land):
    assert "date=2024-01-03/" in land("f", "x", event(4), event(3))["path"]


@pytest.mark.parametrize("table", ["users", "events"])
def test_rows_without_times_are_filed_under_the_day_of_landing(land, table):
    manifest = land("f", "x", {"user_id": "u1"}, table=table)
    assert f"date={manifest['landed_at'][:10]}/" in manifest["path"]
    assert manifest["first"] is None


def test_all_files_are_read_in_the_order_of_their_names(land, raw):
    land("b", "x", event(1, "late"))
    land("a", "y", event(2, "early"))
    assert lake.read(raw, "s", "events")["user_id"].to_list() == ["early", "late"]
    assert lake.read(raw, "s", "events").columns == [*schemas.EVENTS, *schemas.PROVENANCE]


def test_the_newest_version_is_read_and_the_old_one_stays(land, raw):
    old = land("f", "x", event(1, "old"))
    land("f", "y", event(1, "new"))
    assert lake.read(raw, "s", "events")["user_id"].to_list() == ["new"]
    assert [manifest["file"] for manifest in lake.manifests(raw, "s", "events")] == ["f", "f"]
    assert pl.read_parquet(raw / old["path"], hive_partitioning=False)["user_id"].to_list() == ["old"]


def test_files_with_the_same_bytes_are_both_kept(land, raw):
    land("a", "same", event(1))
    land("b", "same", event(1))
    assert list(lake.newest(raw, "s", "events")) == ["a", "b"]
    assert lake.read(raw, "s", "events").height == 2


def test_rejects_of_the_newest_versions_are_kept(land, raw):
    assert lake.rejects(raw, "s", "events") is None
    land("f", "x", event(1), n_rejects=2)
    land("g", "x", event(1), n_rejects=1)
    assert lake.rejects(raw, "s", "events")["source_file"].to_list() == ["f", "f", "g"]
    land("f", "mended", event(1))
    assert lake.rejects(raw, "s", "events")["source_file"].to_list() == ["g"]


def test_versions_may_differ_in_what_derived_tables_need(land, raw, tmp_path):
    land("a", "x", event(1))
    wider = rows("events", event(2)).with_columns(pl.lit("DE").alias("users.country"))
    lake.land(raw, "s", "events", tmp_path / "delivered", "b", "f" * 64, wider, schemas.empty(schemas.REJECTS))
    assert lake.read(raw, "s", "events")["users.country"].to_list() == [None, "DE"]


def test_without_its_manifest_a_file_is_not_seen(land, raw):
    (raw / land("f", "x", event(1))["path"]).with_suffix(".json").unlink()
    with pytest.raises(UserError, match=r"nothing was landed for s/events. Run stage 01_ingest first"):
        lake.read(raw, "s", "events")


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"{}", b"\xff", b"null"])
def test_a_damaged_manifest_is_named(land, raw, content):
    path = (raw / land("f", "x", event(1))["path"]).with_suffix(".json")
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged") as caught:
        lake.newest(raw, "s", "events")
    assert str(path) in str(caught.value)


def test_shops_and_tables_do_not_mix(land, raw):
    land("f", "x", event(1))
    assert lake.newest(raw, "other", "events") == {} == lake.newest(raw, "s", "users")


def test_the_manifest_beside_the_file_is_the_one_returned(land, raw):
    manifest = land("f", "x", event(1))
    assert json.loads((raw / manifest["path"]).with_suffix(".json").read_text()) == manifest
    assert not list(raw.rglob("*.tmp"))


def test_a_landed_file_that_is_gone_is_named(land, raw):
    path = raw / land("f", "x", event(1))["path"]
    path.unlink()
    with pytest.raises(UserError, match=path.name):
        lake.read(raw, "s", "events")
