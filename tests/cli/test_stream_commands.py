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


def test_quarantine_moves_an_event_and_dead_letters_shows_it(root, call):
    assert call("stream", "quarantine")[1].startswith("0 events moved ")
    for _ in range(2):
        call("stream", "produce", "--limit", "5", "--live")
    call("stream", "consume", "--idle", "2")
    zone = stream.zone_of(params.load())
    event_id = commit_log.read(zone).get_column("event_id")[3]
    status, out, complaint = call("stream", "quarantine", "--event-id", event_id, "--dry-run")
    assert (status, commit_log.read(zone).height) == (0, 10), complaint
    assert "1 event would become dead letters" in out
    status, out, complaint = call("stream", "quarantine", "--event-id", event_id, "--reason", "a wrong basket")
    assert status == 0, complaint
    assert f"1 dead letter sent to {params.load().stream.dead_letter_topic}" in out
    assert commit_log.read(zone).height == online_events.events_of("u", root).height == 9
    shown = call("stream", "dead-letters", "--contains", "basket")[1]
    assert "a wrong basket" in shown
    assert event_id in shown
    assert "9 events of 1 day " in call("stream", "compact")[1]
    status, _, complaint = call("stream", "quarantine", "--event-id", event_id)
    assert (status, "no event with 1 of these ids" in complaint) == (1, True)


def test_quarantine_without_a_broker_says_that_the_next_call_sends(root, call):
    call("stream", "produce", "--limit", "5")
    call("stream", "consume", "--idle", "2")
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["stream"]["bootstrap_servers"] = ""
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    assert "the next call sends them" in call("stream", "quarantine", "--event-id", "e1")[1]


@pytest.mark.slow
def test_verify_names_a_damaged_file_and_a_consumer_goes_on_without_it(root, call, caplog):
    assert call("stream", "verify")[:2] == (0, "All 0 files of the streaming zone are unchanged.\n")
    call("stream", "produce", "--limit", "5")
    call("stream", "consume", "--idle", "2")
    call("stream", "compact")
    assert call("stream", "verify")[0] == 0
    (file,) = (root / paths.STREAMING).glob("*/*/date=*/*.parquet")
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    (root / online_events.FILE).write_bytes(b"")
    status, out, complaint = call("stream", "verify")
    assert (status, file.name in out, "offsets 0 to" in out) == (1, True, True)
    assert "1 problem in " in complaint
    call("stream", "produce", "--limit", "5", "--live")
    status, out, complaint = call("stream", "consume", "--idle", "2")
    assert (status, out.split(" made ")[0]) == (0, "5 events"), complaint
    assert online_events.events_of("u", root).height == 5  # without those in the damaged file
    assert caplog.text.count("01-01/00000001") == caplog.text.count("fresh.db is damaged") == 1
    file.write_bytes(content)
    assert call("stream", "verify")[0] == 0


@pytest.mark.slow
def test_a_zone_that_was_moved_away_is_read_again(root, call):
    """What docs/streaming.md says about damaged files without a backup."""
    call("stream", "produce", "--limit", "20")
    call("stream", "consume", "--idle", "2")
    zone = stream.zone_of(params.load())
    zone.root.parent.rename(root / "moved away")
    status, out, complaint = call("stream", "consume", "--idle", "2")
    assert (status, out.split(" made ")[0]) == (0, "20 events"), complaint
    assert call("stream", "verify")[0] == 0


@pytest.mark.parametrize("line", ["no.such: 1", "security.protocol: ${KAFKA_PASSWORD}", "sasl.password: s3cret-value"])
def test_a_wrong_client_property_is_one_sentence_in_every_command(root, call, monkeypatch, line):
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret-value")
    content = yaml.safe_load((root / "params.yaml").read_text())
    content["stream"]["client"] = yaml.safe_load(line)
    (root / "params.yaml").write_text(yaml.safe_dump(content))
    commands = [
        ("consume", "--idle", "1"),
        ("status",),
        ("produce", "--limit", "1"),
        ("quarantine", "--event-id", "e1"),
    ]
    for command in commands:
        status, out, complaint = call("stream", *command)
        assert "Traceback" not in out + complaint
        assert "s3cret-value" not in out + complaint
        if command[0] in ("consume", "produce"):
            assert status == 1
            assert f"stream.client.{line.split(':')[0]}: " in complaint


def test_status_names_a_partition_that_is_shorter_at_the_broker(root, call):
    topic, zone = params.load().stream.topic, stream.zone_of(params.load())
    none, dead = pl.DataFrame(schema=commit_log.ROWS), pl.DataFrame(schema=commit_log.DEAD)
    stats = {"n_messages": 90, "n_duplicates": 90, "latency": {}, "sent": 0}
    commit_log.commit(zone, f"{topic}-0", 0, 90, none, dead, lambda: stats)
    assert call("stream", "produce", "--limit", "5")[0] == 0
    assert f"{topic}-0: the broker has fewer messages than the zone" in call("stream", "status")[1]


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
