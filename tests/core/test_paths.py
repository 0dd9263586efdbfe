"""The project's folder."""

from __future__ import annotations

import pytest

from recomart_lib.core import paths
from recomart_lib.core.errors import UserError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """`project(name)`: a project in a folder of this name, with its subfolder as the present one."""

    def folder(name: str):
        root = tmp_path / name
        (root / "notebooks").mkdir(parents=True)
        (root / "params.yaml").touch()
        (root / "dvc.yaml").touch()
        monkeypatch.delenv("RECOMART_ROOT", raising=False)
        monkeypatch.chdir(root / "notebooks")
        return root

    return folder


@pytest.mark.parametrize("name", ["recomart", "Projekte [2026]", "a {b} #1 100% & 'c' *"])
def test_the_root_is_the_nearest_project_whatever_its_name(project, name):
    root = project(name)
    assert paths.root() == root


def test_a_question_mark_in_the_folder_is_reported(project):
    project("what?")
    with pytest.raises(UserError, match=r"what\? must not have a question mark in its name"):
        paths.root()
