"""Read YAML files and validate them against pydantic models; every mistake is one clear sentence."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from recomart_lib.core.errors import UserError

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Unknown keys are rejected."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; a missing file or broken YAML is a `UserError`."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise UserError(f"{path} is not valid YAML: {problem}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected `key: value` lines, found {type(content).__name__}.")
    return content


def expand_env(value: Any, place: object) -> Any:
    """Replace each `${NAME}` in a value by the environment variable of this name: for secrets.

    Raises
    ------
    UserError
        If a variable is not set; names the variable and `place`, where the value is written.
    """
    if isinstance(value, dict):
        return {key: expand_env(item, place) for key, item in value.items()}
    if isinstance(value, list):
        return [expand_env(item, place) for item in value]
    if not isinstance(value, str):
        return value
    expanded = os.path.expandvars(value)
    if unset := re.search(r"\$\{(\w+)\}", expanded):
        raise UserError(f"{place}: the environment variable {unset[1]} is not set.")
    return expanded


def validated(model: type[Model], content: dict[str, Any], path: Path) -> Model:
    """`content` as a `model`, or a `UserError` with one line per mistake; for a typo, it suggests the nearest name."""
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        lines = [_sentence(model, error) for error in problem.errors()]
        raise UserError("\n".join([f"{path}: {len(lines)} mistake(s)", *lines])) from None


def suggestion(word: str, names: list[str]) -> str:
    """`Did you mean 'x'?` for a word near a known name, else the list of known names."""
    near = difflib.get_close_matches(str(word), names, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(names)}."


def _sentence(model: type[BaseModel], error: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"  {key}: unknown key. {suggestion(error['loc'][-1], _names_at(model, error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"  {key}: this key is required and missing."
    value = "" if isinstance(error["input"], dict) else f"; found {error['input']!r}"
    key = f"{key}: " if key else ""  # a conflict between two keys has no key of its own
    return f"  {key}{error['msg'].removeprefix('Value error, ')}{value}."


def _names_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The field names at this location of a nested model."""
    for part in location:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        field = fields.get(str(part))
        inner = _model_in(field.annotation) if field else None
        model = inner or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `Table | None`."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
