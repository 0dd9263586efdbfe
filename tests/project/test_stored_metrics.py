"""Metrics of earlier versions are read under today's keys, wherever pages or archived runs read them."""

from __future__ import annotations

import json

import pytest

from recomart.project.stored_metrics import read_metrics, with_current_keys


@pytest.mark.parametrize(
    ("name", "old", "current"),
    [
        (
            "data",
            {"valid_start": "2025-11-02", "n_lessons": 4, "windows": {"valid": 1, "test": 2}},
            {"validation_start": "2025-11-02", "n_training_cuts": 4, "windows": {"validation": 1, "test": 2}},
        ),
        (
            "tuning",
            {"valid": {"all": 1}, "n_taught_users": 7, "chosen": {}},
            {"validation": {"all": 1}, "n_training_users": 7, "chosen": {}},
        ),
        (
            "evaluation",
            {"targets": [{"verdict": "surely met"}, {"verdict": "missed"}]},
            {"targets": [{"verdict": "clearly met"}, {"verdict": "missed"}]},
        ),
        ("quality", {"valid": 3}, {"valid": 3}),  # a key that only other files renamed
    ],
)
def test_old_keys_are_translated_and_current_ones_are_unchanged(name, old, current):
    assert with_current_keys(name, old) == current
    assert with_current_keys(name, current) == current


def test_a_missing_or_damaged_file_is_empty(tmp_path):
    assert read_metrics(tmp_path, "data") == {}
    path = tmp_path / "reports/metrics/data.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"cut')
    assert read_metrics(tmp_path, "data") == {}
    path.write_text(json.dumps({"n_lessons": 2}))
    assert read_metrics(tmp_path, "data") == {"n_training_cuts": 2}
