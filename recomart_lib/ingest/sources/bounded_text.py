"""A delivered text, line by line or in blocks, with an end to how long one line may be."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from recomart_lib.core.errors import UserError


class BoundedText:
    """A text whose lines have at most `limit` characters: a longer one is not read to its end.

    A packed file of a few megabytes can hold a line of many gigabytes, which no memory holds.
    """

    def __init__(self, text: TextIO, path: Path, limit: int) -> None:
        self._text, self._path, self._limit, self._n_lines = text, path, limit, 0

    def readline(self) -> str:
        """The next line with its end; empty at the end of the text.

        Raises
        ------
        UserError
            If the line is longer than the limit; names the file and the line.
        """
        line = self._text.readline(self._limit + 1)
        self._n_lines += 1
        if len(line) > self._limit:
            raise UserError(
                f"{self._path}, line {self._n_lines} is longer than ingest.max_line_bytes = {self._limit:,} (in "
                "params.yaml). Does the file have line ends, and is the table's `kind` right? If such lines are meant, "
                "raise ingest.max_line_bytes."
            )
        return line

    def readlines(self, size: int) -> list[str]:
        """The next lines, until they have more than `size` characters; empty at the end of the text."""
        lines, room = [], size
        while room >= 0 and (line := self.readline()):
            lines.append(line)
            room -= len(line)
        return lines
