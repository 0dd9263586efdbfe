"""docs/your_shop.md, followed word by word in a new project: its files, its shop file, its commands, their output.

`RECOMART_WRITE_DOCS=1 pytest tests/whole/test_your_shop.py` writes outputs that have changed into the page.
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

from recomart_lib.core import shops

PAGE = ROOT / "docs/your_shop.md"
BLOCK = re.compile(r"^```(python|text|yaml|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REST = "## Run all of it"  # from here on it takes minutes
WRITE = bool(os.environ.get("RECOMART_WRITE_DOCS"))


def shell(project: Path, command: str | list[str], text: str | None = None) -> str:
    """What a command prints; the test fails if it does not work."""
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONUTF8": "1"}
    environment.pop("RECOMART_ROOT", None)
    environment.pop("COLUMNS", None)
    done = subprocess.run(
        command,
        shell=isinstance(command, str),
        cwd=project,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3_000:]}{done.stderr[-3_000:]}"
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def compared(shown: str, printed: str, what: str) -> str:
    """The page's output: as it is where it is true (`...`: anything), else what was printed, or a failed test."""
    if doctest.OutputChecker().check_output(shown, printed, doctest.ELLIPSIS):
        return shown
    assert WRITE, f"{what}\n--- the page shows\n{shown}--- it printed\n{printed}"
    return printed


def follow(project: Path, page: str) -> None:
    """Do what the page says, block by block."""
    printed, told = "", page
    for kind, content in BLOCK.findall(page):
        new = content
        if kind == "python":
            printed = shell(project, [sys.executable, "-"], content)
        elif kind == "text":
            new = compared(content, printed, "the script")
        elif kind == "yaml":
            name = re.match(r"# (shops/\w+\.yaml)\n", content)[1]
            (project / name).write_text(content, encoding="utf-8")
        else:
            steps = re.split(r"^\$ (.*)\n", content, flags=re.MULTILINE)[1:]
            pairs = zip(steps[::2], steps[1::2], strict=True)
            new = "".join(f"$ {one}\n" + compared(shown, shell(project, one), one) for one, shown in pairs)
        told = told.replace(f"```{kind}\n{content}```", f"```{kind}\n{new}```", 1)
    if told != page:
        PAGE.write_text(PAGE.read_text(encoding="utf-8").replace(page, told), encoding="utf-8")


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """A project in which the page was followed as far as the gate."""
    project = new_project(tmp_path_factory.mktemp("project"))
    shutil.copy(ROOT / "params.yaml", project / "params.yaml")
    follow(project, PAGE.read_text(encoding="utf-8").split(REST)[0])
    return project


def test_the_page_is_true_as_far_as_the_gate(begun):
    shop = shops.read(begun / "shops/garten.yaml")
    assert (shop.time_zone, shop.tables["events"].decimal) == ("Europe/Berlin", ",")
    assert (begun / "reports/02_validate.html").exists()


@pytest.mark.slow
def test_the_page_is_true_to_its_end(begun):
    follow(begun, PAGE.read_text(encoding="utf-8").split(REST)[1])
    lists = pl.read_parquet(begun / "data/recommendations/recommendations.parquet")
    assert lists["user_id"].n_unique() == 400
    assert "Gartenmarkt" in (begun / "reports/index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("part", [shops.Table, shops.Shop])
def test_every_key_is_explained(part):
    explained = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`.*?) \|", PAGE.read_text(), re.MULTILINE))))
    assert set(part.model_fields) - {"name"} <= explained
