"""`recomart shop check --rules`: its tables and sentences, its document, its exit status."""

from __future__ import annotations

import json
from pathlib import Path

import messy_shop
import pytest

from recomart_lib.core import shops


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project whose only shop is messy."""
    messy_shop.write(tmp_path, n_events=2_000)
    (tmp_path / "params.yaml").write_text("train: {models: {popularity: {}, svdpp: {}}}\n")
    (tmp_path / "shops").mkdir()
    (tmp_path / "messy.yaml").rename(tmp_path / "shops/messy.yaml")
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    return tmp_path


def check(project: Path, call, *more: str) -> tuple[int, str, str]:
    return call("shop", "check", "messy", "--source", str(project / "source"), "--rules", *more)


def test_everything_is_said_and_a_shop_that_would_stop_is_an_error(project, call):
    status, output, error = check(project, call)
    assert status == 1
    assert "events: the rules check all 2,063 lines." in output
    assert "The gate of 02 (95 %): stops here, with a predicted score of" in output
    assert "tables.users.complete: false" in output
    assert "test        2025-06-20" in output
    assert "The catalogue: 80 products." in output
    assert "Rating model (SVD++) (svdpp) will be left out" in output
    assert "A full run takes 1 to 3 minutes and 1 to 2 GiB of memory" in output
    assert error.splitlines()[-1].startswith("Error: 02_validate would stop. The quality score is")


def test_the_document_has_all_of_it(project, call):
    status, output, _ = check(project, call, "--json")
    document = json.loads(output)
    assert status == 1
    assert {"sample", "problems", "scores", "gate", "findings", "windows", "catalogue", "left_out", "full_run"} <= set(
        document
    )
    assert document["gate"]["passes"] is False
    assert [row["table"] for row in document["scores"]] == ["users", "items", "events"]
    assert {"table", "finding", "rows", "share", "score_then", "advice"} == set(document["findings"][0])
    assert list(document["stops"]) == ["02_validate"]


def test_a_table_that_cannot_be_read_is_named_and_the_rest_goes_on(project, call):
    (project / "source/items.csv").write_text("other\n1\n")
    status, output, error = check(project, call)
    assert status == 1
    assert "items: items.csv lacks 3 column(s)" in error
    assert "Error: 01_ingest would stop. items.csv lacks 3 column(s)" in error
    assert "users: the rules check all 150 lines." in output


def test_without_the_option_the_first_problem_stops_as_before(project, call):
    (project / "source/items.csv").write_text("other\n1\n")
    status, _, error = call("shop", "check", "messy", "--source", str(project / "source"))
    assert (status, "would stop" in error) == (1, False)


def test_a_shop_that_passes_is_no_error(tmp_path, tiny_shop, monkeypatch, call):
    shop = tiny_shop(tmp_path)
    (tmp_path / "params.yaml").write_text("base: {shop: tiny, source: source}\n")
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    declared = shops.load("tiny").model_copy(update={"cut": "auto"})
    status, output, error = call("shop", "check", "tiny", "--rules")
    assert declared.delivered == shop.shop.delivered
    assert "No row breaks a rule of severity error." in output
    assert "passes, with a predicted score of 100 %" in output
    assert (status, "04_prepare would stop" in error) == (1, True)  # two users in a month are no window


@pytest.mark.parametrize("damage", ["no folder", "no files", "empty files", "one long line"])
def test_bad_input_is_a_sentence(project, call, damage):
    events = sorted((project / "source").glob("events*"))
    if damage == "no folder":
        (project / "source").rename(project / "elsewhere")
    for file in events if damage != "no folder" else []:
        file.unlink() if damage == "no files" else file.write_bytes(
            b"\0" * 100_000 if damage == "one long line" else b""
        )
    status, output, error = check(project, call)
    assert status == 1
    assert "Traceback" not in output + error
    assert "would stop" in error.splitlines()[-1]
