"""`recomart shop`: the list of shops, the active shop, and the status of its files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from recomart_lib.core import paths
from recomart_lib.core.shop_tables import Table
from recomart_lib.core.shops import Shop


@pytest.fixture
def project(tmp_path, tiny_shop, monkeypatch) -> Path:
    """Three shops of the project and a tiny one, which is in use and has its files."""
    tiny_shop(tmp_path)
    shutil.copytree(ROOT / "shops", tmp_path / "shops", dirs_exist_ok=True)
    (tmp_path / "params.yaml").write_text("base: {shop: tiny, source: source}\n")
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    return tmp_path


def test_the_list_has_title_tables_files_and_the_active_shop(project, call):
    status, output, _ = call("shop", "show")
    head, *rows = output.splitlines()
    assert (status, head.split()) == (0, ["shop", "title", "tables", "files", "active"])
    named = {row.split()[0]: row for row in rows}
    assert list(named) == ["amazon_beauty", "movielens_100k", "online_retail", "simulated", "simulated_api", "tiny"]
    assert [row.split()[-1] for row in rows] == ["no"] * 5 + ["yes"]
    assert "missing: events" in named["online_retail"]
    assert "not fetched yet: users, items, events" in named["simulated_api"]
    assert "users, items, events  complete" in named["tiny"]


def test_missing_files_are_named(project, call):
    (project / "source/items.csv").unlink()
    assert "missing: items" in call("shop", "show")[1].splitlines()[-1]


def test_an_invalid_shop_file_is_listed_and_hides_no_other(project, call):
    wrong = yaml.safe_load((project / "shops/tiny.yaml").read_text()) | {"currncy": "EUR"}
    (project / "shops/other.yaml").write_text(yaml.safe_dump(wrong))
    (project / "shops/torn.yaml").write_text("a: [")
    status, output, _ = call("shop", "show")
    assert status == 0
    assert "invalid: currncy: unknown key. Did you mean 'currency'?" in output
    assert "torn" in output
    assert "complete" in output.splitlines()[-2]


def test_show_one_shop(project, call):
    status, output, _ = call("shop", "show", "tiny")
    assert status == 0
    for fact in ("title:            Tiny", f"files in:         {project / 'source'}", "active:           yes", "EUR"):
        assert fact in output
    rows = {line.split()[0]: line.split() for line in output.split("\n\n")[1].splitlines()[-3:]}
    assert rows["events"][:4] == ["events", "csv", "events*.csv", "1"]
    _, output, _ = call("shop", "show", "online_retail")
    assert "users   derived  -" in output
    assert "Did you mean 'tiny'?" in call("shop", "show", "tinny")[2]


def with_keys(project: Path, **keys: object) -> Path:
    """Change keys of the tiny shop's file."""
    path = project / "shops/tiny.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | keys))
    return path


def test_show_one_shop_with_its_keys_and_rules_and_where_they_come_from(project, call):
    with_keys(project, rules={"event_user_known": "warning"})
    (project / "params.yaml").write_text(
        "base: {shop: tiny, source: source}\n"
        "validate: {rules: {price_usual: off, event_user_known: off, item_named: error}}\n"
    )
    _, _, keys, rules = call("shop", "show", "tiny")[1].split("\n\n")
    assert ["separator", '","', '","', '","'] in [line.split() for line in keys.splitlines()]
    held = {line.split()[0]: line.split()[1:] for line in rules.splitlines()[1:]}
    assert held["event_user_known"] == ["events", "warning", "shops/tiny.yaml"]
    assert held["price_usual"] == ["events", "off", "params.yaml"]
    assert held["item_named"] == ["items", "error", "params.yaml"]
    assert held["user_id_present"] == ["users", "error", "default"]


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ({"event_user_knwon": "warning"}, "no such rule. Did you mean 'event_user_known'?"),
        ({"event_id_unique": "off"}, "rules.event_id_unique must be error"),
        ({"event_user_known": "never"}, "rules.event_user_known: Input should be 'error', 'warning' or 'off'"),
    ],
)
@pytest.mark.parametrize("words", [("check", "tiny"), ("show", "tiny"), ("resolve",)])
def test_a_wrong_rule_of_a_shop_is_refused_when_its_file_is_checked(project, call, rules, complaint, words):
    with_keys(project, rules=rules)
    status, _, error = call("shop", *words)
    assert status == 1
    assert complaint in error
    assert "shops/tiny.yaml" in error


def test_the_resolved_file_has_every_key_and_equals_itself(project, call):
    """An old shop file, which lacks newer keys, gets their defaults: DVC refuses a key that is not there."""
    assert call("shop", "resolve")[1] == "data/shop.json: shops/tiny.yaml, with all defaults\n"
    file = project / "data/shop.json"
    content, first = json.loads(file.read_text()), file.read_bytes()
    assert set(Shop.model_fields) == set(content)
    assert set(Table.model_fields) == set(content["tables"]["users"])
    assert (content["rules"], content["api"], content["tables"]["users"]["separator"]) == ({}, None, ",")
    with_keys(project, rules={}, api=None)
    call("shop", "resolve")
    assert file.read_bytes() == first


def test_dvc_tracks_keys_that_the_resolved_file_has():
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    tracked = [entry for stage in stages for entry in stage.get("params", []) if isinstance(entry, dict)]
    assert {file for entry in tracked for file in entry} == {paths.RESOLVED_SHOP.as_posix()}
    assert {key for entry in tracked for keys in entry.values() for key in keys} <= set(Shop.model_fields)


def test_a_shop_is_checked_by_name_or_path(project, call):
    for name in ("tiny", str(project / "shops/tiny.yaml")):
        status, output, complaint = call("shop", "check", name, "--rows", "1")
        assert (status, complaint) == (0, "")
        assert "users: 1 file; users.csv (the first part of a large file): 3 rows readable, 0 rejected." in output
        assert ("u1" in output, "u2" in output) == (True, False)
    assert "Did you mean 'tiny'?" in call("shop", "check", "tinny")[2]


def test_a_shop_file_that_names_a_foreign_variable_is_refused_until_params_yaml_allows_it(project, call, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "open sesame")
    api = {"url": "https://shop.example", "auth": {"env": "AWS_SECRET_ACCESS_KEY"}}
    declared = yaml.safe_load((project / "shops/tiny.yaml").read_text()) | {"api": api}
    (project / "shops/tiny.yaml").write_text(yaml.safe_dump(declared))
    for words in (["check", "tiny"], ["use", "tiny", "--source", "source"], ["resolve"]):
        status, _, complaint = call("shop", *words)
        assert (status, "api.auth.env names AWS_SECRET_ACCESS_KEY" in complaint) == (1, True)
    with (project / "params.yaml").open("a") as stream:
        stream.write("ingest: {auth_variables: [AWS_SECRET_ACCESS_KEY]}\n")
    for words in (["check", "tiny"], ["use", "tiny", "--source", "source"], ["resolve"]):
        assert call("shop", *words)[0] == 0


@pytest.mark.parametrize("words", [["show"], ["check"], ["use"], ["fetch"]])
def test_no_command_opens_a_shop_file_outside_its_folder(project, call, words):
    shutil.copy(project / "shops/tiny.yaml", project / "evil.yaml")
    status, _, complaint = call("shop", *words, "../evil")
    assert (status, "base.shop: '../evil' is not a name" in complaint) == (1, True)


def test_a_link_that_leaves_the_source_folder_is_named(project, call):
    (project / "outside.csv").write_bytes((project / "source/users.csv").read_bytes())
    (project / "source/users.csv").unlink()
    (project / "source/users.csv").symlink_to(project / "outside.csv")
    status, _, complaint = call("shop", "check", "tiny")
    assert (status, "users.csv in" in complaint, "leads out of the source folder" in complaint) == (1, True, True)
    with (project / "params.yaml").open("a") as stream:
        stream.write("ingest: {follow_links: true}\n")
    assert call("shop", "check", "tiny")[0] == 0


def test_control_characters_in_a_shop_file_are_escaped(project, call):
    wrong = yaml.safe_load((project / "shops/tiny.yaml").read_text()) | {"title": "[red]T[/red]\x1b[2J"}
    (project / "shops/tiny.yaml").write_text(yaml.safe_dump(wrong))
    for words in (["show"], ["show", "tiny"], ["check", "tiny"]):
        _, output, _ = call("shop", *words)
        assert "[red]T[/red]\\u001b[2J" in output
        assert "\x1b" not in output


def test_characters_that_the_terminal_cannot_encode_are_escaped(project):
    content = yaml.safe_load((project / "shops/tiny.yaml").read_text()) | {"title": "\u5317\u4eac"}
    (project / "shops/tiny.yaml").write_text(yaml.safe_dump(content))
    called = [sys.executable, "-m", "recomart.cli.app", "shop", "show", "tiny"]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(called, capture_output=True, text=True, check=True, env=environment)
    assert "\\u5317\\u4eac" in done.stdout


def test_use_prints_the_new_values(project, call):
    before = (project / "params.yaml").read_bytes()
    assert call("shop", "use", "tiny", "--source", "source")[1].endswith("base.source = source (unchanged)\n")
    assert (project / "params.yaml").read_bytes() == before
    assert call("shop", "use", "simulated")[1] == (
        "params.yaml: base.shop = simulated, base.source = data/source/simulated\n"
    )
