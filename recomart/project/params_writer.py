"""Update values in params.yaml and keep its comments and layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from recomart_lib.core import files
from recomart_lib.core.errors import UserError

WAIT_S = 30  # another writer needs milliseconds


def update(path: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Set `changes[section][key]` in a YAML file, and keep all other lines.

    The file is replaced atomically; a link stays a link. Processes that update the file at the same time take turns
    (`.params.yaml.lock`): each reads what the one before has written, so that no change is lost.

    Raises
    ------
    UserError
        If another process does not finish.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "params.yaml"
    >>> _ = file.write_text("train:\\n  k: 20  # length of the lists\\n")
    >>> update(file, {"train": {"k": 10}})
    >>> print(file.read_text())
    train:
      k: 10  # length of the lists
    <BLANKLINE>
    """
    update_keys(path, {(section, key): value for section, keys in changes.items() for key, value in keys.items()})


def update_keys(path: Path, values: Mapping[tuple[str, ...], Any]) -> None:
    """As `update`, with the value of each key at any depth, such as ("train", "models", "ease")."""
    path = path.resolve()
    lock = path.with_name(f".{path.name}.lock")
    try:
        with FileLock(lock, timeout=WAIT_S):
            _update(path, values)
    except Timeout:
        raise UserError(f"{path} is being written by another process, which does not finish ({lock.name}).") from None


def _update(path: Path, values: Mapping[tuple[str, ...], Any]) -> None:
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 200
    content = yaml.load(path.read_text(encoding="utf-8"))
    for (*sections, key), value in values.items():
        place = content
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = value
    with files.complete(path) as unfinished, unfinished.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
