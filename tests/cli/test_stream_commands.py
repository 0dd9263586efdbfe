"""`recomart stream`: replay, consume, compact and report events."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import yaml
from conftest import ROOT, utc

from recomart.cli import stream
from recomart.project import params
from recomart_lib.core import paths
from recomart_lib.core.schemas import EVENTS
from recomart_lib.features import online_events
from recomart_lib.stream import commit_log

N = 60


@pytest.fixture
def root(tmp_path, monkeypatch, embedded_broker):
    """A project with validated events, and a broker that params.yaml names."""
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    shutil.copytree(ROOT / "shops", tmp_path / "shops")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["base"]["shop"] = "simulated"
    name = f"cli-{tmp_path.name}"
    content["stream"] |= {
        "bootstrap_servers": embedded_broker,
        "topic": name,
        "dead_letter_topic": f"{name}.dead",
        "group": name,
    }
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / paths.VALIDATED).mkdir(parents=True)
    columns = {
        "event_id": [f"e{n}" for n in range(N)],
        "user_id": ["u"] * N,
        "item_id": ["a"] * N,
        "event_type": ["view"] * N,
        "timestamp": [utc(2026, 1, 1)] * N,
    }
    columns |= {name: [None] * N for name in EVENTS if name not in columns}
    pl.DataFrame(columns, schema=EVENTS).write_parquet(tmp_path / paths.VALIDATED / "events.parquet")
    return tmp_path


def test_produce_consume_compact_status(root, call):
    status, out, complaint = call("stream", "produce", "--limit", "50")
    assert (status, out.split(" on ")[0]) == (0, "50 events"), complaint
    status, out, complaint = call("stream", "consume", "--idle", "2")
    assert (status, out.split(" made ")[0]) == (0, "50 events"), complaint
    zone = stream.zone_of(params.load())
    assert commit_log.read(zone).height == 50
    assert call("stream", "compact")[1].startswith("50 events of 1 day ")
    status, out, _ = call("stream", "status")
    assert status == 0
    assert "50 messages = 50 events + 0 dead letters + 0 duplicates" in out


def test_live_events_reach_the_online_features(root, call):
    for _ in range(2):
        assert call("stream", "produce", "--limit", "10", "--live")[0] == 0
    assert call("stream", "consume", "--idle", "2")[1].startswith("20 events ")
    found = online_events.events_of("u", root)
    assert found.height == 20
    assert found.get_column("timestamp").min() > datetime.now(UTC) - timedelta(minutes=5)


def test_status_without_events(root, call):
    assert "No events yet" in call("stream", "status")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("produce", "--rate", "5", "--speed-up", "2"), "exclude each other"),
        (("produce", "--file", "no.parquet"), "no.parquet is missing"),
    ],
)
def test_a_user_error_is_one_sentence(root, call, words, message):
    status, _, complaint = call("stream", *words)
    assert status == 1
    assert message in complaint
