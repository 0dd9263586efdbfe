"""Validate the content of YAML files (`yaml_reader`) against pydantic models; every mistake is one clear sentence."""

from __future__ import annotations

import copy
import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from recomart_lib.core.errors import UserError
from recomart_lib.core.yaml_reader import Location, Place

Model = TypeVar("Model", bound=BaseModel)

NOWHERE: Mapping[Location, Place] = MappingProxyType({})  # for content that is not from a file
TEXT_WANTED = {"string_type", "literal_error", "value_error"}  # kinds of errors that the written text may resolve
MAX_NAMES = 30  # known names that an error lists
DOTTED_KEY = re.compile(r"\w+(\.\w+)+(?=[:. ])")


class Strict(BaseModel):
    """Unknown keys are rejected."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


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
    # looked for in the file's text: the value of a variable, a password, may contain ${...} itself
    if unset := [name for name in re.findall(r"\$\{(\w+)\}", value) if name not in os.environ]:
        raise UserError(f"{place}: the environment variable {unset[0]} is not set.")
    return os.path.expandvars(value)


def validated(
    model: type[Model], content: dict[str, Any], path: Path, places: Mapping[Location, Place] = NOWHERE
) -> Model:
    """`content` as a `model`, or a `UserError` with one line per mistake; for a typo, it suggests the nearest name.

    Where the model wants text and YAML found something else (`NO`, `1`, a list's `NULL`), the text is taken as it is
    written in the file; `places` are those of `read_yaml`.
    """
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        content = _as_written(content, problem.errors(), places)
    try:
        return model.model_validate(content)
    except ValidationError as problem:
        lines = [_sentence(model, error, places) for error in problem.errors()]
        raise UserError("\n".join([f"{path}: {len(lines)} mistake(s)", *lines])) from None


def suggestion(word: str, names: list[str]) -> str:
    """`Did you mean 'x'?` for a word near a known name, else the known names, the first `MAX_NAMES`."""
    near = difflib.get_close_matches(str(word), names, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
    return f"Known: {', '.join(names[:MAX_NAMES])}{more}."


def _as_written(content: Any, errors: list[Any], places: Mapping[Location, Place]) -> Any:
    """The content with the written text at each place where text is wanted; null words only if they are in a list."""
    for error in errors:
        location = _location(error["loc"], places)
        written, value = places[location].written if location else None, error["input"]
        is_item = bool(location) and isinstance(location[-1], int)
        if written and error["type"] in TEXT_WANTED and not isinstance(value, str) and (value is not None or is_item):
            content = _replaced(content, location, written)
    return content


def _location(parts: Location, places: Mapping[Location, Place]) -> Location:
    """The innermost place of an error, whose location may end with names of pydantic's, like `[key]`."""
    return next((parts[:n] for n in range(len(parts), 0, -1) if parts[:n] in places), ())


def _replaced(content: Any, location: Location, value: Any) -> Any:
    """A copy with another value at one location; what an alias (*) shares with other locations is left alone."""
    if not location:
        return value
    changed = copy.copy(content)
    changed[location[0]] = _replaced(content[location[0]], location[1:], value)
    return changed


def _sentence(model: type[BaseModel], error: dict[str, Any], places: Mapping[Location, Place]) -> str:
    """One mistake: its key, what is wrong, what was found, and its line, if it is known."""
    key = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    named = DOTTED_KEY.match(message)  # a conflict between two keys has no key of its own, but may begin with one
    location = _location(error["loc"] or tuple(named[0].split(".") if named else ()), places)
    place = places[location] if location else None
    line = f" (line {place.line})" if place else ""
    if error["type"] == "extra_forbidden":
        return f"  {key}: unknown key. {suggestion(error['loc'][-1], _names_at(model, error['loc'][:-1]))}{line}"
    if error["type"] == "missing":
        return f"  {key}: this key is required and missing.{line}"
    if error["input"] is None and place:
        return f"  {key}: {_nothing(place.written)}.{line}"
    found = place.written if place and place.written and not isinstance(error["input"], str) else repr(error["input"])
    value = "" if isinstance(error["input"], dict) else f"; found {found}"
    key = f"{key}: " if key else ""
    return f"  {key}{message}{value}.{line}"


def _nothing(written: str | None) -> str:
    if not written:
        return "there is no value"
    return f'YAML reads {written} as nothing; write "{written}" in quotes if this word is meant'


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
