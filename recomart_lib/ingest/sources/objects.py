"""Parsed JSON objects: the values at a path such as `customer.id`, and the paths that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from recomart_lib.ingest.sources.refusals import BOOLEAN, LIST, NO_OBJECT, OBJECT, OTHER_CASE, REPEATED, Refusal

# as C, R and spreadsheets write rounded numbers; Java and BigQuery write exact ones without the +
SCIENTIFIC = re.compile(r"-?\d(?:\.(\d+))?[eE]\+(\d+)")
DEPTH = 6  # levels of objects whose paths are listed
MAX_LEVELS = 100  # of objects and lists in each other; what handles them calls itself for each level
TOO_DEEP = f"objects or lists are in each other on more than {MAX_LEVELS} levels"
MAX_KEY = 200  # characters of a key: paths that lead through a longer one are not listed
MAX_PATHS = 100_000  # listed paths


class RepeatedKeys(dict):
    """An object in which the keys in `repeated` occur several times, with different values; the last value counts."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = {key for key, value in pairs if self[key] != value}


class Odd(NamedTuple):
    """A value that is at a path, but cannot be what is meant by it."""

    refusal: Refusal
    value: Any


class _Absent:
    """The type of `ABSENT`: there is nothing at the path, not even null."""


class _InNull:
    """The type of `IN_NULL`: the object that the path leads into is null, so nobody knows whether the path exists."""


ABSENT, IN_NULL = _Absent(), _InNull()
NO_PLAIN_VALUES = {dict: OBJECT, RepeatedKeys: OBJECT, list: LIST, bool: BOOLEAN}


def number(written: str) -> float | str:
    """A number of a JSON text, for `json.loads(parse_float=...)`; 1.23457E+12 is text: it stands for several numbers.

    >>> number("1.5"), number("1.7357E9"), number("1.25E+2"), number("1.23457E+12")
    (1.5, 1735700000.0, 125.0, '1.23457E+12')
    """
    if "e" not in written and "E" not in written:  # nearly all
        return float(written)
    parts = SCIENTIFIC.fullmatch(written)
    return written if parts and len(parts[1] or "") < int(parts[2]) else float(written)


def _with_comma(written: str) -> str:
    return str(number(written)).replace(".", ",")


def from_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON text, for `json.loads(object_pairs_hook=...)`."""
    made = dict(pairs)
    return made if len(made) == len(pairs) else RepeatedKeys(pairs)


class _Decoder(json.JSONDecoder):
    """Reads JSON; a value that is nested too deeply, or a number with too many digits, is a `ValueError`."""

    def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
        try:
            value, end = self.scan_once(s, idx)
        except StopIteration as problem:
            raise json.JSONDecodeError("Expecting value", s, problem.value) from None
        except json.JSONDecodeError:
            raise
        except RecursionError:
            raise ValueError(TOO_DEEP) from None
        except ValueError:  # how Python refuses to convert a number that would take minutes
            raise ValueError("a number in it has more digits than any number has") from None
        if end - idx > MAX_LEVELS:
            n_opened = s.count("{", idx, end) + s.count("[", idx, end)
            if n_opened > MAX_LEVELS and _is_too_deep(value):
                raise ValueError(TOO_DEEP)
        return value, end


def _is_too_deep(value: Any) -> bool:
    """Whether objects and lists are in each other on more than `MAX_LEVELS` levels."""
    level, n_levels = [value], 0
    while level and n_levels <= MAX_LEVELS:
        inner = (item.values() if isinstance(item, dict) else item for item in level)
        level, n_levels = [item for items in inner for item in items if isinstance(item, dict | list)], n_levels + 1
    return n_levels > MAX_LEVELS


def decoder(decimal: str) -> json.JSONDecoder:
    """How JSON is read, see `loads`."""
    return _Decoder(object_pairs_hook=from_pairs, parse_float=number if decimal == "." else _with_comma)


DECODERS = {decimal: decoder(decimal) for decimal in ".,"}


def loads(text: str, decimal: str) -> Any:
    """The content of a JSON text; numbers that lost digits stay text, as they are written.

    With a decimal comma, all numbers with decimals become text in which they have one: the points of other text of such
    a shop separate thousands, but JSON's own numbers always have a decimal point.

    Raises
    ------
    ValueError
        If the text is not JSON, is nested more deeply than any data are, or has a number of thousands of digits.
    """
    return DECODERS[decimal].decode(text)


def values(objects: Sequence[dict[str, Any]], path: str) -> list[Any]:
    """The value at a path in each object: a JSON value, `ABSENT`, `IN_NULL` or an `Odd`."""
    parts = path.split(".")
    if len(parts) == 1 and set(map(type, objects)) <= {dict}:
        return [row.get(path, ABSENT) for row in objects]
    return [_at(row, parts) for row in objects]


def value_at(content: Any, path: str) -> Any:
    """The value at a path in one JSON value; as in `values`."""
    return _at(content, path.split("."))


def with_value(record: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of an object in which a path, taken as one key, has this value."""
    copy = RepeatedKeys(list(record.items()))
    copy[path] = value
    copy.repeated = getattr(record, "repeated", set()) - {path}
    return copy if copy.repeated else dict(copy)


def _at(value: Any, parts: list[str]) -> Any:
    if not parts:
        return value
    if value is None:
        return IN_NULL
    if isinstance(value, dict):
        return _in_object(value, parts)
    if not isinstance(value, list):
        return Odd(NO_OBJECT, value)
    if not parts[0].isdecimal():
        return Odd(LIST, value)
    return _at(value[int(parts[0])], parts[1:]) if int(parts[0]) < len(value) else None


def _in_object(value: dict[str, Any], parts: list[str]) -> Any:
    for n in range(len(parts), 0, -1):  # a key may contain points itself
        key = ".".join(parts[:n])
        if key in value:
            if isinstance(value, RepeatedKeys) and key in value.repeated:
                return Odd(REPEATED, value[key])
            if (inner := _at(value[key], parts[n:])) is not ABSENT:
                return inner
    others = (item for key, item in value.items() if key.lower() == parts[0].lower() and key != parts[0])
    return next((Odd(OTHER_CASE, item) for item in others if item is not None), ABSENT)


def in_other_letters(objects: Sequence[dict[str, Any]], found: list[Any], keys: list[str]) -> list[Any]:
    """The found values; where there is none, the value of the first of these keys is an `Odd`."""
    absent = {place: objects[place] for place, value in enumerate(found) if value is ABSENT}
    odd = {
        place: Odd(OTHER_CASE, row[key]) for place, row in absent.items() for key in keys if row.get(key) is not None
    }
    return [odd.get(place, value) for place, value in enumerate(found)] if odd else found


def refusal(value: Any) -> Refusal | None:
    """Why a value at a path is no plain value; None if it is one, or null."""
    return value.refusal if isinstance(value, Odd) else NO_PLAIN_VALUES.get(type(value))


def text_of(value: Any) -> str | None:
    """The text of a value at a path."""
    plain = value.value if isinstance(value, Odd) else value
    if plain is None or plain is ABSENT or plain is IN_NULL:
        return None
    return plain if isinstance(plain, str) else json.dumps(plain)


def distinct(listed: Iterable[str]) -> dict[str, None]:
    """The first `MAX_PATHS` different ones of some paths, in their order."""
    found: dict[str, None] = {}
    for path in listed:
        found[path] = None
        if len(found) == MAX_PATHS:
            break
    return found


def paths(value: Any, prefix: str = "", depth: int = DEPTH) -> Iterator[tuple[str, Any]]:
    """(path, value) of all that is inside an object or a list; entries of lists all have the number 0 here."""
    inner = value.items() if isinstance(value, dict) else (("0", entry) for entry in value)
    for key, item in inner:
        yield f"{prefix}{key}", item
        if isinstance(item, dict | list) and depth > 1 and len(key) <= MAX_KEY:
            yield from paths(item, f"{prefix}{key}.", depth - 1)
