"""Verification of a streaming zone: what is damaged, missing or moved is found, and a sound zone has no problem."""

from __future__ import annotations

import json
import os
import shutil
from datetime import timedelta

import pytest
from zone_data import put

from recomart_lib.stream import commit_log, compaction, verification


@pytest.fixture
def zone(tmp_path):
    zone = commit_log.Zone(tmp_path, "s", "UTC")
    put(zone, 0, 0, 3, letter=True, apart=timedelta(days=1))
    put(zone, 1, 0, 2)
    compaction.compact(zone, 1)
    for first in (4, 6, 8):
        put(zone, 0, first, 1, letter=True)
    return zone


def problems(zone) -> list[tuple]:
    return verification.verify(zone)[0].rows()


def test_a_sound_zone_has_no_problems(zone):
    found, n_files = verification.verify(zone)
    assert found.height == 0
    assert n_files == 1 + 3 + 3 + 6  # the compaction, commits, merged files (a day, the rest, dead letters), segments
    compaction.compact_all(zone)
    (zone.root / "segments" / "t-0" / "00000000000000000099-killed.parquet").write_bytes(b"half")
    assert problems(zone) == []


@pytest.mark.parametrize("pattern", ["date=*/*.parquet", "rest/*.parquet", "dead/*.parquet", "segments/t-0/*.parquet"])
def test_each_kind_of_file_is_checked(zone, pattern):
    path = max(zone.root.glob(pattern))
    path.write_bytes(path.read_bytes() + b" ")
    ((place, sentence, contents),) = problems(zone)
    assert place == path.relative_to(zone.root).as_posix()
    assert sentence.startswith("is damaged: its SHA-256")
    assert "offsets" in contents
    path.unlink()
    assert problems(zone)[0][1] == "is missing"


def test_a_damaged_commit_is_named_and_those_behind_it_are_not_read(zone):
    path = zone.root / "log" / "t-0" / f"{6:020d}.json"
    for damage in (lambda: path.write_text("{"), path.unlink):
        damage()
        rows = problems(zone)
        assert rows[-1] == (
            f"log/t-0/{8:020d}.json",
            "is not read: the log ends at offset 6; a commit, or a compaction, before it is missing",
            "t-0 offsets 8 to 9",
        )
    assert len(rows) == 1


def test_a_missing_compaction_is_noticed(zone):
    next(zone.root.glob("compacted/*.json")).unlink()
    for path in zone.root.glob("log/*/00000000000000000000.json"):
        path.unlink()  # as a sweep does, ten minutes after the compaction
    assert "the log ends at offset 0" in problems(zone)[0][1]


def test_a_damaged_compaction_is_named(zone):
    path = next(zone.root.glob("compacted/*.json"))
    path.write_text(path.read_text().replace('"number": 1', '"number": 2'))
    ((place, sentence, _),) = problems(zone)
    assert place == "compacted/00000001.json"
    assert sentence.startswith("is damaged (its content is not what was committed)")


def test_a_copied_commit_is_named(zone):
    folder = zone.root / "log" / "t-0"
    shutil.copy(folder / f"{8:020d}.json", folder / f"{10:020d}.json")
    ((place, sentence, _),) = problems(zone)
    assert place == f"log/t-0/{10:020d}.json"
    assert "it is a copy of t-0/00000000000000000008" in sentence


def test_counts_that_are_not_those_of_the_files_are_noticed(zone):
    path = zone.root / "log" / "t-0" / f"{8:020d}.json"
    record = json.loads(path.read_text())
    del record["check"]  # as an earlier version, or a forger, wrote it
    path.write_text(json.dumps(record | {"n_events": 5}))
    assert [sentence for _, sentence, _ in problems(zone)] == [
        "n_events is 12, but the files have 8",
        "n_messages is not n_events + n_dead + n_duplicates",
    ]


def test_foreign_files_are_left_alone(zone):
    """What macOS and people leave in folders: no sweep stops at them, nothing deletes them."""
    folders = [path for path in zone.root.rglob("*") if path.is_dir()]
    names = ("._00000001-ab.parquet", ".DS_Store", "notes.parquet", "copy of 1.json", "._00000000000000000000.json")
    foreign = [folder / name for folder in folders for name in names]
    for path in foreign:
        path.write_bytes(b"foreign")
        os.utime(path, (0, 0))
    assert problems(zone) == []
    compaction.compact_all(zone)
    compaction.sweep(zone)
    assert commit_log.read(zone).height == 8
    assert all(path.exists() for path in foreign)


def test_the_zones_of_all_shops_are_found(zone, tmp_path):
    put(commit_log.Zone(tmp_path, "another", "UTC"), 0, 0, 1)
    assert sorted(found.shop for found in verification.zones(tmp_path)) == ["another", "s"]
    assert verification.zones(tmp_path / "none") == []
