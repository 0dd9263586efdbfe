"""`recomart export`: every table with names and its documented columns, and errors that say what to do."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recomart.exports import definitions
from recomart_lib.core import schemas
from tools import docs_exports

ROOT = Path(__file__).resolve().parents[2]
MOMENT = datetime(2025, 7, 1, 22, tzinfo=UTC)
ROWS = {
    "similar": (schemas.SIMILAR, [("a", 1, "b", 0.5, 3, "item_knn", "why b")]),
    "bought_together": (schemas.BOUGHT_TOGETHER, [("a", 1, "c", 5, 10, 0.5, 3.0, 2.0, "why c")]),
    "trending": (schemas.TRENDING, [("b", 1, 9, 3, 4.0, 2.0, 8.0, "9 orders")]),
    "customers": (schemas.CUSTOMERS, [("a", 1, "u1", 2.0, 1, MOMENT)]),
    "category_customers": (schemas.CATEGORY_CUSTOMERS, []),
    "segments": (schemas.SEGMENTS, [("u0", "no order", None, None, None, None, 0, None, MOMENT)]),
}


@pytest.fixture
def stored(finished, shop_in_berlin):
    for name, (schema, rows) in ROWS.items():
        table = pl.DataFrame(rows, schema, orient="row")
        table.write_parquet(finished / f"data/recommendations/{name}.parquet")
    return finished


@pytest.fixture
def shop_in_berlin(finished):
    (finished / "shops").mkdir()
    text = (ROOT / "shops/simulated.yaml").read_text()
    zone = next(line for line in text.splitlines() if line.startswith("time_zone:"))
    (finished / "shops/simulated.yaml").write_text(text.replace(zone, "time_zone: Europe/Berlin"))
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, finished / name)


@pytest.mark.parametrize("name", definitions.EXPORTS)
def test_every_table_has_the_documented_columns(stored, call, tmp_path, name):
    out = tmp_path / f"{name}.parquet"
    status, output, _ = call("export", name, "--out", str(out))
    written = pl.read_parquet(out, glob=False)
    assert (status, written.columns) == (0, list(definitions.EXPORTS[name].columns))
    assert output == f"{out}: {written.height} {'row' if written.height == 1 else 'rows'}\n"


def test_the_tables_are_those_of_08(stored):
    sources = {export.file for export in definitions.EXPORTS.values()}
    assert {*ROWS, "recommendations", "default_list"} == sources


def test_names_and_local_times(stored, call, tmp_path):
    out = tmp_path / "x.jsonl"
    assert call("export", "customers", "--out", str(out))[0] == 0
    row = json.loads(out.read_text())
    assert (row["item_id"], row["name"], row["last"]) == ("a", "Axe", "2025-07-02T00:00:00+02:00")
    assert call("export", "similar", "--out", str(out))[0] == 0
    row = json.loads(out.read_text())
    assert (row["name"], row["other_item_id"], row["other_name"]) == ("Axe", "b", "Bow")


def test_many_pieces_are_one_table(stored, call, tmp_path, monkeypatch):
    monkeypatch.setattr(definitions, "PIECE", 1)
    assert call("export", "recommendations", "--out", str(tmp_path / "x.csv"), "--raw")[0] == 0
    found = pl.read_csv(tmp_path / "x.csv")
    assert found["user_id"].to_list() == ["u0", "u0", "new"] and found["name"].to_list() == ["Cup", "Bow", "Bow"]


def test_neutralised_cells_are_counted(stored, call, tmp_path):
    rows = pl.DataFrame([("=cmd", 1, "-9", 2.0, 0, None)], schemas.CATEGORY_CUSTOMERS, orient="row")
    rows.write_parquet(stored / "data/recommendations/category_customers.parquet")
    _, _, error = call("export", "category-customers", "--out", str(tmp_path / "x.csv"))
    assert "2 cells begin like a formula" in error and "--raw" in error
    assert (tmp_path / "x.csv").read_text(encoding="utf-8-sig").splitlines()[1].startswith("'=cmd,1,'-9,")


def test_tables_of_another_shop_and_of_a_failed_run_are_named(stored, call, tmp_path):
    sidecar = stored / "reports/sidecars/08_recommend.json"
    sidecar.parent.mkdir(parents=True)
    for metadata, words in (
        ({"shop": "other"}, "those of the shop other; the active one is simulated"),
        ({"shop": "simulated", "state": "failed"}, "did not complete"),
    ):
        sidecar.write_text(json.dumps(metadata))
        status, _, error = call("export", "trending", "--out", str(tmp_path / "x.csv"))
        assert status == 0 and words in error


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("data/x.csv", "is inside data/, which belongs to the pipeline"),
        ("reports/x.csv", "is inside reports/"),
        ("data/../data/recommendations/x.csv", "is inside data/"),
        ("nowhere/x.csv", "does not exist: create it first"),
        ("shops", "is a folder"),
    ],
)
def test_places_that_are_refused(stored, call, out, message, monkeypatch):
    (stored / "reports").mkdir(exist_ok=True)
    monkeypatch.chdir(stored)
    status, _, error = call("export", "trending", "--out", out, "--format", "csv")
    assert status == 1 and message in error


def test_a_tracked_file_is_kept(stored, call):
    out = ROOT / "README.md"
    before = out.read_bytes()
    status, _, error = call("export", "trending", "--out", str(out), "--format", "csv")
    assert status == 1 and "Git tracks it" in error and out.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["trend", "--out", "x.csv"], 1, "There is no export 'trend'. Did you mean 'trending'?"),
        (["trending", "--out", "x.txt"], 2, "unknown format 'txt'"),
        (["trending", "--out", "x"], 2, "names no format"),
        (["trending", "--out", "-", "--format", "parquet"], 2, "Parquet needs a file"),
    ],
)
def test_errors_say_what_is_wrong(stored, call, arguments, status, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found, _, error = call("export", *arguments)
    assert found == status and message in " ".join(error.replace("│", " ").split())


def test_a_missing_table_names_the_stage(stored, call, tmp_path):
    (stored / "data/recommendations/segments.parquet").unlink()
    status, _, error = call("export", "segments", "--out", str(tmp_path / "x.csv"))
    assert status == 1 and "There are no segments yet. Run: dvc repro 08_recommend" in error
    assert not (tmp_path / "x.csv").exists()


def test_a_table_that_a_run_replaces_is_not_exported(stored, call, tmp_path, monkeypatch):
    source = stored / "data/recommendations/trending.parquet"
    pieces = definitions.pieces

    def replaced(*arguments):
        yield from pieces(*arguments)
        other = source.with_name("other")
        shutil.copy(source, other)
        other.replace(source)

    monkeypatch.setattr(definitions, "pieces", replaced)
    status, _, error = call("export", "trending", "--out", str(tmp_path / "x.csv"))
    assert status == 1 and "A run replaced the table" in error and not (tmp_path / "x.csv").exists()


def test_the_document_is_up_to_date():
    assert (ROOT / docs_exports.FILE).read_text(encoding="utf-8") == docs_exports.markdown(), "run: make docs"
