"""Split CSV into records, block by block: at once where a line is a record of its own, with care everywhere else.

Nearly all lines of nearly all files are *simple*: they have as many separators as the header, and a quote only where
it encloses a whole cell without separators. Such a line is a record whatever stands around it, unless it lies inside a
quoted cell of several lines; so only the other lines need to be walked through, one after the other.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import polars as pl

from recomart_lib.errors import UserError
from recomart_lib.shops import Table
from recomart_lib.sources.records import Records, open_text, printable, undecodable

BLOCK = 8_000_000  # characters that are read at once
MAX_RECORD_LINES = 1_000  # a quote that is open for longer was opened by mistake


class Lines:
    """The lines of a text from some place on, a block of them at hand; line ends are kept."""

    def __init__(self, text: TextIO, size: int) -> None:
        self._text, self._size, self.n_before = text, size, 0
        self.block = text.readlines(size)

    def skip(self, n: int) -> None:
        """Leave the first lines behind and read on; the block is empty at the end of the text."""
        self.n_before += n
        self.block = self.block[n:]
        if len(self.block) < MAX_RECORD_LINES:
            self.block += self._text.readlines(self._size)

    def since(self, place: int) -> Iterator[str]:
        """The lines that a record which starts here may have; the block grows if it runs over its end."""
        for at in range(place, place + MAX_RECORD_LINES):
            if at == len(self.block):
                self.block += filter(None, [self._text.readline()])
            if at == len(self.block):
                return
            yield self.block[at]


def header(path: Path, spec: Table) -> list[str]:
    """The column names of a file; none if it has no record."""
    with open_text(path, spec.encoding, newline="") as text:
        return spec.header or _names(Lines(text, size=1), spec.separator)


def read(path: Path, spec: Table) -> Iterator[Records]:
    """The records of a file, at least once (maybe none) if it has a header. A blank line is no record."""
    with open_text(path, spec.encoding, newline="") as text:
        lines = Lines(text, BLOCK)
        names = spec.header or _names(lines, spec.separator)
        if len(set(names)) < len(names):
            raise UserError(f"{path.name} has two columns of the same name: {', '.join(names)}")
        while names:
            records, n_lines = _split(lines, names, spec)
            yield records
            lines.skip(n_lines)
            if not lines.block:
                return


def _names(lines: Lines, separator: str) -> list[str]:
    """The cells of the first record, which is left behind."""
    while lines.block:
        first = next((place for place, line in enumerate(lines.block) if line.strip("\r\n")), len(lines.block))
        if first < len(lines.block):
            after, cells, _ = _record(lines, first, separator, None)
            lines.skip(after)
            return [printable(cell) for cell in cells]
        lines.skip(first)
    return []


def _split(lines: Lines, names: list[str], spec: Table) -> tuple[Records, int]:
    """The records that start in the block, and how many lines they took."""
    block = _described(lines.block, spec.separator, len(names))
    own = block.get_column("simple").to_numpy(writable=True)
    after, numbers, careful, rejects = len(own), [], [], []
    done = 0
    for place in block.get_column("odd").arg_true().to_list():
        if place < done:
            continue  # it lies inside the record before
        done, cells, problem = _record(lines, place, spec.separator, len(names))
        own[place + 1 : done] = False
        if reason := problem or _problem(cells, names, spec.encoding):
            rejects.append((lines.n_before + place + 1, printable(spec.separator.join(cells)), reason))
        else:
            numbers.append(lines.n_before + place + 1)
            careful.append(cells)
    cells = _cells(block.get_column("bare").filter(pl.Series(own)), spec.separator, names)
    places = pl.Series("line", np.flatnonzero(own) + lines.n_before + 1, dtype=pl.Int64)
    return _in_order(cells, places, careful, numbers, rejects), max(after, done)


def _described(lines: list[str], separator: str, width: int) -> pl.DataFrame:
    """One row per line: bare (without its end and its quotes), simple, odd (neither simple nor blank)."""
    try:
        text = pl.Series("line", lines, dtype=pl.String)
    except UnicodeEncodeError:
        # a lone quote is never simple
        text = pl.Series("line", ['"' if undecodable(line) else line for line in lines], dtype=pl.String)
    line = pl.col("line")
    quoted = pl.when(line.str.contains('"', literal=True)).then(line)
    other = f'[^"{re.escape(separator)}]*'
    enclosed = quoted.str.contains(f'^("{other}"|{other})({re.escape(separator)}("{other}"|{other}))*$')
    separated = line.str.count_matches(separator, literal=True) == width - 1
    # csv refuses cells that are longer
    simple = separated & enclosed.fill_null(True) & (line.str.len_bytes() <= csv.field_size_limit()) & (line != "")
    frame = text.to_frame().select(line.str.strip_chars_end("\r\n"))
    return frame.select(
        line.str.replace_all('"', "", literal=True).alias("bare"),
        simple.alias("simple"),
        (~simple & (line != "")).alias("odd"),
    )


def _cells(bare: pl.Series, separator: str, names: list[str]) -> pl.DataFrame:
    return bare.str.split_exact(separator, len(names) - 1).struct.rename_fields(names).struct.unnest()


def _record(lines: Lines, place: int, separator: str, width: int | None) -> tuple[int, list[str], str | None]:
    """(place after it, cells, what is wrong) of the record that starts here; a quoted cell may hold line breaks.

    A quote that is opened by mistake swallows the lines after it, up to the next quote: if the record does not make
    sense, only its first line is given up, and reading goes on with the second.
    """
    reader = csv.reader(lines.since(place), delimiter=separator, strict=True)
    cells, problem = [], None
    try:
        cells = next(reader)
    except csv.Error as error:
        problem = f"not a CSV record: {error}"
        if reader.line_num == MAX_RECORD_LINES and "end of data" in problem:
            problem = f"not a CSV record: a quote that is not closed within {MAX_RECORD_LINES:,} lines"
    n_lines = reader.line_num
    if n_lines > 1 and not problem and width and len(cells) != width:
        problem = f"{len(cells)} cells over {n_lines} lines where the header has {width}"
    if problem:
        return place + 1, [lines.block[place].rstrip("\r\n")], problem
    return place + n_lines, cells, None


def _problem(cells: list[str], names: list[str], encoding: str) -> str | None:
    if len(cells) != len(names):
        return f"{len(cells)} cells where the header has {len(names)}"
    return f"bytes that are not {encoding}" if undecodable("".join(cells)) else None


def _in_order(
    cells: pl.DataFrame, places: pl.Series, careful: list[list[str]], numbers: list[int], rejects: list
) -> Records:
    """Simple and carefully read records as one table, as they stand in the file."""
    if not careful:
        return Records(cells, places, rejects)
    columns = dict(zip(cells.columns, zip(*careful, strict=True), strict=True))
    cells = pl.concat([cells, pl.DataFrame(columns, schema=cells.schema)])
    places = pl.concat([places, pl.Series("line", numbers, dtype=pl.Int64)])
    order = places.arg_sort()
    return Records(cells[order], places[order], rejects)
