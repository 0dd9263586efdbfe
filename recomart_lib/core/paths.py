"""Folders and files of a project, relative to its root."""

from __future__ import annotations

import os
from pathlib import Path

from recomart_lib.core.errors import UserError

SOURCE = Path("data/source")
RESOLVED_SHOP = Path("data/shop.json")  # the active shop's file with all defaults: what DVC tracks of it
RAW = Path("data/raw")
VALIDATED = Path("data/validated")
QUARANTINE = Path("data/quarantine")
REPAIR = Path("data/repair")
REPLAY = Path("data/replay")
STREAMING = Path("data/streaming")
HISTORY = Path("data/history")
PREPARED = Path("data/prepared")
FEATURES = Path("data/features")
FEATURE_STORE = Path("data/feature_store")
TUNING = Path("data/tuning")
MODELS = Path("data/models")
EVALUATION = Path("data/evaluation")
RECOMMENDATIONS = Path("data/recommendations")
RUNS = Path("data/runs")
REPORTS = Path("reports")
METRICS = REPORTS / "metrics"
SIDECARS = REPORTS / "sidecars"
PROFILES = REPORTS / "profiles"
NOTEBOOKS = Path("notebooks")
SHOPS = Path("shops")
LOGS = Path("logs")


# addresses of databases end at a question mark; DVC, Papermill and Optuna fill in values between braces
REFUSED = ("?", "{", "}")


def root() -> Path:
    """The project's folder: RECOMART_ROOT, or the nearest parent folder with params.yaml and dvc.yaml.

    A notebook run by hand starts in notebooks/, a stage in the root: both get the same folder.
    """
    folder = _root()
    if found := next((sign for sign in REFUSED if sign in str(folder)), None):
        raise UserError(
            f"The path of the project's folder, {folder}, must not contain {found}: programs that the pipeline uses "
            "would take it for something else. Rename the folder."
        )
    return folder


def _root() -> Path:
    if variable := os.environ.get("RECOMART_ROOT"):
        return Path(variable).resolve()
    current = Path.cwd().resolve()
    for folder in (current, *current.parents):
        if (folder / "params.yaml").exists() and (folder / "dvc.yaml").exists():
            return folder
    raise UserError(
        f"No RecoMart project at or above {current}: go to the folder with params.yaml, or set RECOMART_ROOT."
    )


def place(path: Path | str, *parts: str) -> Path:
    """`path` under the project's root; an absolute path stays as it is."""
    return root().joinpath(path, *parts)


def output(path: Path | str, *parts: str) -> Path:
    """Like `place`, for a file that is about to be written: creates its folder."""
    target = place(path, *parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
