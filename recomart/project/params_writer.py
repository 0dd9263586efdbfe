"""Update values in params.yaml and keep its comments and layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from recomart_lib.core import files


def update(path: Path, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Set `changes[section][key]` in a YAML file, and keep all other lines.

    The file is replaced atomically; a link stays a link.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "params.yaml"
    >>> _ = file.write_text("train:\\n  k: 20  # length of the lists\\n")
    >>> update(file, {"train": {"k": 10}})
    >>> print(file.read_text())
    train:
      k: 10  # length of the lists
    <BLANKLINE>
    """
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 200
    content = yaml.load(path.read_text(encoding="utf-8"))
    for section, values in changes.items():
        for key, value in values.items():
            content.setdefault(section, {})[key] = value
    with files.complete(path.resolve()) as unfinished, unfinished.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream)
