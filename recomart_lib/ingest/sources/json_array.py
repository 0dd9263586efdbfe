"""The elements of a JSON array, one after the other, so that its size in memory is that of one element."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TextIO

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.sources import objects
from recomart_lib.ingest.sources.records import undecodable

BLOCK = 1_000_000  # characters per read
WHITE = re.compile(r"[ \t\n\r]*")
COMMA = re.compile(r"[ \t\n\r]*,[ \t\n\r]*")
AFTER = set(" \t\n\r,]}:")  # what follows a complete value: 1 may be the start of 1.5
MAX_SHOWN = 200  # characters of unexpected content in a message
CUT = 100  # a mistake so near to the end of what was read may be none: the text goes on


class JsonArray:
    """A text that should be one JSON array. `place` is the number of characters before the next element.

    `records` is the path of the array in a text that is one object. `is_damaged`: whether there were bytes that are not
    of the file's encoding.
    """

    def __init__(self, text: TextIO, path: Path, decimal: str, max_element: int, records: str | None = None) -> None:
        self._text, self._path, self._max_element, self._records = text, path, max_element, records
        self._decoder = objects.decoder(decimal)
        self._read, self._at = "", 0  # what was read and not dropped yet, and the place in it
        self._dropped, self._dropped_lines, self._dropped_column = 0, 0, 0
        self._is_complete = self.is_damaged = False

    @property
    def place(self) -> int:
        return self._dropped + self._at

    def elements(self) -> Iterator[Any]:
        """The elements of the array; none for a blank text.

        Raises
        ------
        UserError
            If the text is not JSON, is no array, or if one element is longer than `max_element` characters.
        """
        first = self._next_mark()
        if first and self._records:
            yield from self._at_path(self._records.split("."))
        elif first == "[":
            yield from self._until_closed()
        elif first:
            value = self._value()
            self._require_end()
            found = f"one object ({', '.join(value)})" if isinstance(value, dict) else repr(value)
            advice = ". If the list is in it, name it: `records: data`" if isinstance(value, dict) else ""
            raise UserError(f"{self._path}: expected a JSON array of objects, found {found[:MAX_SHOWN]}{advice}")
        self._require_end()

    def list_of_objects(self) -> str | None:
        """The path of the first list of objects in a text that is one object; None if none is near its start."""
        if self._next_mark() != "{":
            return None
        for key in self._members():
            mark = self._next_mark()
            if mark == "[":
                for element in self._until_closed():
                    if isinstance(element, dict):
                        return key
                    if self.place > self._max_element:
                        return None
            elif mark != "{":
                self._value()
            elif inner := self.list_of_objects():
                return f"{key}.{inner}"
        return None

    def _at_path(self, keys: list[str]) -> Iterator[Any]:
        """The elements of the array at a path of keys; all else is read over."""
        mark, found = self._next_mark(), False
        if not keys and mark == "[":
            yield from self._until_closed()
            return
        if not keys or mark != "{":
            raise UserError(f"{self._path}: records: {self._records} is the path of no list in this file")
        names = []
        for key in self._members():
            names.append(key)
            if key == keys[0] and found:
                raise UserError(f"{self._path}: '{key}', of records: {self._records}, comes twice in one object")
            if key == keys[0]:
                found = True
                yield from self._at_path(keys[1:])
            else:
                self._next_mark()
                self._value()
        if not found:
            shown = ", ".join(names)[:MAX_SHOWN]
            raise UserError(f"{self._path}: records: {self._records}: there is no '{keys[0]}' in the object ({shown})")

    def _members(self) -> Iterator[str]:
        """The keys of the object that begins here, each before its value, which the caller reads."""
        self._at += 1
        if self._next_mark() == "}":
            self._at += 1
            return
        mark = ","
        while mark != "}":
            if self._next_mark() != '"':
                raise self._mistake("Expecting property name enclosed in double quotes", self._at)
            key = self._value()
            if self._next_mark() != ":":
                raise self._mistake("Expecting ':' delimiter", self._at)
            self._at += 1
            yield key
            if (mark := self._next_mark()) not in (",", "}"):
                raise self._mistake("Expecting ',' delimiter", self._at)
            self._at += 1

    def _until_closed(self) -> Iterator[Any]:
        """The elements of the array that begins here."""
        self._at += 1
        if self._next_mark() == "]":
            self._at += 1
        else:
            yield from self._at_hand()
            yield self._value()
            while (mark := self._next_mark()) == ",":
                self._at += 1
                self._next_mark()
                yield from self._at_hand()
                yield self._value()
            if mark != "]":
                raise self._mistake("Expecting ',' delimiter", self._at)
            self._at += 1

    def _at_hand(self) -> Iterator[Any]:
        """The next elements that were read with the comma after them: nearly all, in half of the time of `_value`."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._read, self._at)
            except ValueError:  # cut, or a mistake
                break
            comma = COMMA.match(self._read, end)
            if not comma or end - self._at > self._max_element:
                break
            self._at = comma.end()
            yield value
        self._next_mark()

    def _require_end(self) -> None:
        if self._next_mark():
            raise self._mistake("Extra data", self._at, ". One object per line is kind: jsonl")

    def _next_mark(self) -> str:
        """The next character that is no white space, which stays; empty at the end."""
        while True:
            self._at = WHITE.match(self._read, self._at).end()
            if self._at < len(self._read):
                return self._read[self._at]
            if self._is_complete:
                return ""
            self._read_more(BLOCK)

    def _value(self) -> Any:
        """The next value; more is read until it is complete."""
        size = BLOCK
        while True:
            problem = None
            try:
                value, end = self._decoder.raw_decode(self._read, self._at)
                if end - self._at > self._max_element:
                    self._refuse_length()
                if self._is_complete or self._read[end : end + 1] in AFTER or end < len(self._read) - CUT:
                    self._at = end
                    return value
            except JSONDecodeError as found:
                problem = found
            except ValueError as found:
                raise UserError(f"{self._path} could not be read as json: {found}") from None
            if problem and (self._is_complete or not self._may_be_cut(problem)):
                raise self._mistake(problem.msg, problem.pos) from None
            if len(self._read) - self._at > self._max_element:
                self._refuse_length()
            self._read_more(size)
            size *= 2

    def _may_be_cut(self, problem: JSONDecodeError) -> bool:
        """Whether a mistake may be the end of what was read so far."""
        return problem.msg.startswith("Unterminated string") or problem.pos > len(self._read) - CUT

    def _read_more(self, size: int) -> None:
        dropped, block = self._read[: self._at], self._text.read(size)
        if n_lines := dropped.count("\n"):
            self._dropped_lines += n_lines
            self._dropped_column = len(dropped) - dropped.rindex("\n") - 1
        else:
            self._dropped_column += len(dropped)
        self._dropped += len(dropped)
        self._read, self._at = self._read[self._at :] + block, 0
        self._is_complete = not block
        self.is_damaged = self.is_damaged or undecodable(block)

    def _refuse_length(self) -> None:
        raise UserError(
            f"{self._path}: the element that starts at character {self.place + 1:,} is longer than "
            f"ingest.max_line_bytes = {self._max_element:,} (in params.yaml). If such elements are meant, raise it."
        )

    def _mistake(self, problem: str, at: int, advice: str = "") -> UserError:
        """The sentence about a mistake at a place in what was read; places are those in the file."""
        before = self._read[:at]
        line = self._dropped_lines + before.count("\n") + 1
        column = at - before.rindex("\n") if "\n" in before else self._dropped_column + at + 1
        where = f"line {line} column {column} (char {self._dropped + at})"
        return UserError(f"{self._path} is not valid JSON: {problem}: {where}{advice}")
