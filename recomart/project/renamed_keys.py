"""Keys of params.yaml that were renamed: a file with an old key gets an error that names the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recomart_lib.core.errors import UserError

# old key -> new key, as dotted paths in params.yaml
RENAMED = {
    "prepare.n_lessons": "prepare.n_training_cuts",
    "train.n_taught_users": "train.n_training_users",
    "train.svd_n_factors": "train.models.svd.n_factors",
    "train.svd_n_epochs": "train.models.svd.n_epochs",
    "train.svd_learning_rate": "train.models.svd.learning_rate",
    "train.svd_reg": "train.models.svd.reg",
}


def check(content: dict[str, Any], path: Path) -> None:
    """Refuse old keys.

    Raises
    ------
    UserError
        Naming the file, and every old key with its new name.
    """
    lines = [f"  {old}: renamed to {new}." for old, new in RENAMED.items() if _contains(content, old)]
    if lines:
        raise UserError("\n".join([f"{path}: {len(lines)} renamed key(s); use the new names:", *lines]))


def _contains(content: Any, key: str) -> bool:
    for part in key.split("."):
        if not isinstance(content, dict) or part not in content:
            return False
        content = content[part]
    return True
