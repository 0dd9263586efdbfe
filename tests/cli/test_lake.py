"""`recomart lake` and `recomart quarantine`, called as on the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import EVENTS, ROOT, utc
from repair_data import BAD

from recomart_lib.core import shops
from recomart_lib.ingest import ingestion, lake
from recomart_lib.ingest.settings import Ingest
from recomart_lib.validate import row_checks
from recomart_lib.validate.settings import Validate


@pytest.fixture
def project(tmp_path, tiny_shop, monkeypatch) -> Path:
    """A project whose shop is tiny: ingested and validated."""
    tiny = tiny_shop(tmp_path, events=BAD)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text("base: {shop: tiny, source: source, seed: 1}\n")
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    raw, data = tmp_path / "data" / "raw", tmp_path / "data"
    ingestion.ingest(tiny.shop, tiny.source, raw, Ingest(max_rejected=1))
    lake_tables = {table: lake.table(raw, "tiny", table) for table in tiny.shop.delivered}
    row_checks.check_tables(
        tiny.shop, lake_tables, Validate(), utc(2025, 1, 1), data / "validated", data / "quarantine"
    )
    return tmp_path


def test_lake_show_lists_tables_then_files_then_one_manifest(project, call):
    status, output, _ = call("lake", "show")
    assert (status, [word in output for word in ("users", "items", "events")]) == (0, [True] * 3)
    (project / "source" / "events.csv").write_text(EVENTS)
    ingestion.ingest(
        shops.read(project / "shops" / "tiny.yaml"), project / "source", project / "data" / "raw", Ingest()
    )
    _, output, _ = call("lake", "show", "events")
    assert output.count("events.csv") == 2
    assert [line.split()[-1] for line in output.splitlines()] == ["read", "no", "yes"]
    assert f"  {lake.newest(project / 'data/raw', 'tiny', 'events')['events.csv']['sha256'][:10]}  " in output
    for name in ("users.csv", "users"):
        _, output, _ = call("lake", "show", name)
        assert json.loads(output)["rows_landed"] == 3
    version = json.loads(output)["sha256"][:10]
    assert json.loads(call("lake", "show", version)[1])["file"] == "users.csv"


def test_lake_show_accepts_days_and_suggests_names(project, call):
    day = lake.newest(project / "data/raw", "tiny", "events")["events.csv"]["path"].split("date=")[1][:10]
    assert json.loads(call("lake", "show", day)[1])["file"] == "events.csv"
    status, _, complaint = call("lake", "show", "evnts")
    assert (status, "Did you mean 'events'?" in complaint) == (1, True)
    assert "Nothing of shop 'other'" in call("lake", "show", "--shop", "other")[2]


def test_lake_show_does_not_look_for_a_shop_outside_the_lake(project, call):
    status, _, complaint = call("lake", "show", "--shop", "../../tiny")
    assert (status, "--shop: '../../tiny' is not a name" in complaint) == (1, True)


def test_lake_verify_names_what_changed(project, call):
    assert call("lake", "verify")[1] == "All 3 ingested files are unchanged.\n"
    next((project / "data/raw").rglob("type=users/**/*.parquet")).write_bytes(b"x")
    status, output, complaint = call("lake", "verify")
    assert status == 1
    assert [line.split()[1] for line in output.splitlines()] == ["file", "users.csv"]
    assert "is cut short" in output
    assert "1 problem(s) in the lake (3 ingested files)" in complaint
    assert "dvc checkout data/raw" in complaint


def test_quarantine_show_counts_and_then_shows_rows(project, call):
    _, output, _ = call("quarantine", "show")
    assert "event_user_known" in output
    _, output, _ = call("quarantine", "show", "events", "--rule", "quantity")
    assert "events.csv" in output
    assert "e6" in output
    assert "e7" not in output
    assert "Did you mean 'events'?" in call("quarantine", "show", "event")[2]


def test_quarantine_export_and_replay_print_the_next_step(project, call):
    _, output, _ = call("quarantine", "export")
    assert "data/repair/events.csv: 3 rows" in output
    assert "recomart quarantine replay data/repair" in output
    status, output, _ = call("quarantine", "replay")
    assert status == 0
    assert (
        "events: 2 rows are queued in data/replay; 1 unreadable lines were not filled in and stay in quarantine"
        in output
    )
    assert "dvc repro" in output
    assert len(list((project / "data/replay/tiny").iterdir())) == 1
    status, _, complaint = call("quarantine", "replay", "elsewhere")
    assert (status, "recomart quarantine export" in complaint) == (1, True)
    assert "events: 2 rows" in call("quarantine", "replay", "--unchanged")[1]


def test_without_data_the_error_says_what_to_run(project, call):
    shutil.rmtree(project / "data")
    assert call("lake", "verify")[1] == "Nothing is ingested yet.\n"
    for words in (["lake", "show"], ["quarantine", "show"], ["quarantine", "export"]):
        status, _, complaint = call(*words)
        assert status == 1
        assert "dvc repro" in complaint
        assert "Traceback" not in complaint
