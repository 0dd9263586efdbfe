"""YAML files that people write, checked against pydantic models: a mistake is one clear sentence."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from recomart_lib.core.errors import UserError

Model = TypeVar("Model", bound=BaseModel)


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
    """The value with each `${NAME}` replaced by that environment variable: for secrets.

    Raises
    ------
    UserError
        Naming `place`, where the value stands, and the variable, if it is not set.
    """
    if isinstance(value, dict):
        return {key: expand_env(one, place) for key, one in value.items()}
    if isinstance(value, list):
        return [expand_env(one, place) for one in value]
    if not isinstance(value, str):
        return value
    found = os.path.expandvars(value)
    if unset := re.search(r"\$\{(\w+)\}", found):
        raise UserError(f"{place}: the environment variable {unset[1]} is not set.")
    return found


def validated(model: type[Model], content: dict[str, Any], path: Path) -> Model:
    """`content` as a `model`, or a `UserError` with one line per mistake and the nearest right name for a typo."""
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        lines = [_sentence(model, error) for error in problem.errors()]
        raise UserError("\n".join([f"{path}: {len(lines)} mistake(s)", *lines])) from None


def suggestion(word: str, known: list[str]) -> str:
    """` Did you mean 'x'?` for a word near a known one, else the list of known ones."""
    near = difflib.get_close_matches(str(word), known, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."


def _sentence(model: type[BaseModel], error: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"  {key}: unknown key. {suggestion(error['loc'][-1], _names_at(model, error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"  {key}: this key is required and missing."
    found = "" if isinstance(error["input"], dict) else f"; found {error['input']!r}"
    key = f"{key}: " if key else ""  # a mistake between two keys belongs to neither
    return f"  {key}{error['msg'].removeprefix('Value error, ')}{found}."


def _names_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The field names that are known at this place of a nested model."""
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
