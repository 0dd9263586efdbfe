"""Files of the streaming zone: what was changed, cut or removed is named, and a consumer does not die of it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import polars as pl
import pytest
from zone_data import DAY, put

from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, compaction, log_once, moves, zone_files


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path, "s", "UTC")


@pytest.fixture(autouse=True)
def nothing_logged(monkeypatch):
    monkeypatch.setattr(log_once, "_logged", set())


def change(path: Path) -> None:
    """Another price, in a file that is otherwise as good as the one before."""
    pl.read_parquet(path, hive_partitioning=False).with_columns(price=pl.lit(0.01)).write_parquet(path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = {
    "changed": (change, "is damaged: its SHA-256"),
    "cut": (cut, "is damaged: its SHA-256"),
    "emptied": (empty, "is damaged: its SHA-256"),
    "removed": (Path.unlink, "is missing"),
}


def segment(zone) -> Path:
    return min(path for path in zone.root.glob("segments/*/*.parquet") if ".dead." not in path.name)


def day_file(zone) -> Path:
    return next(zone.root.glob("date=*/*.parquet"))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("compacted", [False, True])
def test_a_damaged_file_is_named_with_its_offsets_and_what_to_do(zone, damage, compacted):
    put(zone, 0, 0, 3)
    put(zone, 0, 3, 2)
    if compacted:
        compaction.compact(zone)
    path = day_file(zone) if compacted else segment(zone)
    commit_log.read(zone)  # a hash that this process computed earlier is no excuse
    apply, sentence = DAMAGES[damage]
    apply(path)
    readers = [commit_log.read, lambda zone: list(commit_log.read_since(zone, None))]
    readers += [commit_log.day_files] if compacted else [compaction.compact]
    for read in readers:
        with pytest.raises(UserError) as refused:
            read(zone)
        text = str(refused.value)
        assert f"{path} {sentence}" in text
        assert "t-0 offsets 0 to " in text
        assert "Restore it from a backup" in text


def test_files_of_earlier_versions_are_named_as_far_as_possible():
    file = {"path": "segments/t-0/00000000000000000007-ab.parquet", "rows": 1}
    assert zone_files.contents(file) == "1 event: t-0 from offset 7 on"
    assert zone_files.contents({"path": "date=2026-03-01/00000001-ab.parquet", "rows": 2}) == "2 events of 2026-03-01"
    assert zone_files.contents({"path": "dead/00000001-ab.parquet", "rows": 2}) == "2 dead letters"


def test_damaged_dead_letters_are_named(zone):
    put(zone, 0, 0, 1, letter=True)
    cut(next(zone.root.glob("segments/*/*.dead.parquet")))
    with pytest.raises(UserError, match=r"1 dead letter: t-0 offsets 1 to 1"):
        commit_log.dead_letters(zone)


def test_moving_an_event_checks_the_days(zone):
    put(zone, 0, 0, 3)
    compaction.compact(zone)
    change(day_file(zone))
    chosen = pl.DataFrame([("t", 0, 0, "a test")], schema=moves.MOVES, orient="row")
    with pytest.raises(UserError, match="is damaged"):
        compaction.move(zone, chosen)


def test_a_consumer_goes_on_without_damaged_files_and_says_so_once(zone, caplog):
    put(zone, 0, 0, 3)
    compaction.compact(zone)
    put(zone, 0, 3, 2, letter=True)
    cut(day_file(zone))
    cut(next(zone.root.glob("segments/*/*.dead.parquet")))
    for _ in range(2):
        assert commit_log.last_ids(zone, "t-0", 10) == ["0-3", "0-4"]
        assert [rows.height for rows in commit_log.read_since(zone, None, intact_only=True)] == [0, 2]
        assert commit_log.dead_letters(zone, "t-0", 5, intact_only=True).height == 0
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 2
    assert "not recognised on arrival" in caplog.text
    assert "not on the dead-letter topic yet are not sent" in caplog.text
    assert commit_log.position(zone, "t-0").next == 6


def test_dead_letters_that_were_sent_long_ago_are_not_read(zone):
    put(zone, 0, 0, 1, letter=True)
    compaction.compact(zone)
    next(zone.root.glob("dead/*.parquet")).unlink()
    assert commit_log.dead_letters(zone, "t-0", 2).height == 0
    with pytest.raises(UserError, match="is missing"):
        commit_log.dead_letters(zone, "t-0", 1)


def test_periodic_compaction_logs_a_damaged_file_once_and_deletes_nothing(zone, caplog):
    put(zone, 0, 0, 3)
    damaged = segment(zone)
    cut(damaged)
    content, rounds, stop = damaged.read_bytes(), [], threading.Event()

    def wait(_: float) -> bool:
        rounds.append(None)
        if len(rounds) == 3:
            put(zone, 0, 3, 2)  # the consumer goes on
        return len(rounds) > 4

    stop.wait = wait
    compaction.run_periodically(zone, 1, stop)
    assert caplog.text.count("could not be compacted") == 1
    assert damaged.read_bytes() == content
    assert commit_log.position(zone, "t-0").next == 5


def test_periodic_compaction_survives_damaged_commits(zone, caplog):
    put(zone, 0, 0, 3)
    next(zone.root.glob("log/*/*.json")).write_text("[]")
    rounds, stop = iter([False, False, True]), threading.Event()
    stop.wait = lambda _: next(rounds)
    compaction.run_periodically(zone, 1, stop)
    assert caplog.text.count("is damaged") == 1


@pytest.mark.parametrize(
    "changed",
    [
        lambda record: json.dumps(record | {"next": record["next"] + 1}),
        lambda record: json.dumps(record | {"n_events": 999}),
        lambda record: json.dumps({name: value for name, value in record.items() if name not in ("rows", "check")}),
        lambda record: json.dumps({name: value for name, value in record.items() if name != "check"} | {"next": 0}),
        lambda _: "{",
        lambda _: "",
        lambda _: "null",
        lambda _: '{"check": 1}',
    ],
    ids=["next", "count", "without rows", "endless", "cut", "empty", "null", "foreign"],
)
def test_a_changed_commit_is_one_sentence(zone, changed):
    put(zone, 0, 0, 2)
    path = next(zone.root.glob("log/*/*.json"))
    path.write_text(changed(json.loads(path.read_text())))
    with pytest.raises(UserError, match=rf"{path} is damaged"):
        commit_log.read(zone)


def test_a_changed_compaction_is_one_sentence(zone):
    put(zone, 0, 0, 2)
    compaction.compact(zone)
    path = next(zone.root.glob("compacted/*.json"))
    path.write_text(path.read_text().replace('"n_events": 2', '"n_events": 3'))
    with pytest.raises(UserError, match="its content is not what was committed"):
        commit_log.read(zone)


def test_records_of_earlier_versions_are_read(zone):
    put(zone, 0, 0, 2)
    compaction.compact(zone)
    put(zone, 0, 2, 1, DAY)
    for path in [*zone.root.glob("compacted/*.json"), *zone.root.glob("log/*/*.json")]:
        record = json.loads(path.read_text())
        earlier = {name: value for name, value in record.items() if name not in ("check", "rest")}
        path.write_text(json.dumps(earlier))
    assert commit_log.read(zone).height == 3
    compaction.compact(zone)
    assert commit_log.read(zone).height == 3


def test_a_damaged_note_of_sent_dead_letters_is_a_lost_one(zone):
    put(zone, 0, 0, 2)
    commit_log.note_sent(zone, "t-0", 2)
    (zone.root / "sent" / "t-0").write_bytes(b"\xff\x00")
    assert commit_log.position(zone, "t-0").sent == 0
