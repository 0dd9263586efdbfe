"""`--json`: one strict JSON document on stdout from every command that shows a table, and nothing on an error."""

from __future__ import annotations

import ast
import json
import shutil
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer
from conftest import ROOT, utc
from repair_data import BAD
from store_data import new_root, write
from typer.testing import CliRunner
from zone_data import put

from recomart.cli import document, output, stream
from recomart.cli.options import Json
from recomart.project import params
from recomart.reference import reproduce
from recomart_lib.core import schemas
from recomart_lib.core.errors import UserError
from recomart_lib.features import feature_store
from recomart_lib.ingest import ingestion, lake
from recomart_lib.ingest.settings import Ingest
from recomart_lib.stream import compaction
from recomart_lib.validate import row_checks
from recomart_lib.validate.settings import Validate

PRODUCTS = {
    "similar": (schemas.SIMILAR, [("a", 1, "b", 0.5, 3, "item_knn", "why b")]),
    "bought_together": (schemas.BOUGHT_TOGETHER, [("a", 1, "c", 5, 10, 0.5, 3.0, 2.0, "why c")]),
    "trending": (schemas.TRENDING, [("b", 1, 9, 3, 4.0, 2.0, 8.0, "9 orders")]),
    "customers": (schemas.CUSTOMERS, [("a", 1, "u1", 2.0, 1, None)]),
    "category_customers": (schemas.CATEGORY_CUSTOMERS, [("tools", 1, "u2", 2.0, 0, None)]),
}


def parsed(text: str) -> Any:
    """The document; NaN and infinity, which JSON does not have, are errors."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def in_context(show) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a command with `--json` that calls `show`."""
    app = typer.Typer()

    @app.command()
    def command(as_json: Json = False) -> None:
        assert as_json
        show()

    done = CliRunner().invoke(app, ["--json"])
    return done.exit_code, done.stdout, done.stderr


class TestDocument:
    def test_values_are_those_of_json(self, monkeypatch):
        monkeypatch.setenv("SHOP_PASSWORD", "s3cret-value")
        zone = timezone(timedelta(hours=2))
        values = {
            "nothing": None,
            "flag": True,
            "big": 1234567,
            "share": 0.148148148,
            "nan": float("nan"),
            "infinite": float("-inf"),
            "moment": datetime(2025, 3, 1, 1, tzinfo=zone),
            "exact": datetime(2025, 3, 1, 1, 2, 3, 4, tzinfo=UTC),
            "day": date(2025, 3, 1),
            "path": Path("a/b"),
            "list": [1.5, float("nan"), {"inner": ()}],
            "text": "Café \x1b[2J s3cret-value\ud800",
            "s3cret-value": 1,
        }
        status, printed, _ = in_context(lambda: output.show_fields("one", values))
        assert (status, printed.isascii()) == (0, True)
        assert parsed(printed)["one"] == {
            "nothing": None,
            "flag": True,
            "big": 1234567,
            "share": 0.148148148,
            "nan": None,
            "infinite": None,
            "moment": "2025-02-28T23:00:00Z",
            "exact": "2025-03-01T01:02:03.000004Z",
            "day": "2025-03-01",
            "path": "a/b",
            "list": [1.5, None, {"inner": []}],
            "text": "Café \x1b[2J ***\ud800",
            "***": 1,
        }

    def test_rows_are_limited_and_what_is_left_out_is_said(self):
        def show() -> None:
            output.show_table("numbers", pl.DataFrame({"n": range(5)}), 2)
            output.show_table("texts", pl.DataFrame({"n": ["1,000"]}), 2, raw=[{"n": 1000}])
            output.show_table("none", pl.DataFrame({"n": []}), 2, empty="Nothing.")
            output.echo("For people.")

        status, printed, error = in_context(show)
        assert (status, error) == (0, "For people.\n")
        assert parsed(printed) == {
            "numbers": [{"n": 0}, {"n": 1}],
            "rows_left_out": {"numbers": 3},
            "texts": [{"n": 1000}],
            "none": [],
        }

    @pytest.mark.parametrize("error", [UserError("no"), typer.BadParameter("no"), KeyboardInterrupt(), ValueError()])
    def test_an_error_leaves_stdout_empty(self, error):
        def show() -> None:
            output.show_table("numbers", pl.DataFrame({"n": [1]}))
            raise error

        status, printed, _ = in_context(show)
        assert (status != 0, printed) == (True, "")

    def test_a_failed_check_prints_its_table_and_then_fails(self):
        def show() -> None:
            output.show_table("problems", pl.DataFrame({"n": [1]}))
            document.complete()
            raise UserError("1 problem")

        status, printed, _ = in_context(show)
        assert (status, parsed(printed)) == (1, {"problems": [{"n": 1}]})

    def test_the_shell_s_completion_opens_no_document(self):
        context = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)), resilient_parsing=True)
        document.open_document(context, True)
        assert context.meta == {}


@pytest.fixture
def project(finished, tiny_shop) -> Path:
    """The tiny shop, ingested, validated, streamed, with the outputs of 04 and 08."""
    tiny, data = tiny_shop(finished, events=BAD), finished / "data"
    shutil.copy(ROOT / "dvc.yaml", finished)
    shutil.copytree(ROOT / "presets", finished / "presets")
    (finished / "params.yaml").write_text("base: {shop: tiny, source: source, seed: 1}\n")
    ingestion.ingest(tiny.shop, tiny.source, data / "raw", Ingest(max_rejected=1))
    tables = {table: lake.table(data / "raw", "tiny", table) for table in tiny.shop.delivered}
    row_checks.check_tables(tiny.shop, tables, Validate(), utc(2025, 1, 1), data / "validated", data / "quarantine")
    put(stream.zone_of(params.load()), 0, 0, 3, letter=True)
    for name, (schema, rows) in PRODUCTS.items():
        pl.DataFrame(rows, schema, orient="row").write_parquet(data / f"recommendations/{name}.parquet")
    return finished


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("shop show", "shops"),
        ("shop show tiny", "shop tables keys rules"),
        ("shop check tiny", "users items events users_rejected items_rejected events_rejected"),
        ("preset show", "settings"),
        ("stage", "stages"),
        ("runs show", "runs"),
        ("lake show", "tables"),
        ("lake show users", "manifest"),
        ("lake verify", "problems"),
        ("quarantine show", "reasons"),
        ("quarantine show events", "quarantined_rows"),
        ("features show", "features"),
        ("features show order_count", "features"),
        ("recommend --user u0 --why", "list recommendations newest_purchases contributions"),
        ("recommend --user nobody", "list recommendations"),
        ("recommend --item a", "similar"),
        ("recommend --item a --bought-together", "bought_together"),
        ("recommend --item a --customers", "customers"),
        ("recommend --category tools --customers", "category_customers"),
        ("recommend --trending", "trending"),
        ("stream status", "problems partitions recent total dead_letter_reasons"),
        ("stream dead-letters", "dead_letters"),
        ("stream verify", "problems"),
        ("stream quarantine --event-id 0-1 --dry-run", "events"),
        ("stream quarantine --event-id 0-1", "events"),
    ],
)
def test_every_command_prints_one_document(project, call, words, names):
    status, printed, error = call(*words.split(), "--json")
    assert status == 0, error
    shown = parsed(printed)
    assert set(shown) - {document.LEFT_OUT} == set(names.split())
    assert all(isinstance(rows, list | dict) for rows in shown.values())
    assert all(isinstance(row, dict) for rows in shown.values() if isinstance(rows, list) for row in rows)


def test_values_are_not_text_for_people(project, call):
    def rows(*words: str) -> dict[str, Any]:
        return parsed(call(*words, "--json")[1])

    (shop,) = rows("shop", "show")["shops"]
    assert (shop["tables"], shop["active"]) == (["users", "items", "events"], True)
    separator = next(row for row in rows("shop", "show", "tiny")["keys"] if row["key"] == "separator")
    assert separator == {"key": "separator", "users": ",", "items": ",", "events": ","}
    trials = next(row for row in rows("preset", "show")["settings"] if row["setting"] == "train.n_trials")
    assert isinstance(trials["thorough"], int)
    (event,) = rows("stream", "quarantine", "--event-id", "0-1", "--dry-run")["events"]
    assert (event["timestamp"], event["offset"]) == ("2026-03-01T23:30:01Z", 1)
    assert rows("recommend", "--user", "u0", "--why")["contributions"][0]["contribution"] > 0
    one = rows("quarantine", "show", "--rows", "1")
    assert (len(one["reasons"]), one["rows_left_out"]["reasons"] > 0) == (1, True)


def test_a_damaged_lake_is_described_in_the_document(project, call):
    next((project / "data/raw").rglob("type=users/**/*.parquet")).write_bytes(b"x")
    status, printed, error = call("lake", "verify", "--json")
    (problem,) = parsed(printed)["problems"]
    assert (status, problem["file"], "1 problem(s)" in error) == (1, "users.csv", True)


def test_a_damaged_zone_is_described_in_the_document(project, call):
    compaction.compact_all(stream.zone_of(params.load()))
    next((project / "data/streaming").glob("*/*/date=*/*.parquet")).write_bytes(b"x")
    status, printed, error = call("stream", "verify", "--json")
    assert (status, len(parsed(printed)["problems"]), "problem" in error) == (1, 1, True)


@pytest.mark.parametrize(("ours", "status"), [(0.5, 0), (0.25, 1)])
def test_published_figures_are_numbers_even_if_one_is_missed(project, call, monkeypatch, ours, status):
    row = ("A", "popularity", "ndcg@10", 0.5, ours, ours - 0.5, ours == 0.5)
    names = ["section", "model", "metric", "published", "ours", "difference", "ok"]
    monkeypatch.setattr(reproduce, "compare", lambda *_: pl.DataFrame([row], names, orient="row"))
    found, printed, _ = call("known-answers", "--json")
    assert (found, parsed(printed)) == (status, {"figures": [dict(zip(names, row, strict=True))]})


def test_features_of_a_user_and_the_registry(tmp_path, monkeypatch, call):
    folder = new_root(tmp_path)
    (folder / "params.yaml").write_text("base: {shop: simulated}\n")
    write(folder)
    feature_store.apply(**feature_store.provenance(folder), root=folder)
    feature_store.materialise(root=folder)
    monkeypatch.setenv("RECOMART_ROOT", str(folder))
    got = parsed(call("features", "get", "--user", "u4", "--products", "2", "--json")[1])
    assert (set(got), got["user"]["as_of"][-1]) == ({"user", "products", "rows_left_out"}, "Z")
    assert len(got["products"]) == 2 and got["rows_left_out"]["products"] > 0
    assert all(row["item_id"].startswith("i") for row in got["products"])
    (registration,) = parsed(call("features", "history", "--json")[1])["registrations"]
    assert (registration["services"][0], registration["settings"]) == ("recommender_v1", {"half_life_days": 30.0})
    assert parsed(call("features", "diff", "recommender_v1", "recommender_v1", "--json")[1]) == {"changes": []}
    assert parsed(call("features", "get", "--user", "ghost", "--json")[1]) == {"user": None}


@pytest.mark.parametrize(
    ("words", "status"), [("lake show nothing", 1), ("recommend", 2), ("stage 05", 2), ("lake show --rows 0", 2)]
)
def test_an_error_is_on_stderr_only(project, call, words, status):
    found, printed, error = call(*words.split(), "--json")
    assert (found, printed, bool(error)) == (status, "", True)
    assert "No rows" not in call("lake", "show")[1], "the next call has no document"


def functions() -> dict[tuple[str, str], ast.FunctionDef]:
    """The functions of the command modules: (module, name) -> its code."""
    return {
        (path.stem, node.name): node
        for path in (ROOT / "recomart/cli").glob("*.py")
        if path.stem not in ("output", "document")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }


def called(module: str, function: ast.FunctionDef) -> set[tuple[str, str]]:
    """The functions that a function calls: (module, name); those of output.py as if they were the module's own."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    own = {(module, name.id) for name in calls if isinstance(name, ast.Name)}
    others = {
        (name.value.id, name.attr)
        for name in calls
        if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name)
    }
    return own | others


def reaches_a_table(key: tuple[str, str], code: dict[tuple[str, str], ast.FunctionDef]) -> bool:
    found, waiting = set(), {key}
    while waiting:
        module, name = waiting.pop()
        found.add((module, name))
        if name in ("show_table", "show_fields"):
            return True
        if (module, name) in code:
            waiting |= called(module, code[module, name]) - found
    return False


def test_exactly_the_commands_that_show_a_table_have_the_option():
    code = functions()
    commands = {
        key: function
        for key, function in code.items()
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", None) == "command"
    }
    with_option = {
        key
        for key, function in commands.items()
        for argument in function.args.args
        if getattr(argument.annotation, "id", None) == "Json"
    }
    assert len(with_option) >= 15
    assert with_option == {key for key in commands if reaches_a_table(key, code)}
