"""params.yaml is updated as a whole, and stays a link if it is one."""

from __future__ import annotations

import pytest

from recomart.project import params_writer

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
    assert [file.name for file in tmp_path.iterdir()] == ["params.yaml"]
    assert path.read_text() == TEXT
