"""Manifests: edited, damaged or misplaced ones are refused; versions do not depend on the clock."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from conftest import Chunk, ingest_chunks, rows, unreadable

from recomart_lib.core import clock
from recomart_lib.core.errors import UserError
from recomart_lib.ingest import lake, manifests

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def raw(tmp_path) -> Path:
    return tmp_path / "raw"


@pytest.fixture
def ingest(raw, monkeypatch):
    """Ingest a version of a file with the clock ahead by some days; returns its manifest."""

    def ingest(user: str = "u1", ahead: float = 0, name: str = "users.csv", previous: dict | None = None) -> dict:
        monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=ahead))
        chunk = Chunk(rows("users", {"user_id": user}), unreadable(name, 0))
        return ingest_chunks(raw, "users", chunk, name=name, shop="s", text=user, previous=previous)

    return ingest


def write(raw: Path, manifest: dict, **fields: object) -> Path:
    path = (raw / manifest["path"]).with_suffix(".json")
    path.write_text(json.dumps({**manifest, **fields}))
    return path


def test_a_manifest_has_the_hash_of_its_fields(ingest):
    manifest = ingest()
    assert manifests.sealed(manifest) == manifest
    assert len(manifest["manifest_sha256"]) == 64


@pytest.mark.parametrize(
    "fields",
    [
        {"rows_landed": 2},
        {"rows_rejected": 1},
        {"sequence": 9},
        {"valid_from": "2020-01-01"},
        {"first": "2020-01-01T00:00:00+00:00"},
        {"file": "other.csv"},
        {"parquet_sha256": "0" * 64},
        {"note": "added"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_an_edited_manifest_is_refused(ingest, raw, fields):
    path = write(raw, ingest(), **fields)
    with pytest.raises(UserError, match="was changed after the ingestion") as caught:
        manifests.newest(raw, "s", "users")
    assert str(path) in str(caught.value)
    assert "recomart stage 01_ingest" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"path": "../../etc/passwd"}, "its path is '../../etc/passwd'"),
        ({"path": "/etc/passwd"}, "its path is '/etc/passwd'"),
        ({"path": "source=s/type=users/date=2026-06-15/0.parquet"}, "its path is"),
        ({"rows_landed": -1}, "rows_landed"),
        ({"rows_landed": "1"}, "rows_landed"),
        ({"sequence": 0}, "sequence"),
        ({"sha256": "short"}, "sha256"),
        ({"landed_at": "yesterday"}, "landed_at"),
        ({"landed_at": "2026-06-15T12:00:00"}, "landed_at"),
        ({"landed_at": "1700000000"}, "1700000000"),
        ({"landed_at": "9999-12-31T23:00:00-14:00"}, "landed_at"),
        ({"rows_landed": 10**30}, "rows_landed"),
        ({"sequence": 10**30}, "sequence"),
        ({"valid_from": "June"}, "valid_from"),
        ({"columns": None}, "columns"),
    ],
    ids=str,
)
def test_a_manifest_with_wrong_fields_is_refused_even_if_its_hash_fits(ingest, raw, fields, reason):
    """Like those of earlier versions, which have no hash of their own."""
    manifest = ingest()
    write(raw, manifest, **manifests.sealed(manifest | fields))
    with pytest.raises(UserError, match="is damaged") as caught:
        manifests.newest(raw, "s", "users")
    assert reason in str(caught.value)


def test_a_manifest_in_the_place_of_another_is_refused(ingest, raw):
    one, two = ingest("u1", name="a"), ingest("u2", name="b")
    (raw / two["path"]).with_suffix(".json").write_text(json.dumps(one))
    with pytest.raises(UserError, match="its path is"):
        manifests.newest(raw, "s", "users")


def test_a_manifest_of_endless_brackets_is_damaged(ingest, raw):
    (raw / ingest()["path"]).with_suffix(".json").write_text("[" * 100_000)
    with pytest.raises(UserError, match="is damaged"):
        manifests.newest(raw, "s", "users")


@pytest.mark.parametrize("jump", [-400, -3, 0, 365, 4000])
def test_the_last_ingested_version_is_the_newest_whatever_the_clock_does(ingest, raw, jump):
    first = ingest("old", ahead=jump)
    second = ingest("corrected", previous=first)
    assert ingest("again", ahead=-jump / 10, previous=second)["sequence"] == 3
    assert [m["sequence"] for m in manifests.versions(raw, "s", "users")] == [1, 2, 3]
    assert lake.read(raw, "s", "users")["user_id"].to_list() == ["again"]


def test_the_last_ingestion_forgets_a_clock_that_was_ahead_with_the_next_version(ingest, raw):
    first = ingest("old", ahead=365)
    assert manifests.last_ingestion(raw, "s", ["users"]) == NOW + timedelta(days=365)
    ingest("new", previous=first)
    assert manifests.last_ingestion(raw, "s", ["users"]) == NOW


def test_a_day_from_a_clock_that_was_ahead_is_replaced(ingest):
    first = ingest("old", ahead=365)
    assert first["valid_from"] == "2027-06-15"
    assert ingest("new", previous=first)["valid_from"] == "2026-06-15"


def test_a_day_of_an_earlier_version_stays(ingest):
    first = ingest("old", ahead=-30)
    assert ingest("new", previous=first)["valid_from"] == "2026-05-16"
    ahead = ingest("list", name="users_2026-08-01.csv")
    assert ingest("list 2", name="users_2026-08-01.csv", previous=ahead)["valid_from"] == "2026-08-01"


def test_a_manifest_of_an_earlier_version_holds_from_the_day_of_its_name_or_ingestion(ingest):
    manifest = ingest() | {"valid_from": None}
    assert manifests.holds_from(manifest) == date(2026, 6, 15)
    assert manifests.holds_from(manifest | {"file": "users_2026-03-01.csv"}) == date(2026, 3, 1)
