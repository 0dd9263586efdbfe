"""`recomart shop draft`: the shop file that it writes, its report, and its questions."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from conftest import ROOT

from recomart.cli import shop_draft
from recomart.draft.questions import Question, take_default
from recomart_lib.core import shops

EVENTS = "Bestellung;Kunde;Artikel;Zeitpunkt;Menge;Preis\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project, and a folder with the orders of a shop in it."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    lines = [
        f"B{n // 2};K{n // 2 * 7 % 40};A{n * 13 % 30};{n // 80 + 10}.03.2025 {n // 10 % 24:02}:{n // 2 % 60:02};"
        f"{n % 3 + 1};{n * 13 % 30 + 1},50"
        for n in range(400)
    ]
    (tmp_path / "Mein Laden").mkdir()
    (tmp_path / "Mein Laden" / "verkauf.csv").write_text(EVENTS + "\n".join(lines) + "\n")
    (tmp_path / "Mein Laden" / "README.txt").write_text("Exports of the till.\nAsk Anna for more.\n")
    return tmp_path / "Mein Laden"


def test_it_writes_a_shop_file_that_reads_the_folder(folder, call):
    status, output, _ = call("shop", "draft", str(folder))
    assert status == 0
    assert output.startswith("In doubt (")
    assert "Written: shops/mein_laden.yaml" in output
    assert f"recomart shop check mein_laden --source '{folder}' --rules" in output
    shop = shops.read(folder.parent / "shops/mein_laden.yaml")
    events = shop.tables["events"]
    assert (events.separator, events.decimal, events.timestamp_format) == (";", ",", "%d.%m.%Y %H:%M")
    assert events.columns["user_id"] == "Kunde"
    status, output, _ = call("shop", "check", "mein_laden", "--source", str(folder))
    assert (status, "400 rows readable, 0 rejected" in output) == (0, True)


def test_an_existing_shop_file_stays(folder, call):
    assert call("shop", "draft", str(folder), "--name", "x")[0] == 0
    before = (folder.parent / "shops/x.yaml").read_text()
    status, _, error = call("shop", "draft", str(folder), "--name", "x")
    assert (status, "shops/x.yaml exists" in error) == (1, True)
    assert call("shop", "draft", str(folder), "--name", "x", "--force")[0] == 0
    assert (folder.parent / "shops/x.yaml").read_text() == before


def test_json(folder, call):
    document = json.loads(call("shop", "draft", str(folder), "--json")[1])
    assert document["shop"] == {"name": "mein_laden", "file": "shops/mein_laden.yaml", "folder": str(folder)}
    assert {row["table"] for row in document["files"]} == {"users", "items", "events", "none"}
    assert {"table", "column", "delivered", "samples", "confidence", "why"} <= set(document["columns"][0])
    assert all("# ? " in line for line in document["in_doubt"])


def test_without_events_nothing_is_written(folder, call):
    (folder / "verkauf.csv").unlink()
    status, _, error = call("shop", "draft", str(folder))
    assert (status, "has no file of events" in error, "README.txt: " in error) == (1, True, True)
    assert not (folder.parent / "shops/mein_laden.yaml").exists()


def test_questions_are_asked_in_a_terminal_only(monkeypatch):
    assert shop_draft._ask(yes=False) is take_default
    for stream in (sys.stdin, sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    assert shop_draft._ask(yes=True) is take_default
    answers = iter([7, 2])
    monkeypatch.setattr("typer.prompt", lambda *_, **__: next(answers))
    assert shop_draft._ask(yes=False)(Question("Which file?", ["a.csv", "b.csv"])) == "b.csv"
