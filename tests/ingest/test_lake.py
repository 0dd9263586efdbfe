"""The lake: partitions, versions, repairs; no ingested data is lost."""

from __future__ import annotations

import errno
import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from conftest import Chunk, ingest_chunks, rows, unreadable, utc

from recomart_lib.core import schemas
from recomart_lib.core.errors import UserError
from recomart_lib.ingest import lake, manifests


def event(day: int, user: str = "u1", **more: object) -> dict:
    return {"event_id": f"e{day}", "user_id": user, "timestamp": utc(2024, 1, day), **more}


@pytest.fixture
def ingest_file(tmp_path):
    """`ingest_file(name, text, *records, n_rejects=0)`: ingest a file with this text as these records."""

    def ingest(
        name: str,
        text: str,
        *records: dict,
        table: str = "events",
        n_rejects: int = 0,
        previous: lake.Manifest | None = None,
    ) -> lake.Manifest:
        chunk = Chunk(rows(table, *records), unreadable(name, n_rejects))
        return ingest_chunks(tmp_path / "raw", table, chunk, name=name, shop="s", text=text, previous=previous)

    return ingest


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


def test_a_file_is_in_the_partition_of_the_day_of_most_rows(ingest_file, raw):
    manifest = ingest_file("f", "x", event(1), event(2), event(2), event(9, timestamp=None), n_rejects=1)
    assert manifest["path"].startswith("source=s/type=events/date=2024-01-02/")
    assert (manifest["rows_delivered"], manifest["rows_landed"], manifest["rows_rejected"]) == (5, 4, 1)
    assert (manifest["first"], manifest["last"]) == ("2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00")
    assert (raw / manifest["path"]).is_file()


def test_tied_days_go_to_the_first(ingest_file):
    assert "date=2024-01-03/" in ingest_file("f", "x", event(4), event(3))["path"]


@pytest.mark.parametrize("table", ["users", "events"])
def test_rows_without_times_are_filed_under_the_day_of_ingestion(ingest_file, table):
    manifest = ingest_file("f", "x", {"user_id": "u1"}, table=table)
    assert f"date={manifest['landed_at'][:10]}/" in manifest["path"]
    assert manifest["first"] is None


def test_all_files_are_read_in_the_order_of_their_names(ingest_file, raw):
    ingest_file("b", "x", event(1, "late"))
    ingest_file("a", "y", event(2, "early"))
    assert lake.read(raw, "s", "events")["user_id"].to_list() == ["early", "late"]
    assert lake.read(raw, "s", "events").columns == [*schemas.EVENTS, *schemas.PROVENANCE]


def test_the_newest_version_is_read_and_the_old_one_stays(ingest_file, raw):
    old = ingest_file("f", "x", event(1, "old"))
    ingest_file("f", "y", event(1, "new"))
    assert lake.read(raw, "s", "events")["user_id"].to_list() == ["new"]
    assert [manifest["file"] for manifest in manifests.versions(raw, "s", "events")] == ["f", "f"]
    assert pl.read_parquet(raw / old["path"], hive_partitioning=False)["user_id"].to_list() == ["old"]


def test_files_with_the_same_bytes_are_both_kept(ingest_file, raw):
    ingest_file("a", "same", event(1))
    ingest_file("b", "same", event(1))
    assert list(lake.newest(raw, "s", "events")) == ["a", "b"]
    assert lake.read(raw, "s", "events").height == 2


def test_rejects_of_the_newest_versions_are_kept(ingest_file, raw):
    ingest_file("f", "x", event(1), n_rejects=2)
    ingest_file("g", "x", event(1), n_rejects=1)
    assert lake.table(raw, "s", "events").unreadable["source_file"].to_list() == ["f", "f", "g"]
    ingest_file("f", "repaired", event(1))
    assert lake.table(raw, "s", "events").unreadable["source_file"].to_list() == ["g"]


def test_versions_may_differ_in_what_derived_tables_need(ingest_file, raw):
    ingest_file("a", "x", event(1))
    wider = rows("events", event(2)).with_columns(pl.lit("DE").alias("users.country"))
    ingest_chunks(raw, "events", Chunk(wider), name="b", shop="s")
    assert lake.read(raw, "s", "events")["users.country"].to_list() == [None, "DE"]


def test_columns_that_earlier_versions_did_not_write_are_null(tmp_path, raw):
    earlier = Chunk(rows("users", {"user_id": "u1", "age": 30}).drop("age_group"), unreadable("f", 0))
    ingest_chunks(raw, "users", earlier, name="f", shop="s", text="x")
    users = lake.read(raw, "s", "users")
    assert users.columns == [*schemas.USERS, *schemas.PROVENANCE]
    assert users.row(0, named=True)["age_group"] is None


def test_a_file_without_a_manifest_is_not_read(ingest_file, raw):
    (raw / ingest_file("f", "x", event(1))["path"]).with_suffix(".json").unlink()
    with pytest.raises(UserError, match=r"nothing was ingested for s/events. Run stage 01_ingest first"):
        lake.read(raw, "s", "events")


@pytest.mark.parametrize("content", [b"{", b"", b"[]", b"{}", b"\xff", b"null"])
def test_a_damaged_manifest_is_named(ingest_file, raw, content):
    path = (raw / ingest_file("f", "x", event(1))["path"]).with_suffix(".json")
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged") as caught:
        lake.newest(raw, "s", "events")
    assert str(path) in str(caught.value)


def test_shops_and_tables_do_not_mix(ingest_file, raw):
    ingest_file("f", "x", event(1))
    assert lake.newest(raw, "other", "events") == {} == lake.newest(raw, "s", "users")


def test_the_manifest_beside_the_file_is_the_one_returned(ingest_file, raw):
    manifest = ingest_file("f", "x", event(1))
    assert json.loads((raw / manifest["path"]).with_suffix(".json").read_text()) == manifest
    assert not list(raw.rglob("*.tmp"))


def test_a_missing_file_is_named(ingest_file, raw):
    path = raw / ingest_file("f", "x", event(1))["path"]
    path.unlink()
    with pytest.raises(UserError, match=path.name):
        lake.read(raw, "s", "events")


def test_chunks_are_ingested_like_one_file(tmp_path):
    records = [event(day, user=f"u{day}") for day in (1, 2, 2, 3)]
    whole = ingest_chunks(tmp_path / "one" / "raw", "events", Chunk(rows("events", *records), unreadable("f", 2)))
    parts = [
        Chunk(rows("events", *records[:1])),
        Chunk(rows("events"), unreadable("f", 2)),
        Chunk(rows("events", *records[1:])),
    ]
    cut = ingest_chunks(tmp_path / "two" / "raw", "events", *parts)
    clock = {"landed_at", "parquet_sha256", "rejects_sha256", "manifest_sha256"}
    assert {k: v for k, v in whole.items() if k not in clock} == {k: v for k, v in cut.items() if k not in clock}
    one, two = (lake.read(tmp_path / name / "raw", "x", "events") for name in ("one", "two"))
    assert one.drop("source_line").equals(two.drop("source_line"))


def test_an_aborted_ingestion_leaves_nothing(tmp_path, raw):
    with pytest.raises(ZeroDivisionError), lake.staging(raw, [Chunk(rows("events", event(1)))]):
        raise ZeroDivisionError
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_days_are_the_shops_days(tmp_path):
    (tmp_path / "raw").mkdir()
    late = rows("events", event(1) | {"timestamp": utc(2024, 1, 1, 23)})
    with lake.staging(tmp_path / "raw", [Chunk(late)], "Europe/Berlin") as staged:
        assert staged.day(date(2000, 1, 1)) == date(2024, 1, 2)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_batches_hold_all_rows_in_order_of_limited_size(ingest_file, raw, size):
    for name, days in (("a", (1, 2, 3)), ("b", ()), ("c", (4,)), ("d", (5, 6))):
        ingest_file(name, name, *(event(day) for day in days))
    table = lake.table(raw, "s", "events")
    batches = list(table.batches(size=size))
    assert max(batch.height for batch in batches) <= size
    assert pl.concat(batches)["event_id"].to_list() == [f"e{day}" for day in range(1, 7)]
    assert table.height == 6
    narrow = pl.concat(table.batches(["user_id", "absent"], size))
    assert narrow.columns == ["user_id", "source_file", "source_line"]


def test_whole_quantities_of_an_earlier_version_are_read_with_fractions(tmp_path, ingest_file, raw):
    earlier = rows("events", event(1, quantity=2)).cast({"quantity": pl.Int64})
    ingest_chunks(raw, "events", Chunk(earlier, unreadable("a", 0)), name="a", shop="s", text="a")
    ingest_file("b", "b", event(2, quantity=0.53))
    table = lake.table(raw, "s", "events")
    assert table.read()["quantity"].to_list() == [2.0, 0.53]
    assert [batch.schema["quantity"] for batch in table.batches(["quantity"], 1)] == [pl.Float64, pl.Float64]


def test_a_table_without_rows_has_one_empty_batch(ingest_file, raw):
    ingest_file("f", "x")
    (only,) = lake.table(raw, "s", "events").batches()
    assert only.columns == [*schemas.EVENTS, *schemas.PROVENANCE]


def test_the_fingerprint_changes_with_what_readers_see(ingest_file, raw):
    ingest_file("f", "x", event(1))
    first = lake.fingerprint(raw, "s", ["events"])
    ingest_file("f", "y", event(2))
    assert lake.fingerprint(raw, "s", ["events"]) != first
    ingest_file("f", "x", event(1))
    assert lake.fingerprint(raw, "s", ["events"]) == first


def change_manifest(raw, manifest: lake.Manifest, **keys: object) -> None:
    """Write a manifest with other keys, and the hash that fits them; None removes a key."""
    path = (raw / manifest["path"]).with_suffix(".json")
    changed = {name: value for name, value in {**manifest, **keys}.items() if value is not None}
    path.write_text(json.dumps(manifests.sealed(changed)))


def test_versions_are_ordered_by_their_numbers_when_the_clock_goes_back(ingest_file, raw):
    old = ingest_file("f", "x", event(1, "old"))
    new = ingest_file("f", "y", event(1, "new"), previous=old)
    change_manifest(raw, old, landed_at="2099-01-01T00:00:00+00:00")
    assert (old["sequence"], new["sequence"]) == (1, 2)
    assert lake.read(raw, "s", "events")["user_id"].to_list() == ["new"]


def test_a_file_that_has_its_old_content_again_is_the_newest_version(ingest_file, raw):
    first = ingest_file("f", "x", event(1, "old"))
    second = ingest_file("f", "y", event(1, "new"), previous=first)
    assert ingest_file("f", "x", event(1, "old"), previous=second)["sequence"] == 3
    assert lake.read(raw, "s", "events")["user_id"].to_list() == ["old"]


def test_manifests_without_numbers_are_ordered_by_the_clock_and_are_older(ingest_file, raw):
    one, two = ingest_file("f", "x", event(1, "one")), ingest_file("f", "y", event(1, "two"))
    change_manifest(raw, one, sequence=None, landed_at="2024-01-02T00:00:00+00:00")
    change_manifest(raw, two, sequence=None, landed_at="2024-01-01T00:00:00+00:00")
    assert lake.read(raw, "s", "events")["user_id"].to_list() == ["one"]
    ingest_file("f", "z", event(1, "three"), previous=lake.newest(raw, "s", "events")["f"])
    assert lake.read(raw, "s", "events")["user_id"].to_list() == ["three"]


def test_all_versions_of_a_file_hold_from_the_day_of_the_first(ingest_file, raw):
    first = ingest_file("items.csv", "x", {"item_id": "a"}, table="items")
    change_manifest(raw, first, valid_from="May")
    with pytest.raises(UserError, match="is damaged"):
        lake.newest(raw, "s", "items")
    change_manifest(raw, first, valid_from="2024-05-01")
    again = ingest_file(
        "items.csv", "y", {"item_id": "a"}, table="items", previous={**first, "valid_from": "2024-05-01"}
    )
    assert again["valid_from"] == "2024-05-01"
    assert lake.table(raw, "s", "items").files[lake.DELIVERY].to_list() == [date(2024, 5, 1)]
    dated = ingest_file("items_2024-03-01.csv", "x", {"item_id": "a"}, table="items")
    assert dated["valid_from"] == "2024-03-01"


def test_a_manifest_of_an_earlier_version_holds_from_the_day_in_its_name_or_of_its_ingestion(ingest_file, raw):
    for name in ("items.csv", "items_2024-03-01.csv"):
        manifest = ingest_file(name, "x", {"item_id": "a"}, table="items")
        change_manifest(raw, manifest, valid_from=None, sequence=None, landed_at="2024-06-07T08:00:00+00:00")
    days = lake.table(raw, "s", "items").files.select("source_file", lake.DELIVERY).rows()
    assert days == [("items.csv", date(2024, 6, 7)), ("items_2024-03-01.csv", date(2024, 3, 1))]


def test_rows_that_equal_an_earlier_row_are_counted_over_chunks(tmp_path):
    (tmp_path / "raw").mkdir()
    chunks = [Chunk(rows("events", event(1), event(2))), Chunk(rows("events", event(1), event(1, "u2")))]
    for equal_by, n_equal in ((["user_id", "timestamp"], 1), (["user_id"], 2), (None, None)):
        with lake.staging(tmp_path / "raw", chunks, equal_by=equal_by) as staged:
            assert staged.n_equal == n_equal


def test_the_lake_may_lie_on_another_disk(tmp_path, monkeypatch):
    """data/raw may be a mount of its own, or a link to another disk: a file cannot be renamed into it."""
    original, raw = Path.replace, tmp_path / "raw"

    def replace(self: Path, target: Path) -> Path:
        if raw in Path(target).parents and raw not in self.parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(self), None, str(target))
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    users = rows("users", {"user_id": "u1"})
    manifest = ingest_chunks(raw, "users", Chunk(users, unreadable("f", 2)))
    assert lake.table(raw, "x", "users").read().get_column("user_id").to_list() == ["u1"]
    suffixes = {".parquet", ".rejects.parquet", ".json"}
    stem = (raw / manifest["path"]).with_suffix("")
    assert {file for file in raw.rglob("*") if file.is_file()} == {stem.with_suffix(suffix) for suffix in suffixes}
    assert not list((tmp_path / ".scratch").iterdir())


def test_what_is_ingested_is_on_the_disk_before_its_manifest_and_synced_once(ingest_file, raw, monkeypatch):
    steps, replace = [], Path.replace

    def sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").resolve()
        steps.append(f"sync {'folder' if path.is_dir() else path.name}")

    def rename(source: Path, target: Path) -> Path:
        steps.extend([f"name {source.name}"] if target.is_relative_to(raw) else [])
        return replace(source, target)

    monkeypatch.setattr("os.fsync", sync)
    monkeypatch.setattr(Path, "replace", rename)
    ingest_file("f", "x", event(1), n_rejects=1)
    parts = ("rejects", "rows", "manifest")
    assert steps == [step for part in parts for step in (f"sync {part}", f"name {part}", "sync folder")]


def test_a_file_without_unreadable_lines_has_one_parquet_file(ingest_file, raw):
    ingest_file("f", "x", event(1))
    assert len([*raw.rglob("*.parquet")]) == 1
