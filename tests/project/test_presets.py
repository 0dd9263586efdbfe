"""Presets: what they set, and how they get into params.yaml."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from recomart.project import presets
from recomart_lib.core.errors import UserError


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The project's own params.yaml and presets."""
    shutil.copytree(ROOT / "presets", tmp_path / "presets")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    presets.use("default")  # whatever preset this project uses
    return tmp_path


def test_all_presets_set_the_same_keys(project):
    """So that each of them, `default` too, undoes any other."""
    keys = {name: list(presets.read(name)) for name in presets.names()}
    assert set(keys) == {"default", "thorough"}
    assert keys["thorough"] == keys["default"]


def test_a_preset_changes_its_keys_only_and_default_restores_every_byte(project):
    before = (project / "params.yaml").read_text()
    changes = presets.use("thorough")
    after = (project / "params.yaml").read_text()
    assert changes == presets.read("thorough")
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert len(changed) == 4, "n_trees and objective are in one line"
    assert yaml.safe_load(after)["train"]["models"]["two_stage"]["objective"] == "both"
    assert presets.use("thorough") == {}
    presets.use("default")
    assert (project / "params.yaml").read_text() == before


def test_only_what_differs_is_changed(project):
    (project / "presets" / "few.yaml").write_text("train.n_trials: 6\ntrain.n_backtests: 2\n")
    assert presets.use("few") == {"train.n_backtests": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train.n_trails: 9", "n_trails"),
        ("trains.n_trials: 9", "trains"),
        ("train.n_trials: many", r"wrong\.yaml.*n_trials"),
        ("train.n_trials.more: 9", r"wrong\.yaml: train\.n_trials\.more: n_trials is a value in params\.yaml"),
        ("", r"wrong\.yaml: expected `key: value` lines, found an empty file"),
    ],
)
def test_a_mistake_in_a_preset_is_named_and_nothing_is_written(project, text, words):
    before = (project / "params.yaml").read_bytes()
    (project / "presets" / "wrong.yaml").write_text(text)
    with pytest.raises(UserError, match=f"(?s){words}"):
        presets.use("wrong")
    assert (project / "params.yaml").read_bytes() == before


def test_an_unknown_preset_is_named(project):
    with pytest.raises(UserError, match=r"There is no preset 'thorogh' in presets/\. Did you mean 'thorough'\?"):
        presets.use("thorogh")
