"""Documents tell the truth: their paths, links, commands and parameters exist, and so do their numbers."""

from __future__ import annotations

from pathlib import Path

import documents
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *ROOT.glob("CONTRIBUTING.md"), *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
class TestPage:
    def test_paths_exist_or_are_made(self, page):
        assert documents.wrong_paths(page.read_text()) == []

    def test_files_named_without_a_folder_exist(self, page):
        assert documents.wrong_files(page.read_text()) == []

    def test_links_lead_somewhere(self, page):
        assert documents.wrong_links(page.read_text(), page) == []

    def test_commands_can_be_given(self, page):
        assert documents.wrong_commands(page.read_text()) == []

    def test_parameters_exist(self, page):
        assert documents.wrong_parameters(page.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "see `docs/nowhere.md`",
        "in data/nowhere/x.parquet",
        "in data/features/lost_and_found.parquet",
        "`notebooks/10_more.ipynb`",
        "`reports/metrics/nowhere.json`",
        "```\ncat shops/nowhere.yaml\n```",
        "shops/<name>.yml",
    ],
)
def test_a_path_that_nobody_has_is_found(text):
    assert documents.wrong_paths(text)


@pytest.mark.parametrize(
    "text",
    [
        "data/raw/source=<shop>/type=<table>/date=<day>/<hash>.parquet",
        "data/features/user.parquet and reports/NN_name.html.",
        "`shops/<name>.yaml`",
        "https://example.com/docs/nowhere.md",
        "data/tuning/<model>.db",
    ],
)
def test_a_path_that_is_made_or_stands_for_many_is_none(text):
    assert documents.wrong_paths(text) == []


@pytest.mark.parametrize(
    "command",
    [
        "recomart featurs show",
        "recomart features shw",
        "recomart features get --usr x",
        "recomart features get --user",
        "recomart stream produce --rate fast",
        "recomart features diff only_one",
        "VALUE=1 recomart nothing > file",
        "cd x && dvc rpro",
        "dvc repro --frce",
        "dvc repro 10_more",
        "dvc exp run -S train.n_trails=20",
        "make nothing",
        "make repro SHP=x",
        "git pul",
        "python bench/nothing.py",
        "python -m recomart_lib.nothing",
        "pip install -e '.[nothing]'",
        "pip install -r requirements-nothing.lock",
    ],
)
def test_a_command_that_would_be_refused_is_found(command):
    assert documents.wrong_commands(f"```bash\n{command}   # a comment\n```")


def test_a_name_alone_is_no_wrong_command_in_a_sentence():
    text = "With `recomart features diff`, `dvc exp run -S`, `make` and `NAME=x make repro SHOP=y` one can. Not: {}"
    assert documents.wrong_commands(text) == []
    assert documents.wrong_commands(text.format("`recomart features dif`")) != []
    assert documents.wrong_commands("```python\nrecomart = 1\n```") == []


@pytest.mark.parametrize("name", ["train.n_trails", "params.yaml: base.shp", "prepare.wait_*", "train.models.als.rag"])
def test_a_parameter_that_is_missing_is_found(name):
    assert documents.wrong_parameters(f"set `{name}`") != []


def test_a_parameter_that_is_there_is_none():
    text = "`train.models.als.reg: 5`, `prepare.weight_*`, `validate.rules.any_rule`, `params.yaml: base.shop`"
    assert documents.wrong_parameters(text + ", `features.compute.compute(world)`, `stream.json`") == []


def test_a_link_without_an_end_is_found():
    page = ROOT / "docs/models.md"
    assert documents.wrong_links("# One two\n[a](nowhere.md) [b](#one-three) [c](models.md#nothing)", page) != []
    assert len(documents.wrong_links("[a](nowhere.md) [b](#x) [c](models.md#nothing) ![d](images/no.png)", page)) == 4
    assert documents.wrong_links("# One two\n[b](#one-two) [c](../README.md#tests) [d](https://x.org/y)", page) == []


def test_a_file_that_is_nowhere_is_found():
    assert documents.wrong_files("`parms.yaml`") == ["parms.yaml: no file is called so"]
    assert documents.wrong_files("`params.yaml`, `evaluation.json`") == []
