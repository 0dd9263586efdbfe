"""Superseded versions of streamed days leave the lake; what was delivered stays."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from zone_data import DAY, put

from recomart_lib.ingest import ingestion, inventory, lake, lake_verification, manifests, superseded
from recomart_lib.ingest.settings import Ingest
from recomart_lib.stream import commit_log, compaction

NAME = "stream/events-2026-03-01.parquet"


@pytest.fixture
def raw(tmp_path) -> Path:
    return tmp_path / "raw"


def ingest(tiny, zone, raw) -> pl.DataFrame:
    compaction.compact_all(zone)
    return ingestion.ingest(tiny.shop, tiny.source, raw, Ingest(), streamed=commit_log.day_files(zone))


def versions(raw, name: str = NAME) -> list:
    return [manifest for manifest in manifests.versions(raw, "tiny", "events") if manifest["file"] == name]


def streamed(raw) -> list[str]:
    events = lake.read(raw, "tiny", "events").filter(pl.col("source_file").str.starts_with("stream/"))
    return events.get_column("event_id").to_list()


def test_thirty_runs_over_a_growing_day_keep_one_version(tiny, zone, raw):
    for run in range(30):
        put(zone, 0, run, 1, DAY + timedelta(seconds=run))
        ingest(tiny, zone, raw)
    assert [manifest["sequence"] for manifest in versions(raw)] == [30]
    assert streamed(raw) == [f"0-{n}" for n in range(30)]
    assert len(list(raw.glob("source=*/type=events/date=2026-03-*/*"))) == 2  # rows and manifest
    assert lake_verification.verify(raw).height == 0
    assert inventory.lost(raw, "tiny") == []
    assert set(ingest(tiny, zone, raw)["state"]) == {"unchanged"}


def test_versions_of_delivered_files_stay(tiny, zone, raw):
    put(zone, 0, 0, 1)
    ingest(tiny, zone, raw)
    (file,) = (path for path in tiny.source.rglob("*") if path.name.startswith("events"))
    file.write_bytes(file.read_bytes().replace(b"e1,", b"e9,", 1))
    ingest(tiny, zone, raw)
    assert len(versions(raw, file.relative_to(tiny.source).as_posix())) == 2


def test_an_existing_lake_loses_its_superseded_versions(tiny, zone, raw, monkeypatch):
    """Also of days that did not grow in this run: an earlier version of RecoMart kept them all."""
    with monkeypatch.context() as patch:
        patch.setattr(superseded, "prune", lambda *_: [])
        for n in range(3):
            put(zone, 0, n, 1)
            ingest(tiny, zone, raw)
    assert len(versions(raw)) == 3
    ingest(tiny, zone, raw)
    assert len(versions(raw)) == 1
    assert streamed(raw) == ["0-0", "0-1", "0-2"]


def test_a_kill_between_leaves_nothing_for_ever(tiny, zone, raw, monkeypatch):
    put(zone, 0, 0, 1)
    ingest(tiny, zone, raw)
    put(zone, 0, 1, 1)
    unlink, calls = Path.unlink, []

    def dies(path: Path, missing_ok: bool = False) -> None:
        if "type=events/date=2026" in path.as_posix():
            calls.append(path)
            if len(calls) > 1:
                raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", dies)
        with pytest.raises(KeyboardInterrupt):
            ingest(tiny, zone, raw)
    assert streamed(raw) == ["0-0", "0-1"]
    ingest(tiny, zone, raw)
    assert len(versions(raw)) == 1
    assert lake_verification.verify(raw).height == 0


def test_a_version_that_is_deleted_while_the_lake_is_listed_is_no_problem(tiny, zone, raw, monkeypatch):
    put(zone, 0, 0, 1)
    ingest(tiny, zone, raw)
    listed = manifests.files.listed

    def with_deleted(folder: Path, pattern: str) -> list[Path]:
        return [*(found := listed(folder, pattern)), *(path.with_name("gone.json") for path in found)]

    monkeypatch.setattr(manifests.files, "listed", with_deleted)
    assert len(versions(raw)) == 1
    assert lake_verification.verify(raw).height == 0


def test_the_others_stay_if_the_newest_is_damaged(tiny, zone, raw, monkeypatch, caplog):
    monkeypatch.setattr(superseded, "prune", lambda *_: [])
    for n in range(2):
        put(zone, 0, n, 1)
        ingest(tiny, zone, raw)
    monkeypatch.undo()
    newest = raw / manifests.newest(raw, "tiny", "events")[NAME]["path"]
    newest.write_bytes(b"damaged")
    assert superseded.prune(raw, "tiny", "events", {NAME}) == []
    assert len(versions(raw)) == 2
    assert "its earlier versions stay" in caplog.text


def test_a_day_that_became_empty_keeps_its_newest_version(tiny, zone, raw):
    put(zone, 0, 0, 1)
    ingest(tiny, zone, raw)
    moved = pl.DataFrame([("t", 0, 0, "a test")], schema=["topic", "partition", "offset", "reason"], orient="row")
    compaction.move(zone, moved.cast({"partition": pl.Int32}))
    ingest(tiny, zone, raw)
    assert [manifest["rows_landed"] for manifest in versions(raw)] == [0]
    assert list(commit_log.day_files(zone)) == [date(2026, 3, 1)]


def test_versions_of_files_that_a_shop_delivers_in_a_folder_called_stream_stay(tiny, zone, raw):
    (file,) = (path for path in tiny.source.rglob("*") if path.name.startswith("events"))
    own = tiny.source / "stream" / file.name
    own.parent.mkdir()
    file.rename(own)
    events = tiny.shop.tables["events"].model_copy(update={"path": f"stream/{file.name}"})
    shop = tiny.shop.model_copy(update={"tables": tiny.shop.tables | {"events": events}})
    for n, event_id in enumerate((b"e1,", b"e9,")):
        put(zone, 0, n, 1)
        compaction.compact_all(zone)
        own.write_bytes(own.read_bytes().replace(b"e1,", event_id, 1))
        ingestion.ingest(shop, tiny.source, raw, Ingest(), streamed=commit_log.day_files(zone))
    assert len(versions(raw, f"stream/{file.name}")) == 2
    assert len(versions(raw)) == 1
