"""A file that was deleted from the lake is missed, even without its manifest; what was meant is accepted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import EVENTS

from recomart_lib.core.errors import UserError
from recomart_lib.ingest import ingestion, lake, manifests
from recomart_lib.ingest.settings import Ingest

HEAD = EVENTS.splitlines()[0] + "\n"
LINE = "e9,u1,a,view,2024-02-09 10:00:00,,,,\n"


class Project:
    """A tiny shop with a second file of events, and its lake."""

    def __init__(self, tiny, raw: Path) -> None:
        self.tiny, self.raw, self.second = tiny, raw, tiny.source / "events-2.csv"
        self.second.write_text(HEAD + LINE)
        self.inventory = raw / "source=tiny" / "inventory.json"

    def ingest(self) -> None:
        ingestion.ingest(self.tiny.shop, self.tiny.source, self.raw, Ingest())

    def path(self, file: str = "events-2.csv") -> Path:
        return self.raw / manifests.newest(self.raw, "tiny", "events")[file]["path"]


@pytest.fixture
def project(tmp_path, tiny_shop) -> Project:
    project = Project(tiny_shop(tmp_path), tmp_path / "raw")
    project.ingest()
    return project


def test_the_inventory_names_the_newest_version_of_every_file(project):
    project.second.write_text(HEAD + LINE + LINE.replace("e9", "e10"))
    project.ingest()
    stored = json.loads(project.inventory.read_text())
    assert list(stored) == ["events", "items", "users"]
    newest = manifests.newest(project.raw, "tiny", "events")["events-2.csv"]
    assert stored["events"]["events-2.csv"] == [2, newest["sha256"]]


def test_a_run_without_news_does_not_write_it(project):
    before = project.inventory.stat().st_mtime_ns
    project.ingest()
    assert project.inventory.stat().st_mtime_ns == before


@pytest.mark.parametrize("deleted", [["json"], ["json", "parquet"]], ids=str)
def test_a_deleted_file_that_is_no_longer_delivered_is_missed_in_every_run(project, deleted):
    path = project.path()
    project.second.unlink()
    for suffix in deleted:
        path.with_suffix(f".{suffix}").unlink()
    for _ in range(2):
        with pytest.raises(UserError, match=r"newest version of 1 file: events/events-2\.csv\. Run") as caught:
            project.ingest()
    assert "dvc checkout data/raw" in str(caught.value)
    problems = lake.verify(project.raw).filter(file="events-2.csv")
    assert problems["problem"].to_list() == ["was in the lake and is no longer, or only in an earlier version"]


def test_a_file_whose_newest_version_was_deleted_is_missed(project):
    project.second.write_text(HEAD + LINE + LINE.replace("e9", "e10"))
    project.ingest()
    path = project.path()
    project.second.unlink()
    path.with_suffix(".json").unlink()
    assert lake.read(project.raw, "tiny", "events").height == 6  # the earlier version is read
    with pytest.raises(UserError, match=r"events/events-2\.csv"):
        project.ingest()


def test_a_deleted_file_that_is_still_delivered_is_ingested_again(project):
    project.path().with_suffix(".json").unlink()
    project.ingest()
    assert lake.read(project.raw, "tiny", "events").height == 6
    assert lake.verify(project.raw).is_empty()


def test_a_file_may_be_deleted_together_with_the_inventory(project):
    path = project.path()
    project.second.unlink()
    for deleted in (path, path.with_suffix(".json"), project.inventory):
        deleted.unlink()
    project.ingest()
    assert list(json.loads(project.inventory.read_text())["events"]) == ["events.csv"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"events": {"a": [1]}}', "null"])
def test_a_damaged_inventory_is_named(project, content):
    project.inventory.write_text(content)
    with pytest.raises(UserError, match="is damaged") as caught:
        project.ingest()
    assert str(project.inventory) in str(caught.value)
    assert lake.verify(project.raw)["path"].to_list() == ["source=tiny/inventory.json"]


def test_verify_names_a_damaged_manifest_although_the_inventory_cannot_be_compared(project):
    manifest = project.path().with_suffix(".json")
    manifest.write_text("{")
    problems = lake.verify(project.raw)
    assert problems["path"].to_list() == [
        manifest.relative_to(project.raw).as_posix(),
        "source=tiny/inventory.json",
    ]
    assert all("is damaged" in problem for problem in problems["problem"])
