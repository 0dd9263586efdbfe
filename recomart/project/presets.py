"""Presets: values of params.yaml that belong together, in presets/<name>.yaml, by their dotted keys."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from recomart.project import params, params_writer
from recomart_lib.core import files, paths
from recomart_lib.core.config import suggestion, validated
from recomart_lib.core.errors import UserError
from recomart_lib.core.yaml_reader import read_yaml

FOLDER = Path("presets")
Values = dict[str, Any]


def names() -> list[str]:
    """The names of all presets."""
    return [file.stem for file in files.listed(paths.place(FOLDER), "*.yaml")]


def read(name: str) -> Values:
    """Dotted key -> value of one preset, such as `train.n_trials: 20`.

    Raises
    ------
    UserError
        If there is no such preset, or its file cannot be read.
    """
    if name not in (known := names()):
        raise UserError(f"There is no preset {name!r} in {FOLDER}/. {suggestion(name, known)}")
    return dict(read_yaml(_path(name)))


def use(name: str) -> Values:
    """Write the values of a preset into params.yaml, whose other lines and comments stay; returns what has changed.

    Raises
    ------
    UserError
        If a key or a value is not one of params.yaml; nothing is written then.
    """
    values, path = read(name), paths.place("params.yaml")
    params.load(path)  # a mistake in params.yaml itself is reported as such
    content = read_yaml(path)
    changes = {key: value for key, value in values.items() if current(content, key) != value}
    validated(params.Params, _with(content, values, _path(name)), _path(name))
    if changes:
        params_writer.update_keys(path, {tuple(key.split(".")): value for key, value in changes.items()})
    return changes


def current(content: Mapping[str, Any], key: str) -> Any:
    """The value of a dotted key in params.yaml; None where the file leaves it out."""
    value: Any = content
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _with(content: Mapping[str, Any], values: Values, path: Path) -> dict[str, Any]:
    """A copy of the content of params.yaml with the values of the preset in `path`."""
    merged = deepcopy(dict(content))
    for key, value in values.items():
        *sections, last = key.split(".")
        place = merged
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise UserError(f"{path}: {key}: {section} is a value in params.yaml, not a section.")
        place[last] = value
    return merged


def _path(name: str) -> Path:
    return paths.place(FOLDER / f"{name}.yaml")
