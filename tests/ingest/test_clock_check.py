"""A clock that went back, or was ahead, is reported; one that is right is not mentioned."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import utc

from recomart_lib.core import clock, source_files
from recomart_lib.ingest import clock_check, ingestion, lake, takeaways
from recomart_lib.ingest.settings import Ingest

NOW = utc(2026, 6, 15, 12)


@pytest.fixture
def tiny(tmp_path, tiny_shop):
    tiny = tiny_shop(tmp_path)
    for file in tiny.source.iterdir():
        os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    return tiny


@pytest.fixture
def run(tiny, tmp_path, monkeypatch):
    """Ingest with the clock ahead by some time: what the report says about the clock."""

    def run(ahead: timedelta = timedelta()) -> str:
        monkeypatch.setattr(clock, "now", lambda: NOW + ahead)
        ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest())
        return takeaways.clock(clock_check.from_future(tiny.shop, tiny.source, tmp_path / "raw", Ingest()))

    return run


@pytest.mark.parametrize("minutes", [0, 1, 60, 100_000])
def test_a_clock_that_goes_on_is_not_mentioned(run, minutes):
    assert run() == ""
    assert run(timedelta(minutes=minutes)) == ""


def test_a_clock_that_went_back_is_reported_and_logged(run, tiny, caplog):
    run(timedelta(days=3))
    with caplog.at_level(logging.WARNING):
        sentence = run()
    assert "clock of this machine is 3 days behind the last ingestion" in sentence
    assert "2026-06-18 12:00 UTC; it is 2026-06-15 12:00 UTC now" in sentence
    assert "delete the 3 manifests" in sentence
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    when = "of 2026-06-18 12:00 UTC, later than now"
    assert warnings == [f"users.csv in the lake is {when}: is the clock of this machine right?"]


def test_the_remedy_works(run, tmp_path):
    run(timedelta(days=365))
    for manifest in (tmp_path / "raw").rglob("*.json"):
        manifest.unlink()
    assert run() == ""
    assert lake.last_ingestion(tmp_path / "raw", "tiny", ["users", "items", "events"]) == NOW


def test_delivered_files_from_the_future_say_that_the_clock_is_behind(run, tiny):
    later = (NOW + timedelta(hours=5)).timestamp()
    os.utime(tiny.source / "events.csv", (later, later))
    sentence = run()
    assert "**1 delivered file is up to 5.0 hours later than the clock of this machine** (events.csv" in sentence
    assert "events in the future" in sentence


def test_a_correction_is_read_after_the_clock_was_a_year_ahead(run, tiny, tmp_path):
    run(timedelta(days=365))
    events = (tiny.source / "events.csv").read_text()
    (tiny.source / "events.csv").write_text(events.replace("e1,", "corrected,"))
    run()
    assert lake.read(tmp_path / "raw", "tiny", "events")["event_id"][0] == "corrected"


@pytest.mark.parametrize(("year", "n_files"), [(-3_000_000, 0), (1950, 0), (10_000, 1), (3_000_000, 1)])
def test_a_file_may_have_a_year_that_no_calendar_has(tiny, tmp_path, monkeypatch, year, n_files):
    """As file systems with 64 bits for seconds can."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    file = SimpleNamespace(stat=lambda: SimpleNamespace(st_mtime=(year - 1970) * 365.25 * 86_400))
    file.relative_to = lambda _: Path("users.csv")
    monkeypatch.setattr(source_files, "files", lambda _, table, *__: [file] if table == "users" else [])
    files = clock_check.from_future(tiny.shop, tiny.source, tmp_path / "raw", Ingest())
    assert files.height == n_files
    assert takeaways.clock(files).count("users") == n_files
