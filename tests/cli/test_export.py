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
def out(tmp_path_factory) -> Path:
    """A folder outside of the project."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture
def shop_in_berlin(finished):
    (finished / "shops").mkdir()
    text = (ROOT / "shops/simulated.yaml").read_text()
    zone = next(line for line in text.splitlines() if line.startswith("time_zone:"))
    (finished / "shops/simulated.yaml").write_text(text.replace(zone, "time_zone: Europe/Berlin"))
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, finished / name)


@pytest.mark.parametrize("name", definitions.EXPORTS)
def test_every_table_has_the_documented_columns(stored, call, out, name):
    out = out / f"{name}.parquet"
    status, output, _ = call("export", name, "--out", str(out))
    written = pl.read_parquet(out, glob=False)
    assert (status, written.columns) == (0, list(definitions.EXPORTS[name].columns))
    assert output == f"{out}: {written.height} {'row' if written.height == 1 else 'rows'}\n"


def test_the_tables_are_those_of_08(stored):
    sources = {export.file for export in definitions.EXPORTS.values()}
    assert {*ROWS, "recommendations", "default_list"} == sources


def test_names_and_local_times(stored, call, out):
    out = out / "x.jsonl"
    assert call("export", "customers", "--out", str(out))[0] == 0
    row = json.loads(out.read_text())
    assert (row["item_id"], row["name"], row["last"]) == ("a", "Axe", "2025-07-02T00:00:00+02:00")
    assert call("export", "similar", "--out", str(out))[0] == 0
    row = json.loads(out.read_text())
    assert (row["name"], row["other_item_id"], row["other_name"]) == ("Axe", "b", "Bow")


def test_many_pieces_are_one_table(stored, call, out, monkeypatch):
    monkeypatch.setattr(definitions, "PIECE", 1)
    assert call("export", "recommendations", "--out", str(out / "x.csv"), "--raw")[0] == 0
    found = pl.read_csv(out / "x.csv")
    assert found["user_id"].to_list() == ["u0", "u0", "new"] and found["name"].to_list() == ["Cup", "Bow", "Bow"]


def test_neutralised_cells_are_counted(stored, call, out):
    rows = pl.DataFrame([("=cmd", 1, "-9", 2.0, 0, None)], schemas.CATEGORY_CUSTOMERS, orient="row")
    rows.write_parquet(stored / "data/recommendations/category_customers.parquet")
    _, _, error = call("export", "category-customers", "--out", str(out / "x.csv"))
    assert "2 cells begin like a formula" in error and "--raw" in error
    assert (out / "x.csv").read_text(encoding="utf-8-sig").splitlines()[1].startswith('"\'=cmd",1,"\'-9",')


def test_tables_of_another_shop_and_of_a_failed_run_are_named(stored, call, out):
    sidecar = stored / "reports/sidecars/08_recommend.json"
    sidecar.parent.mkdir(parents=True)
    for metadata, words in (
        ({"shop": "other"}, "those of the shop other; the active one is simulated"),
        ({"shop": "simulated", "state": "failed"}, "did not complete"),
    ):
        sidecar.write_text(json.dumps(metadata))
        status, _, error = call("export", "trending", "--out", str(out / "x.csv"))
        assert status == 0 and words in error


@pytest.mark.parametrize("out", ["data/x.csv", "x.csv", "exports/../x.csv", "shops/simulated.yaml", "nowhere/x.csv"])
def test_in_the_project_only_one_folder_takes_exports(stored, call, out, monkeypatch):
    monkeypatch.chdir(stored)
    (stored / "exports").mkdir()
    before = (stored / "shops/simulated.yaml").read_bytes()
    status, _, error = call("export", "trending", "--out", out, "--format", "csv")
    assert status == 1 and "is inside the project" in error and f"Write it to exports/{Path(out).name}" in error
    assert (stored / "shops/simulated.yaml").read_bytes() == before


def test_the_folder_for_exports_is_made_and_git_ignores_it(stored, call, monkeypatch):
    monkeypatch.chdir(stored)
    assert call("export", "trending", "--out", "exports/x.csv")[0] == 0
    assert (stored / "exports/x.csv").exists() and "/exports/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(
    ("out", "message"),
    [("nowhere/x.csv", "does not exist: create it first"), (".", "is a folder"), ("n" * 250, "cannot be written")],
)
def test_places_that_cannot_be_written(stored, call, out, message, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("outside"))
    status, _, error = call("export", "trending", "--out", out, "--format", "csv")
    assert status == 1 and message in error


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["trend", "--out", "x.csv"], 1, "There is no export 'trend'. Did you mean 'trending'?"),
        (["trending", "--out", "x.txt"], 2, "unknown format 'txt'"),
        (["trending", "--out", "x"], 2, "names no format"),
        (["trending", "--out", "-", "--format", "parquet"], 2, "Parquet needs a file"),
        (["trending", "--out", "x.jsonl", "--raw"], 2, "--raw is for CSV"),
    ],
)
def test_errors_say_what_is_wrong(stored, call, arguments, status, message, monkeypatch, out):
    monkeypatch.chdir(out)
    found, _, error = call("export", *arguments)
    assert found == status and message in " ".join(error.replace("│", " ").split())


def test_a_missing_table_names_the_stage(stored, call, out):
    (stored / "data/recommendations/segments.parquet").unlink()
    status, _, error = call("export", "segments", "--out", str(out / "x.csv"))
    assert status == 1 and "The table of segments does not exist yet. Run: dvc repro 08_recommend" in error
    assert not (out / "x.csv").exists()


@pytest.mark.parametrize("removed", [False, True])
def test_a_table_that_a_run_replaces_is_not_exported(stored, call, out, monkeypatch, removed):
    source = stored / "data/recommendations/trending.parquet"
    pieces = definitions.pieces

    def replaced(*arguments):
        yield from pieces(*arguments)
        shutil.copy(source, source.with_name("other"))
        source.unlink()
        if not removed:
            source.with_name("other").rename(source)

    monkeypatch.setattr(definitions, "pieces", replaced)
    status, _, error = call("export", "trending", "--out", str(out / "x.csv"))
    assert status == 1 and "A run replaced the table" in error and not (out / "x.csv").exists()


def test_the_document_is_up_to_date():
    assert (ROOT / docs_exports.FILE).read_text(encoding="utf-8") == docs_exports.markdown(), "run: make docs"
