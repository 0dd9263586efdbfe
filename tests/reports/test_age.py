"""The line about the age of the data, below the header of all pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from recomart.reports import age, header, rendering

STARTED = "2026-11-27T23:14:00+00:00"


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (
            "2011-12-09T12:50:00+00:00",
            "Data up to 2011-12-09 12:50 UTC, 5,467 days (15 years) before this run of 2026-11-27 23:14 UTC.",
        ),
        (
            "2026-11-26T12:00:00+01:00",
            "Data up to 2026-11-26 11:00 UTC, 1 day before this run of 2026-11-27 23:14 UTC.",
        ),
        (
            "2026-11-27T22:00:00+00:00",
            "Data up to 2026-11-27 22:00 UTC, less than a day before this run of 2026-11-27 23:14 UTC.",
        ),
        (
            "2026-12-27T22:00:00+00:00",
            "Data up to 2026-12-27 22:00 UTC, after this run of 2026-11-27 23:14 UTC.",
        ),
        (None, "Run of 2026-11-27 23:14 UTC."),
        ("<b>", "Run of 2026-11-27 23:14 UTC."),
    ],
)
def test_the_age_is_that_at_the_start_of_the_run(last, expected):
    assert age.line(last, STARTED) == expected
    assert age.line(last, None) == ""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "reports/metrics").mkdir(parents=True)
    (tmp_path / "reports/metrics/data.json").write_text(json.dumps({"last": "2026-11-01T00:00:00+00:00"}))
    (tmp_path / "data/validated").mkdir(parents=True)
    moments = [datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)]
    pl.DataFrame({"timestamp": moments}).write_parquet(tmp_path / "data/validated/events.parquet")
    return tmp_path


def test_each_stage_knows_the_newest_event_of_its_own_data(root):
    """01 and 09 read what was delivered; 02 and 03 run before 04 has said what the data of the models is."""
    newest = [age.last_event(root, name) for name in ("01_ingest", "02_validate", "03_explore", "07_evaluate")]
    assert newest == [None, "2026-11-03T00:00:00+00:00", "2026-11-03T00:00:00+00:00", "2026-11-01T00:00:00+00:00"]
    assert age.of_stage(root, "01_ingest")["age_link"] == age.HOW_OLD
    assert age.of_stage(root, "02_validate")["age_link"] == age.UP_TO_DATE


@pytest.mark.parametrize("moments", [None, []], ids=["no table", "no events"])
def test_without_events_there_is_no_age(tmp_path, moments):
    if moments is not None:
        (tmp_path / "data/validated").mkdir(parents=True)
        table = pl.DataFrame({"timestamp": moments}, schema={"timestamp": pl.Datetime("us", "UTC")})
        table.write_parquet(tmp_path / "data/validated/events.parquet")
    assert age.of_stage(tmp_path, "02_validate") == {"data_until": None, "age_link": age.HOW_OLD}
    assert age.of_project(tmp_path, []) == {"age_line": "", "age_link": None, "older": ""}


def shown(**content) -> str:
    return rendering.templates().get_template("header.html.j2").render({**header.without_states([]), **content})


def test_the_page_of_a_stage_names_the_newest_event_and_no_run(root):
    page = shown(**age.of_stage(root, "02_validate"))
    time = '<time datetime="2026-11-03T00:00:00+00:00" data-ago>2026-11-03 00:00 UTC</time>'
    assert f"Data up to {time}. <a href=" in page
    assert "run of" not in page
    assert "Data up to" not in shown(**age.of_stage(root, "01_ingest"))


def test_pages_that_are_older_than_their_inputs_are_named(root):
    stages = [
        {"stage": "02_validate", "title": "02 Validate", "state": "failed", "started": STARTED},
        {"stage": "04_prepare", "title": "04 <Prepare>", "state": "stale", "started": "2026-11-20T00:00:00+00:00"},
    ]
    line = age.of_project(root, stages)
    assert line["older"] == "04 <Prepare>"
    assert "Data up to 2026-11-01 00:00 UTC, 26 days before this run of 2026-11-27 23:14 UTC." in shown(**line)
    assert "<b>Older than its inputs: 04 &lt;Prepare&gt;. Run <code>dvc repro</code>.</b>" in shown(**line)
    assert "Older than" not in shown(**age.of_project(root, stages[:1]))
    assert "aside" not in shown()
