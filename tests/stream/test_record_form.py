"""A commit with content that no reader can use is one sentence that names it, whoever wrote it."""

from __future__ import annotations

import json

import pytest
from zone_data import put

from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, verification


@pytest.fixture
def zone(tmp_path):
    zone = commit_log.Zone(tmp_path, "s", "UTC")
    put(zone, 0, 0, 2)
    return zone


def changed(path, change) -> str:
    record = json.loads(path.read_text())
    del record["check"]  # as an earlier version, or a forger, wrote it
    change(record)
    return json.dumps(record)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda record: record.update(next=2.0), "next: input should be a valid integer"),
        (lambda record: record.update(n_events="2"), "n_events: input should be a valid integer"),
        (lambda record: record.update(rows="x"), "rows: input should be a valid dictionary"),
        (lambda record: record["rows"].pop("sha256"), "rows.sha256: field required"),
        (lambda record: record["rows"].update(path="../../x"), "rows.path: value error, it is no file of the zone"),
        (lambda record: record["rows"].update(path="/etc/passwd"), "rows.path: value error, it is no file of the zone"),
        (lambda record: record.pop("latency"), "latency: field required"),
        (lambda record: record.pop("committed_at"), "committed_at: field required"),
    ],
    ids=["float", "text", "no file", "no hash", "above", "elsewhere", "no latency", "no time"],
)
def test_a_commit_has_what_its_readers_rely_on(zone, change, complaint):
    path = next(zone.root.glob("log/*/*.json"))
    path.write_text(changed(path, change))
    with pytest.raises(UserError, match=rf"{path} is damaged \({complaint}"):
        commit_log.read(zone)
    assert verification.verify(zone)[0].height == 1


@pytest.mark.parametrize("kind", ["deep", "folder", "dangling"])
def test_what_is_no_commit_is_named(zone, kind):
    path = next(zone.root.glob("log/*/*.json"))
    path.unlink()
    if kind == "deep":
        path.write_text("[" * 100_000)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("nowhere")
    with pytest.raises(UserError, match=rf"{path} is damaged"):
        commit_log.read(zone)
    assert verification.verify(zone)[0].height == 1


def test_a_commit_of_an_earlier_version_is_read(zone):
    path = next(zone.root.glob("log/*/*.json"))
    path.write_text(changed(path, lambda record: record["rows"].pop("offsets")))
    assert commit_log.read(zone).height == 2


@pytest.mark.parametrize("kind", ["text", "endless", "folder"])
def test_a_damaged_note_of_sent_letters_is_a_lost_one(zone, kind):
    path = zone.root / "sent" / "t-0"
    path.parent.mkdir()
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("²" if kind == "text" else "9" * 5_000)
    assert commit_log.position(zone, "t-0").sent == 0
