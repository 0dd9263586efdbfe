"""A delivered text in blocks of lines, with an end to how long one line may be, and to how many come at once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TextIO

from recomart_lib.core.errors import UserError

BLOCK = 1_000_000  # characters per read
MAX_LINES = 250_000  # per block, or little more than one read has: in memory, a line of one character takes 100 bytes


class BoundedText:
    """A text whose lines have at most `limit` characters: a longer one is not read to its end.

    A packed file of a few megabytes can hold a line of many gigabytes, which no memory holds. `newline` is that of the
    text, see `open`.
    """

    def __init__(self, text: TextIO, path: Path, limit: int, newline: str | None = "\n") -> None:
        self._text, self._path, self._limit, self._newline = text, path, limit, newline
        self._rest, self._n_lines = "", 0  # the start of the next line, and the number of those before it

    def readlines(self, size: int) -> list[str]:
        """The next lines with their ends, of about `size` characters; empty at the end of the text.

        Raises
        ------
        UserError
            If a line is longer than the limit; names the file and the line.
        """
        lines: list[str] = []
        room = size
        while room > 0 and len(lines) < MAX_LINES and (block := self._complete_lines(min(size, BLOCK))):
            lines += block
            room -= sum(map(len, block))
        return lines

    def _complete_lines(self, size: int) -> list[str]:
        # reading lines one by one takes five times as long
        while block := self._text.read(max(size, len(self._rest))):
            lines = io.StringIO(self._rest + block, newline=self._newline).readlines()
            self._rest = "" if lines[-1].endswith("\n") else lines.pop()  # \r may be half of an end
            self._check([*lines, self._rest])
            self._n_lines += len(lines)
            if lines:
                return lines
        last, self._rest = self._rest, ""
        return [last] if last else []

    def _check(self, lines: list[str]) -> None:
        if max(map(len, lines)) > self._limit:
            place = next(place for place, line in enumerate(lines, start=1) if len(line) > self._limit)
            raise UserError(
                f"{self._path}, line {self._n_lines + place} is longer than ingest.max_line_bytes = {self._limit:,} "
                "(in params.yaml). Does the file have line ends, and is the table's `kind` right? If such lines are "
                "meant, raise ingest.max_line_bytes."
            )
