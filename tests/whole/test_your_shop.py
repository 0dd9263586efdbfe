"""docs/your_shop.md, run word by word in a new project: its files, its shop file, its commands, their output.

`RECOMART_WRITE_DOCS=1 pytest tests/whole/test_your_shop.py` writes changed outputs into the page.
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from projects import BIN, ROOT, new_project

from recomart_lib.core import shop_tables, shops
from recomart_lib.core.errors import UserError

PAGE = ROOT / "docs/your_shop.md"
BLOCK = re.compile(r"^```(python|text|yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SLOW_PART = "## Run the whole pipeline"  # from here on it takes minutes
WRITE = bool(os.environ.get("RECOMART_WRITE_DOCS"))


def shell(project: Path, command: str | list[str], text: str | None = None) -> str:
    """Return the output of a command; the test fails if the command does."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONUTF8": "1"}
    environment.pop("RECOMART_ROOT", None)
    environment.pop("COLUMNS", None)
    process = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=project,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, f"{command}\n{process.stdout[-3_000:]}{process.stderr[-3_000:]}"
    return "".join(f"{line.rstrip()}\n" for line in process.stdout.splitlines())


def check_output(expected: str, actual: str, source: str) -> str:
    """Return the page's output if it is correct (`...` matches anything); otherwise fail, or return the actual one."""
    if doctest.OutputChecker().check_output(expected, actual, doctest.ELLIPSIS):
        return expected
    assert WRITE, f"{source}\n--- the page shows\n{expected}--- it printed\n{actual}"
    return actual


def check_excerpt(content: str) -> None:
    """A part of a shop file is valid in one that has the other required keys."""
    for name, table in yaml.safe_load(content).items():
        declared = shop_tables.Table.model_validate({"event_type": "purchase", **table})
        assert shop_tables.mapping_problems(name, declared) == []


def follow(project: Path, page: str) -> None:
    """Run the page block by block."""
    printed, updated = "", page
    for kind, content in BLOCK.findall(page):
        new_content = content
        if kind == "python":
            printed = shell(project, [sys.executable, "-"], content)
        elif kind == "text":
            new_content = check_output(content, printed, "the script")
        elif kind == "yaml" and (name := re.match(r"# (shops/\w+\.yaml)\n", content)):
            (project / name[1]).write_text(content, encoding="utf-8")
        elif kind == "yaml":
            check_excerpt(content)
        else:
            steps = re.split(r"^\$ (.*)\n", content, flags=re.MULTILINE)[1:]
            pairs = zip(steps[::2], steps[1::2], strict=True)
            new_content = "".join(
                f"$ {command}\n" + check_output(expected, shell(project, command), command)
                for command, expected in pairs
            )
        updated = updated.replace(f"```{kind}\n{content}```", f"```{kind}\n{new_content}```", 1)
    if updated != page:
        PAGE.write_text(PAGE.read_text(encoding="utf-8").replace(page, updated), encoding="utf-8")


@pytest.fixture(scope="module")
def project_at_the_gate(tmp_path_factory) -> Path:
    """A project in which the page was run up to the quality gate."""
    project = new_project(tmp_path_factory.mktemp("project"))
    shutil.copy(ROOT / "params.yaml", project / "params.yaml")
    follow(project, PAGE.read_text(encoding="utf-8").split(SLOW_PART)[0])
    return project


def test_the_page_is_correct_up_to_the_gate(project_at_the_gate):
    shop = shops.read(project_at_the_gate / "shops/garten.yaml")
    assert (shop.time_zone, shop.tables["events"].decimal) == ("Europe/Berlin", ",")
    assert (project_at_the_gate / "reports/02_validate.html").exists()


@pytest.mark.slow
def test_the_page_is_correct_to_the_end(project_at_the_gate):
    follow(project_at_the_gate, PAGE.read_text(encoding="utf-8").split(SLOW_PART)[1])
    lists = pl.read_parquet(project_at_the_gate / "data/recommendations/recommendations.parquet")
    assert lists["user_id"].n_unique() == 400
    assert "Gartenmarkt" in (project_at_the_gate / "reports/index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", [shop_tables.Table, shops.Shop])
def test_every_key_is_explained(part):
    explained = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE))))
    # `name` is the file's; `price_is_total` is set by the form of columns.price
    assert set(part.model_fields) - {"name", "price_is_total"} <= explained


KEY_ROW = re.compile(r"^\| (`.*?`) \| (.*) \|$", re.MULTILINE)
COLUMNS = {
    "users": "{user_id: u, gender: g, country: c}",
    "items": "{item_id: i, name: n, category: genre, price: p, available: a}",
    "events": "{user_id: u, item_id: i, timestamp: t, event_type: e, quantity: q, price: p}",
}


def examples_of_keys() -> list[tuple[str, str, str]]:
    """(table or shop, keys of the row, YAML) for each example in the tables of keys: `[a]`, `"a"`, `{a: b}`, `a: b`."""
    parts = zip(("table", "shop"), PAGE.read_text(encoding="utf-8").split("| key of the shop |"), strict=True)
    rows = [(part, *row) for part, text in parts for row in KEY_ROW.findall(text)]
    snippets = [(part, keys, snippet) for part, keys, meaning in rows for snippet in re.findall(r"`([^`]+)`", meaning)]
    values = [(part, keys, f"{{{text}}}" if re.match(r"\w+: ", text) else text) for part, keys, text in snippets]
    return [entry for entry in values if re.fullmatch(r"\[.+\]|\{.+\}|\".*\"", entry[2])]


def shop_file(part: str, table: str, key: str, value: str) -> str:
    """A shop file with one key: of the shop, or of one of its tables."""
    lines = ["title: T", "currency: EUR", "time_zone: UTC", "simulated: false", "cut: auto", "horizon_days: auto"]
    lines += ["relevant_events: [purchase]", *([f"{key}: {value}"] if part == "shop" else []), "tables:"]
    for name, columns in COLUMNS.items():
        own = part == "table" and name == table
        mapped = f"{{<<: {columns}, {value[1:]}" if own and key == "columns" else columns
        more = f", {key}: {value}" if own and key != "columns" else ""
        lines.append(f"  {name}: {{kind: csv, path: x.csv, columns: {mapped}{more}}}")
    return "\n".join(lines)


@pytest.mark.parametrize(("part", "keys", "value"), examples_of_keys())
def test_an_example_of_a_key_is_accepted_in_a_shop_file(tmp_path, part, keys, value):
    """By one of the keys of its row, in one of the three tables."""
    path, problems = tmp_path / "x.yaml", []
    for key in re.findall(r"`(\w+)`", keys):
        for table in COLUMNS:
            path.write_text(shop_file(part, table, key, value), encoding="utf-8")
            try:
                shops.read(path)
                return
            except UserError as problem:
                problems.append(str(problem))
    pytest.fail("\n".join(problems))


def test_where_text_is_wanted_the_page_is_right(tmp_path):
    """The examples below the tables of keys."""
    content = shop_file("table", "users", "nulls", "[NULL, 0, 1.10], values: {country: {NO: Norway}}")
    (tmp_path / "x.yaml").write_text(content.replace("cut: auto", "cut: 2025-11-01"), encoding="utf-8")
    shop = shops.read(tmp_path / "x.yaml")
    assert (shop.cut, shop.tables["users"].nulls) == ("2025-11-01", ["NULL", "0", "1.10"])
    assert shop.tables["users"].values == {"country": {"NO": "Norway"}}
    for example in ("`nulls: [NULL, 0, 1.10]`", "`values: {country: {NO: Norway}}`", "`cut: 2025-11-01`"):
        assert example in PAGE.read_text(encoding="utf-8")
