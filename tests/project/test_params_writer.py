"""params.yaml is updated as a whole, and stays a link if it is one."""

from __future__ import annotations

import stat
import subprocess
import sys

import pytest
import yaml
from filelock import FileLock

from recomart.project import params_writer
from recomart_lib.core.errors import UserError

WRITER = """
import pathlib, sys
from recomart.project import params_writer
_ = sys.stdin.read()  # all start together
for n in range(5):
    params_writer.update(pathlib.Path(sys.argv[1]), {sys.argv[2]: {f"k{n}": n}})
"""
TEXT = "base:\n  shop: tiny  # a file\n  source: a\n"


def test_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "shared.yaml", tmp_path / "params.yaml"
    real.write_text(TEXT)
    link.symlink_to(real)
    params_writer.update(link, {"base": {"source": "b"}})
    assert link.is_symlink()
    assert real.read_text() == TEXT.replace("source: a", "source: b")


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    monkeypatch.setattr("ruamel.yaml.YAML.dump", full)
    with pytest.raises(OSError, match="No space left"):
        params_writer.update(path, {"base": {"source": "b"}})
    assert [file.name for file in tmp_path.iterdir() if not file.name.endswith(".lock")] == ["params.yaml"]
    assert path.read_text() == TEXT


def test_processes_that_write_at_the_same_time_lose_no_change(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    code = (
        "import sys; from pathlib import Path; from recomart.project.params_writer import update as u; sys.stdin.read()"
    )
    code += "; [u(Path(sys.argv[1]), {sys.argv[2]: {f'k{n}': n}}) for n in range(5)]"
    command = [sys.executable, "-c", code, str(path)]
    writers = [subprocess.Popen([*command, f"writer{n}"], stdin=subprocess.PIPE, cwd=tmp_path) for n in range(4)]
    for writer in writers:
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0] * 4
    expected = {f"writer{n}": {f"k{k}": k for k in range(5)} for n in range(4)}
    assert yaml.safe_load(path.read_text()) == {"base": {"shop": "tiny", "source": "a"}, **expected}


def test_a_writer_that_does_not_finish_is_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    monkeypatch.setattr(params_writer, "WAIT_S", 0)
    with FileLock(tmp_path / ".params.yaml.lock"), pytest.raises(UserError, match="written by another process"):
        params_writer.update(path, {"base": {"source": "b"}})
    assert path.read_text() == TEXT


def test_the_file_keeps_its_mode(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(TEXT)
    path.chmod(0o664)
    params_writer.update(path, {"base": {"source": "b"}})
    assert stat.S_IMODE(path.stat().st_mode) == 0o664
