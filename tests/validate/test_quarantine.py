"""The way back of quarantined rows: exported, repaired, replayed, ingested in place of the delivered rows."""

from __future__ import annotations

import copy
import csv
from pathlib import Path

import polars as pl
import pytest
from conftest import DECLARED, EVENTS, ITEMS, utc
from repair_data import BAD

from recomart_lib.core.errors import UserError
from recomart_lib.ingest import ingestion, lake
from recomart_lib.ingest.settings import Ingest
from recomart_lib.validate import quality_report, quarantine, row_checks
from recomart_lib.validate.settings import Validate

FORMULA = ITEMS + "d,=1+1,tools,-Acme,-5\n"


class Project:
    """A tiny shop with its lake, quarantine and replay folder."""

    def __init__(self, tiny, folder: Path) -> None:
        self.shop, self.source = tiny.shop, tiny.source
        self.raw, self.waiting, self.repaired = folder / "raw", folder / "replay", folder / "repair"
        self.validated, self.quarantine = folder / "validated", folder / "quarantine"

    def run(self, **settings: object) -> dict:
        """Ingest and validate; return the quality report."""
        ingestion.ingest(self.shop, self.source, self.raw, Ingest(max_rejected=1), self.waiting)
        lake_tables = {table: lake.table(self.raw, "tiny", table) for table in self.shop.delivered}
        counts, _ = row_checks.check_tables(
            self.shop, lake_tables, Validate(**settings), utc(2025, 1, 1), self.validated, self.quarantine
        )
        return quality_report.report(counts, lake_tables, Validate(**settings))

    def repair(self, table: str, **cells: dict[str, str]) -> None:
        """Export, and change cells of rows by their reasons: part of a reason -> cells."""
        quarantine.export(self.quarantine, self.repaired)
        path = self.repaired / f"{table}.csv"
        with path.open(newline="") as stream:
            records = list(csv.DictReader(stream))
        for record in records:
            for reason, changed in cells.items():
                if reason in record["reasons"]:
                    record.update(changed)
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(records[0]))
            writer.writeheader()
            writer.writerows(records)

    def replay(self, unchanged: bool = False) -> dict[str, tuple[int, int]]:
        return quarantine.replay(
            self.shop, self.raw, self.quarantine, self.waiting, None if unchanged else self.repaired
        )

    def event_ids(self) -> list[str]:
        return sorted(pl.read_parquet(self.validated / "events.parquet")["event_id"])


@pytest.fixture
def project(tmp_path, tiny_shop):
    project = Project(tiny_shop(tmp_path, items=FORMULA, events=BAD), tmp_path)
    project.run()
    return project


def places(report: dict, table: str = "events") -> tuple[int, ...]:
    row = report["tables"][table]
    return tuple(row[name] for name in ("delivered", "rejected", "landed", "repaired", "good", "quarantined"))


def test_quarantined_rows_have_their_reasons_and_place(project):
    rows = (
        quarantine.read(project.quarantine, "events")
        .select("reasons", "source_file", "source_line", "event_id", "raw")
        .rows()
    )
    assert rows == [
        ("quantity_possible", "events.csv", 7, "e6", None),
        ("event_user_known", "events.csv", 8, "e7", None),
        ("3 cells where the header has 9", "events.csv", 9, None, "e8,u1,b"),
    ]
    assert quarantine.summary(project.quarantine).rows() == [
        ("events", 1, "3 cells where the header has 9"),
        ("events", 1, "event_user_known"),
        ("events", 1, "quantity_possible"),
        ("items", 1, "item_price_possible"),
    ]


def test_repaired_rows_replace_the_delivered_ones(project):
    assert places(project.run()) == (8, 1, 7, 0, 5, 2)
    project.repair("events", quantity_possible={"quantity": "3"}, user_known={"user_id": "u2"})
    assert project.replay()["events"] == (2, 1)
    assert places(project.run()) == (8, 1, 7, 2, 7, 0)
    assert project.event_ids() == [f"e{n}" for n in range(1, 8)]
    event = pl.read_parquet(project.validated / "events.parquet").filter(pl.col("event_id") == "e6").row(0, named=True)
    assert (event["quantity"], event["timestamp"]) == (3, utc(2024, 2, 1, 10, 5))
    assert places(project.run()) == (8, 1, 7, 2, 7, 0)  # ingested once


def test_an_unreadable_line_can_be_filled_in(project):
    cells = {
        "event_id": "e8",
        "user_id": "u1",
        "item_id": "b",
        "event_type": "view",
        "timestamp": "2024-02-09T10:00:00Z",
    }
    project.repair("events", **{"3 cells": cells})
    assert project.replay()["events"] == (3, 0)
    assert places(project.run()) == (8, 0, 8, 3, 6, 2)
    assert "e8" in project.event_ids()
    assert lake.table(project.raw, "tiny", "events").unreadable.is_empty()


def test_a_row_that_is_still_bad_is_quarantined_again_once(project):
    project.repair("events", quantity_possible={"quantity": "-3"})
    project.replay()
    assert places(project.run()) == (8, 1, 7, 2, 5, 2)
    rows = quarantine.read(project.quarantine, "events").filter(pl.col("source_line") == 7)
    assert rows.select("quantity", "reasons").rows() == [(-3, "quantity_possible")]
    project.repair("events", quantity_possible={"quantity": "0.53"})
    project.replay()
    assert places(project.run()) == (8, 1, 7, 2, 6, 1)


def test_unchanged_rows_can_pass_a_changed_rule(project):
    assert project.replay(unchanged=True) == {"users": (0, 0), "items": (1, 0), "events": (2, 1)}
    assert places(project.run(rules={"event_user_known": "warning"})) == (8, 1, 7, 2, 6, 1)


def test_a_repair_belongs_to_the_version_that_it_was_made_for(project):
    project.repair("events", quantity_possible={"quantity": "3"})
    project.replay()
    (project.source / "events.csv").write_text(EVENTS)
    assert places(project.run()) == (5, 0, 5, 0, 5, 0)


def test_whole_numbers_are_exported_as_they_were_delivered(project):
    quarantine.export(project.quarantine, project.repaired)
    (row,) = (
        pl.read_csv(project.repaired / "events.csv", infer_schema=False)
        .filter(reasons="quantity_possible")
        .rows(named=True)
    )
    assert (row["quantity"], row["price"]) == ("0", "10")


def test_formulas_are_escaped_for_spreadsheets_and_restored(project):
    project.repair("items", item_price_possible={"price": "5"})
    text = (project.repaired / "items.csv").read_text()
    assert "'=1+1" in text
    assert ",'-Acme," in text
    project.replay()
    project.run()
    item = pl.read_parquet(project.validated / "items.parquet").filter(pl.col("item_id") == "d").row(0, named=True)
    assert (item["name"], item["brand"], item["price"]) == ("=1+1", "-Acme", 5.0)


def test_columns_of_derived_tables_are_exported_and_replayed(tmp_path, tiny_shop):
    from conftest import DECLARED

    events = DECLARED["tables"]["events"]
    derived = {"events": events, "users": {"kind": "derived", "columns": {"city": "order"}}}
    project = Project(tiny_shop(tmp_path, events=BAD, tables=derived), tmp_path)
    project.run()
    project.repair("events", quantity_possible={"quantity": "3", "users.city": "Ulm", "user_id": "u8"})
    project.replay()
    project.run()
    assert ("u8", "Ulm") in pl.read_parquet(project.validated / "users.parquet").select("user_id", "city").rows()


def test_mistakes_are_reported_and_nothing_is_replayed(project):
    project.repair("events", quantity_possible={"quantity": "three"})
    with pytest.raises(UserError, match=r"events.csv: 1 row.*the first in record 1: quantity: 'three' is not a number"):
        project.replay()
    project.repair("events", quantity_possible={"source_line": "77"})
    with pytest.raises(UserError, match=r"1 row\(s\) are not in quarantine.*record 1: events.csv, line 77"):
        project.replay()
    path = project.repaired / "events.csv"
    path.write_text(path.read_text().replace("source_version", "version"))
    with pytest.raises(UserError, match=r"lacks the column\(s\) source_version"):
        project.replay()
    assert not list(project.waiting.rglob("*.parquet"))


def test_a_quarantine_of_other_files_is_refused(project):
    project.repair("events", quantity_possible={"quantity": "3"})
    (project.source / "events.csv").write_text(EVENTS)
    ingestion.ingest(project.shop, project.source, project.raw, Ingest())
    with pytest.raises(UserError, match=r"which is not the version of shop 'tiny'.*dvc repro 02_validate"):
        project.replay()


def test_missing_files_or_quarantine_give_a_hint(project, tmp_path):
    with pytest.raises(UserError, match="recomart quarantine export"):
        project.replay()
    with pytest.raises(UserError, match="dvc repro 02_validate"):
        quarantine.export(tmp_path / "nowhere", project.repaired)


def test_a_repaired_statement_holds_from_the_same_moment(tmp_path, tiny_shop):
    tables = copy.deepcopy(DECLARED["tables"])
    tables["items"]["columns"]["valid_from"] = "since"
    dated = "a,Anvil,t,A,10,2024-01-01\na,Anvil,t,A,-12,2024-02-15 12:00\n"
    items = f"id,title,kind,maker,price,since\n{dated}b,B,,,1,\nc,C,,,1,\n"
    project = Project(tiny_shop(tmp_path, items=items, tables=tables), tmp_path)
    project.run()
    project.repair("items", item_price_possible={"price": "12"})
    project.replay()
    assert places(project.run(), "items") == (4, 0, 4, 1, 3, 0)
    history = pl.read_parquet(project.validated / "items_history.parquet").filter(pl.col("item_id") == "a")
    assert history.select("price", "valid_from").rows() == [(10, utc(2024, 1, 1)), (12, utc(2024, 2, 15, 12))]


def test_foreign_files_beside_the_replayed_rows_are_not_read(project):
    folder = project.waiting / "tiny"
    folder.mkdir(parents=True)
    for name in ("events-x.parquet", "._events-0001-ab.parquet", "events-.parquet", ".DS_Store"):
        (folder / name).write_text("foreign")
    (folder / "events-0007-ab.parquet").mkdir()
    project.replay(unchanged=True)
    project.run()
    assert [path.name[:12] for path in folder.glob("events-0001-*")] == ["events-0001-"]


def test_a_full_disk_leaves_the_last_export(project, monkeypatch):
    def full(_: pl.DataFrame, file: Path, **__: object) -> None:
        file.write_text("half")
        raise OSError(28, "No space left on device")

    quarantine.export(project.quarantine, project.repaired)
    before = {path.name: path.read_bytes() for path in project.repaired.iterdir()}
    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(OSError, match="No space left"):
        quarantine.export(project.quarantine, project.repaired)
    assert {path.name: path.read_bytes() for path in project.repaired.iterdir()} == before
