"""The header of all pages."""

from __future__ import annotations

import json

import pytest
import yaml

from recomart.project import sidecars
from recomart.reports import header

PIPELINE = {
    "ingest": {"cmd": "recomart stage 01_ingest", "outs": ["data/raw"]},
    "validate": {"cmd": "recomart stage 02_validate", "deps": ["data/raw"]},
    "stream": {"cmd": "recomart stage 09_stream"},
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": PIPELINE}, sort_keys=False))
    (tmp_path / "reports/sidecars").mkdir(parents=True)
    (tmp_path / "reports/01_ingest.html").touch()
    return tmp_path


def record(root, stage, **metadata):
    (root / f"reports/sidecars/{stage}.json").write_text(json.dumps({"stage": stage, "state": "ok", **metadata}))


def test_a_stage_has_its_state_and_a_link_where_there_is_a_report(root):
    record(root, "01_ingest", verdict="passed")
    record(root, "09_stream", verdict="no data", verdict_reason="nothing was streamed")
    stages = header.with_states(root, "index.html")["nav"]
    assert [(stage["name"], stage["href"], stage["state"], stage["chip"]) for stage in stages] == [
        ("Ingest", "01_ingest.html", "ok", "ok"),
        ("Validate", None, "not run yet", ""),
        ("Stream", None, "no data", ""),
    ]


def test_only_a_stage_that_completed_is_shown_by_its_verdict(root):
    record(root, "01_ingest", state="failed", verdict="passed")
    record(root, "02_validate", verdict="warning", verdict_reason="x")
    record(root, "09_stream", verdict="<b>perfect</b>")
    stages = sidecars.stages(root)
    assert [sidecars.shown_state(stage) for stage in stages] == ["failed", "stale", "ok"]
    assert [(stage["verdict"], stage["verdict_reason"]) for stage in stages] == [
        ("passed", None),
        ("warning", "x"),
        (None, None),
    ]


def test_the_model_card_is_linked_where_there_is_one(root):
    def others(page):
        return [href for href, _ in header.with_states(root, page)["more"]]

    assert others("index.html") == ["changes.html", "search.html"]
    assert others("model_card.html") == ["changes.html", "model_card.html", "search.html"]
    (root / "reports/model_card.html").touch()
    assert others("index.html") == others("model_card.html")


def test_steps_to_the_neighbours():
    names = ["01_a", "02_b", "03_c"]
    before, after = header.steps("02_b", names).values()
    assert (before["href"], after["href"]) == ("01_a.html", "03_c.html")
    assert header.steps("01_a", names)["before"] is None
    assert header.steps("03_c", names)["after"] is None
    assert header.steps("", []) == {"before": None, "after": None}
