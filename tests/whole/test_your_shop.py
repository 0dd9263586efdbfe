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
from projects import BIN, ROOT, new_project

from recomart_lib.core import shop_tables, shops

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


def follow(project: Path, page: str) -> None:
    """Run the page block by block."""
    printed, updated = "", page
    for kind, content in BLOCK.findall(page):
        new_content = content
        if kind == "python":
            printed = shell(project, [sys.executable, "-"], content)
        elif kind == "text":
            new_content = check_output(content, printed, "the script")
        elif kind == "yaml":
            name = re.match(r"# (shops/\w+\.yaml)\n", content)[1]
            (project / name).write_text(content, encoding="utf-8")
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
    assert set(part.model_fields) - {"name"} <= explained
