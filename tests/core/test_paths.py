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


@pytest.mark.parametrize("name", ["recomart", "Projekte [2026]", "a b #1 100% & 'c' *"])
def test_the_root_is_the_nearest_project_whatever_its_name(project, name):
    root = project(name)
    assert paths.root() == root


@pytest.mark.parametrize("name", ["what?", "a {b}", "a }"])
def test_signs_that_other_programs_take_for_their_own_are_reported(project, name):
    project(name)
    with pytest.raises(UserError, match=r"The path of the project's folder, .*, must not contain [?{}]: .* Rename"):
        paths.root()
