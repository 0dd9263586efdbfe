"""Read reports/metrics, also those of earlier versions, whose keys are translated to today's."""

from __future__ import annotations

from pathlib import Path

from recomart.project.sidecars import Metadata, read
from recomart_lib.core import paths

RENAMED_KEYS = {
    "data": {"valid_start": "validation_start", "n_lessons": "n_training_cuts"},
    "tuning": {"valid": "validation", "n_taught_users": "n_training_users"},
}
RENAMED_WINDOWS = {"valid": "validation"}
RENAMED_VERDICTS = {"surely met": "clearly met"}


def read_metrics(folder: Path, name: str) -> Metadata:
    """The content of reports/metrics/<name>.json in `folder`, with today's keys; empty if missing or damaged."""
    return with_current_keys(name, read(folder / paths.METRICS / f"{name}.json"))


def with_current_keys(name: str, metrics: Metadata) -> Metadata:
    """The content of a metrics file under the keys of this version.

    >>> with_current_keys("data", {"valid_start": "2025-11-02", "shop": "corner"})
    {'validation_start': '2025-11-02', 'shop': 'corner'}
    """
    current = _renamed(metrics, RENAMED_KEYS.get(name, {}))
    if isinstance(current.get("windows"), dict):
        current["windows"] = _renamed(current["windows"], RENAMED_WINDOWS)
    if isinstance(current.get("targets"), list):
        current["targets"] = [
            {**row, "verdict": RENAMED_VERDICTS.get(row.get("verdict"), row.get("verdict"))}
            for row in current["targets"]
        ]
    return current


def _renamed(content: Metadata, names: dict[str, str]) -> Metadata:
    return {names.get(key, key): value for key, value in content.items()}
