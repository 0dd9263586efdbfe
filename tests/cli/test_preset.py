"""`recomart preset`: what presets set, and switching between them."""

from __future__ import annotations

import shutil

from conftest import ROOT

PARAMS = "train:\n  n_trials: 6  # tries\n  models: {two_stage: {n_trees: 100}}\n"


def test_presets_are_shown_and_used(tmp_path, monkeypatch, call):
    (tmp_path / "params.yaml").write_text(PARAMS)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.setenv("RECOMART_ROOT", str(tmp_path))
    (tmp_path / "presets").mkdir()
    for name, n_trials in (("default", 6), ("fast", 1)):
        (tmp_path / f"presets/{name}.yaml").write_text(f"train.n_trials: {n_trials}\ntrain.k: 30\n")
    status, output, _ = call("preset", "show")
    assert (status, [line.split() for line in output.splitlines()]) == (
        0,
        [
            ["setting", "params.yaml", "default", "fast"],
            ["train.n_trials", "6", "6", "1"],
            ["train.k", "null", "30", "30"],
        ],
    )
    assert call("preset", "use", "fast")[:2] == (0, "params.yaml: train.n_trials = 1\nparams.yaml: train.k = 30\n")
    assert (tmp_path / "params.yaml").read_text().startswith("train:\n  n_trials: 1  # tries\n")
    assert call("preset", "use", "fast")[1] == "params.yaml: unchanged, it has the values of the preset fast\n"
    status, _, error = call("preset", "use", "slow")
    assert (status, "There is no preset 'slow'" in error) == (1, True)
