"""Shell completion: the suggested names, and no errors where there is nothing to suggest."""

from __future__ import annotations

import shutil

import pytest
from conftest import ROOT

from recomart_lib.core.schemas import TABLES
from recomart_lib.features import definitions


@pytest.fixture
def suggested(call, monkeypatch):
    """suggested("recomart stage 0") -> the completions of the last word."""

    def run(line: str) -> list[str]:
        monkeypatch.setenv("_RECOMART_COMPLETE", "complete_bash")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        status, output, complaint = call()
        assert (status, complaint) == (0, "")
        return output.split()

    return run


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "shops", tmp_path / "shops")
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    return tmp_path


SHOPS = ["amazon_beauty", "movielens_100k", "online_retail", "simulated", "simulated_api"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("recomart shop show ", SHOPS),
        ("recomart shop show sim", SHOPS[3:]),
        ("recomart shop use o", SHOPS[2:3]),
        ("recomart shop check ", SHOPS),
        ("recomart lake show --shop s", SHOPS[3:]),
        ("recomart stage 0", [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]),
        ("recomart stage 05", ["05_features"]),
        ("recomart lake show ", list(TABLES)),
        ("recomart quarantine show e", ["events"]),
        ("recomart features show user.order_c", ["user.order_count"]),
        ("recomart features show order_c", ["order_count"]),
        ("recomart features get --service ", list(definitions.SERVICES)),
        ("recomart features diff recommender_v1 ", list(definitions.SERVICES)),
        ("recomart known-answers --section ", ["A", "B", "C"]),
        ("recomart simulate --fault d", ["drop="]),
        ("recomart airflow-dag --schedule o", ["off"]),
        ("recomart q", ["quarantine"]),
        ("recomart stage x", []),
    ],
)
def test_names_are_suggested(project, suggested, line, names):
    assert suggested(line) == names


@pytest.mark.parametrize("line", ["shop show ", "stage ", "lake show --shop "])
def test_outside_a_project_nothing_is_suggested(tmp_path, monkeypatch, suggested, line):
    monkeypatch.delenv("RECOMART_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    assert suggested(f"recomart {line}") == []


def test_an_invalid_dvc_yaml_is_no_error(project, suggested):
    (project / "dvc.yaml").write_text("stages: {a: [")
    assert suggested("recomart stage ") == []
