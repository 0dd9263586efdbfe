"""After a whole run, nothing that holds customers can be read by other users of the machine."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from recomart_lib.core.privacy import EVERYBODY_ELSE

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")]

CLOSED = ("data", "reports", "logs", ".dvc/cache")
WRITTEN = ("data/raw", "data/validated", "data/recommendations", "logs")  # DVC writes outs of one file again: 0644


def is_open(path: Path) -> bool:
    return not path.is_symlink() and bool(stat.S_IMODE(path.stat().st_mode) & EVERYBODY_ELSE)


def test_folders_are_closed_and_what_stages_wrote_is_for_its_owner(project):
    assert [name for name in CLOSED if is_open(project / name)] == []
    written = [path for name in WRITTEN for path in (project / name).rglob("*") if path.is_file()]
    assert written
    assert [path for path in written if is_open(path)] == []
    assert (project / "params.yaml").stat().st_mode & stat.S_IROTH, "committed files keep their mode"
