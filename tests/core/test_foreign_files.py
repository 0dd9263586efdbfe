"""Files of desktops and editors, folders and dead links beside our files: no list of ours contains them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from conftest import Chunk, ingest_chunks, rows
from zone_data import put

from recomart.cli import completion
from recomart.project import sidecars
from recomart.reports import index
from recomart.simulator import api
from recomart_lib.core import shops, tables
from recomart_lib.features import registry_history
from recomart_lib.ingest import lake_verification, manifests
from recomart_lib.stream import commit_log, compaction


def litter(folder: Path, suffix: str) -> None:
    """Put into a folder what desktops and editors leave, and what bears the name of a file and is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", f"._x{suffix}", f".x{suffix}.swp", f".x{suffix}"):
        (folder / name).write_bytes(b"\x00\x05\x16\x07")
    (folder / f"folder{suffix}").mkdir()
    (folder / f"link{suffix}").symlink_to("/nowhere/at/all")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    return tmp_path


def test_shops(project):
    litter(project / "shops", ".yaml")
    (project / "shops/tiny.yaml").touch()
    assert shops.all_names() == completion.shops("") == ["tiny"]


def test_the_lake(tmp_path):
    raw = tmp_path / "raw"
    manifest = ingest_chunks(raw, "users", Chunk(rows("users", {"user_id": "u"})))
    folder = (raw / manifest["path"]).parent
    for suffix in (".json", ".parquet"):
        litter(folder / suffix[1:], suffix)
        for path in (folder / suffix[1:]).iterdir():
            path.rename(folder / path.name)
    litter(raw / "source=x/type=users", ".json")
    assert [entry["path"] for entry in manifests.versions(raw, "x", "users")] == [manifest["path"]]
    assert lake_verification.verify(raw).height == 0


def test_the_streaming_zone(tmp_path):
    zone = commit_log.Zone(tmp_path, "x", "UTC")
    put(zone, 0, 0, 2)
    compaction.compact(zone)
    put(zone, 0, 2, 1)
    litter(zone.root / "compacted", ".json")
    litter(zone.root / "log/t-0", ".json")
    litter(zone.root / "segments/t-0", ".parquet")
    (zone.root / "compacted/notes.json").write_text("{}")
    (zone.root / "segments/t-0/notes.parquet").write_text("")
    compaction.compact(zone)
    assert commit_log.read(zone).height == 3
    assert [int(path.stem) for path in commit_log.compactions(zone)] == [1, 2]


def test_tables_and_their_versions(project):
    folder = project / "data/prepared"
    tables.write(pl.DataFrame({"a": [1]}), folder, "a.parquet")
    before = tables.fingerprint(folder), registry_history.data_version(folder)
    litter(folder, ".parquet")
    for name in ("Thumbs.db", "desktop.ini"):
        (folder / name).unlink()  # DVC ignores them by name
    assert (tables.fingerprint(folder), registry_history.data_version(folder)) == before


def test_reports(project):
    for folder, suffix in (("sidecars", ".json"), ("profiles", ".html"), (".", ".ipynb")):
        litter(project / "reports" / folder, suffix)
    (project / "reports/sidecars/01_ingest.json").write_text('{"state": "ok"}')
    (project / "reports/profiles/users.html").touch()
    assert [stage["stage"] for stage in sidecars.stages(project)] == ["01_ingest"]
    assert index._links(project / "reports") == ["profiles/users.html"]


@pytest.mark.parametrize("content", [b"[1]", b"\xff", b"{", b"7"])
def test_a_sidecar_that_is_none_counts_as_empty(tmp_path, content):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    assert sidecars.read(path) == {}
    path.write_text("[" * 100_000)
    assert sidecars.read(path) == {}
    assert sidecars.read(tmp_path) == {}


def test_files_of_the_simulated_shop(tmp_path):
    (tmp_path / "products.json").write_text("[]")
    (tmp_path / "users.csv").write_text("user_id\nu\n")
    litter(tmp_path / "transactions", ".csv")
    (tmp_path / "transactions/2025-01-01.csv").write_text("id\n1\n")
    assert api._tables(tmp_path)["transactions"] == [b'{"id": "1"}']
