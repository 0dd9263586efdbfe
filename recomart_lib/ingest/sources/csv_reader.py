"""Split CSV into records, block by block: in bulk if each line is a record of its own, line by line otherwise.

In nearly all files, nearly all lines stand *alone*: their quotes enclose whole cells. Such a line is a record, whatever
its neighbours are, unless it is inside a quoted cell with several lines. Only the other, *odd* lines need to be parsed
one after the other. Most lines that stand alone are also *simple*: they have as many separators as the header, and
none of them in quotes. Polars splits these lines, and Python's csv all others.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import headers
from recomart_lib.ingest.sources.bounded_text import BoundedText
from recomart_lib.ingest.sources.records import DEFAULTS, Records, check_width, open_lines, printable, undecodable

BLOCK = 8_000_000  # characters per block
SMALL_BLOCK = 65_536  # ... where the header is looked for, or the end of one record
MARK = "\ufeff"
MAX_NAMELESS = 100  # nameless columns at the end of a header that are read
MAX_RECORD_LINES = 1_000  # a quote that stays open for longer is a mistake
FEW_LINES = 50  # an invalid record of so many may have valid ones in it
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)  # Excel writes it above the header


class Layout(NamedTuple):
    """How the records of a file are written.

    `cells` are those of its header, `n_named` of them up to the last one that has a name: shorter records lack a cell.
    `names` are those of the columns that are read, unique: without what follows `MAX_NAMELESS` nameless ones at the
    end, as each short record would get a blank cell for each of thousands.
    """

    cells: list[str]
    n_named: int
    names: list[str]
    separator: str
    encoding: str

    def fitted(self, cells: list[str]) -> list[str] | None:
        """The cells of a record that are read; None if it has not as many as the header.

        Blank cells beyond the header do not count, nor do those that only nameless columns lack.
        """
        is_complete = self.n_named <= len(cells) <= len(self.cells)
        if not is_complete and (len(cells) < self.n_named or any(map(str.strip, cells[len(self.cells) :]))):
            return None
        width = len(self.names)
        return cells[:width] if len(cells) >= width else cells + [""] * (width - len(cells))


class Lines:
    """The remaining lines of a text, with line ends; `block` holds the first of them."""

    def __init__(self, text: BoundedText, size: int, max_record: int) -> None:
        self._text, self._size, self._max_record, self.n_before = text, size, max_record, 0
        self._looked_until = 0  # the lines of the file before this one were looked through for the end of a quote
        self.block = _without_marks(text.readlines(size))

    def skip(self, n: int) -> None:
        """Drop the first `n` lines and read more; the block is empty at the end of the text."""
        self.n_before += n
        self.block = self.block[n:]
        if len(self.block) < MAX_RECORD_LINES:
            self.block += _without_marks(self._text.readlines(self._size))

    def since(self, place: int) -> Iterator[str]:
        """The lines of a record that starts at `place`; the block grows if the record continues after its end.

        They end early where they have more characters than a record may have, and after one line where the
        open quote of an invalid record led through many: each could otherwise be read a thousand times.
        """
        room = self._max_record
        n_lines = 1 if self.was_looked_through(place) else MAX_RECORD_LINES
        for line in range(place, place + n_lines):
            if line == len(self.block):
                self.block += _without_marks(self._text.readlines(SMALL_BLOCK))
            if line == len(self.block) or room < 0:
                return
            room -= len(self.block[line])
            yield self.block[line]

    def was_looked_through(self, place: int) -> bool:
        return self.n_before + place < self._looked_until

    def looked_through(self, place: int, n_lines: int) -> None:
        """An invalid record has these lines; a record of several lines may start where it ends, or fails."""
        if n_lines > FEW_LINES:
            self._looked_until = max(self._looked_until, self.n_before + place + n_lines - 1)

    def is_too_long(self, place: int, n_lines: int) -> bool:
        """Whether these lines have more characters than a record may have."""
        return sum(map(len, self.block[place : place + n_lines])) > self._max_record


def _without_marks(lines: list[str]) -> list[str]:
    """The lines without byte order marks at their start, which files that were put together have in the middle."""
    return [line.removeprefix(MARK) for line in lines] if MARK in "".join(lines) else lines


def header(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> list[str]:
    """The column names of a file, each once (see `headers.unique`); empty if it has no record."""
    with open_lines(path, spec.encoding, "", limits) as text:
        return _layout(Lines(text, SMALL_BLOCK, limits.max_line_bytes), path, spec, limits).names


def read(path: Path, spec: Table, limits: Ingest = DEFAULTS) -> Iterator[Records]:
    """The records of a file; yields at least once if the file has a header. Blank lines are not records."""
    with open_lines(path, spec.encoding, "", limits) as text:
        lines = Lines(text, BLOCK, limits.max_line_bytes)
        layout = _layout(lines, path, spec, limits)
        while layout.names:
            records, n_lines = _split(lines, layout)
            yield records
            lines.skip(n_lines)
            if not lines.block:
                return


def _layout(lines: Lines, path: Path, spec: Table, limits: Ingest) -> Layout:
    """The layout of a file; drops the lines before its first record."""
    separator = _stated_separator(lines) or spec.separator
    if spec.skip_lines:
        _skip_above(lines, path, spec.skip_lines)
        separator = _stated_separator(lines) or separator
    cells = spec.header or _header_cells(lines, separator)
    check_width(path, len(cells), limits)
    cells = [printable(cell) for cell in cells]
    n_named = max((place for place, cell in enumerate(cells, start=1) if headers.plain(cell)), default=0)
    return Layout(cells, n_named, headers.unique(cells)[: n_named + MAX_NAMELESS], separator, spec.encoding)


def _stated_separator(lines: Lines) -> str | None:
    """The separator that the next line states, which is then dropped; None if it states none."""
    mark = SEPARATOR_LINE.fullmatch(lines.block[0]) if lines.block else None
    if mark is None:
        return None
    lines.skip(1)
    return mark[1]


def _skip_above(lines: Lines, path: Path, n: int) -> None:
    """Drop the first `n` lines of a file, those that were dropped before included.

    Raises
    ------
    UserError
        If the file has fewer lines, and they are not blank.
    """
    is_blank = True
    while lines.n_before < n and lines.block:
        dropped = lines.block[: n - lines.n_before]
        is_blank = is_blank and not any(map(str.strip, dropped))
        lines.skip(len(dropped))
    if lines.n_before < n and not is_blank:
        raise headers.too_short(path, lines.n_before, n, "line")


def _header_cells(lines: Lines, separator: str) -> list[str]:
    """The cells of the first record, which is then dropped."""
    while lines.block:
        first = next((place for place, line in enumerate(lines.block) if line.strip("\r\n")), len(lines.block))
        if first < len(lines.block):
            after, cells, _ = _record(lines, first, separator)
            lines.skip(after)
            return cells
        lines.skip(first)
    return []


class _ParsedRecords:
    """Records parsed by Python's csv: their places, all their cells in one list, and rejected lines."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        # not one list per record: Python's garbage collector would visit each of them repeatedly
        self.places, self.cells, self.rejects = [], [], []

    def add(self, place: int, cells: list[str], problem: str | None = None) -> None:
        fitted = None if problem else self.layout.fitted(cells)
        if problem := problem or _problem(cells, fitted, self.layout):
            self.rejects.append((place, printable(self.layout.separator.join(fitted or cells)), problem))
        else:
            self.places.append(place)
            self.cells += fitted

    def table(self) -> pl.DataFrame:
        names = self.layout.names
        return pl.DataFrame({name: self.cells[n :: len(names)] for n, name in enumerate(names)})


def _split(lines: Lines, layout: Layout) -> tuple[Records, int]:
    """The records that start in the block, and the number of their lines."""
    block, parsed, next_place = _described(lines.block, layout), _ParsedRecords(layout), 0
    alone, simple = (block.get_column(name).to_numpy(writable=True) for name in ("alone", "simple"))
    for place in block.get_column("odd").arg_true().to_list():
        if place >= next_place:  # otherwise it belongs to the previous record
            next_place, cells, problem = _record(lines, place, layout.separator, layout)
            alone[place + 1 : next_place] = False
            parsed.add(place, cells, problem)
    quoted = np.flatnonzero(alone & ~simple).tolist()
    reader = csv.reader(map(lines.block.__getitem__, quoted), delimiter=layout.separator, strict=True)
    for place, cells in zip(quoted, reader, strict=True):
        parsed.add(place, cells)
    cells, places = _in_order(block.get_column("bare"), alone & simple, parsed)
    first = lines.n_before + 1
    rejects = [(first + place, raw, problem) for place, raw, problem in sorted(parsed.rejects)]
    return Records(cells, places + first, rejects), max(block.height, next_place)


def _described(lines: list[str], layout: Layout) -> pl.DataFrame:
    """One row per line: bare (without its end and its quotes), alone (a record by itself), simple, odd (not alone)."""
    try:
        text = pl.Series("line", lines, dtype=pl.String)
    except UnicodeEncodeError:
        # replaced by a lone quote, which is never a valid record
        text = pl.Series("line", ['"' if undecodable(line) else line for line in lines], dtype=pl.String)
    line, mark = pl.col("line"), re.escape(layout.separator)
    plain, enclosed, escaped = f'[^"{mark}]*', f'"[^"{mark}]*"', '"([^"]|"")*"'
    quoted = pl.when(line.str.contains('"', literal=True)).then(line)
    simple = quoted.str.contains(f"^({enclosed}|{plain})({mark}({enclosed}|{plain}))*$").fill_null(True)
    simple &= line.str.count_matches(layout.separator, literal=True) == len(layout.cells) - 1
    # NUL bytes and a repeated header are rejected where records are parsed one by one
    simple &= ~line.str.contains("\0", literal=True) & (pl.col("bare") != layout.separator.join(layout.cells))
    not_simple = pl.when(~pl.col("simple")).then("quoted")
    alone = not_simple.str.contains(f"^({escaped}|{plain})({mark}({escaped}|{plain}))*$").fill_null(True)
    alone &= line.str.len_bytes() <= csv.field_size_limit()  # csv rejects longer cells
    not_blank = line != ""
    return (
        text.to_frame()
        .select(line.str.strip_chars_end("\r\n"))
        .with_columns(line.str.replace_all('"', "", literal=True).alias("bare"), quoted.alias("quoted"))
        .with_columns(simple.alias("simple"))
        .select(
            "bare",
            "simple",
            (alone & not_blank).alias("alone"),
            (~alone & not_blank).alias("odd"),
        )
    )


def _in_order(bare: pl.Series, simple: np.ndarray, parsed: _ParsedRecords) -> tuple[pl.DataFrame, pl.Series]:
    """The cells of all records as one table, in the order of the file, and their places."""
    names = parsed.layout.names
    split = bare.filter(pl.Series(simple)).str.split_exact(parsed.layout.separator, len(names) - 1)
    cells = split.struct.rename_fields(names).struct.unnest()
    places = pl.Series("line", np.flatnonzero(simple), dtype=pl.Int64)
    if not parsed.places:
        return cells, places
    cells = pl.concat([cells, parsed.table()])
    places = pl.concat([places, pl.Series("line", parsed.places, dtype=pl.Int64)])
    order = places.arg_sort()
    return cells[order], places[order]


def _record(
    lines: Lines, place: int, separator: str, layout: Layout | None = None
) -> tuple[int, list[str], str | None]:
    """(place after it, cells, problem) of the record that starts at `place`; a quoted cell may contain line breaks.

    A quote opened by mistake swallows the following lines up to the next quote. Therefore, if the record is invalid,
    only its first line is rejected, and reading continues with the second.
    """
    reader = csv.reader(lines.since(place), delimiter=separator, strict=True)
    cells, problem = [], None
    try:
        cells = next(reader)
    except csv.Error as error:
        problem = f"not a CSV record: {error}"
        if lines.was_looked_through(place) and "end of data" in problem:
            problem = "not a CSV record: a quote that is not closed"
        elif reader.line_num == MAX_RECORD_LINES and "end of data" in problem:
            problem = f"not a CSV record: a quote that is not closed within {MAX_RECORD_LINES:,} lines"
        elif "end of data" in problem and lines.is_too_long(place, reader.line_num):
            problem = "not a CSV record: a quote that is not closed within ingest.max_line_bytes"
    n_lines = reader.line_num
    if n_lines > 1 and not problem and layout and layout.fitted(cells) is None:
        problem = f"{len(cells)} cells over {n_lines} lines where the header has {len(layout.cells)}"
    if problem:
        lines.looked_through(place, n_lines)
        return place + 1, [lines.block[place].rstrip("\r\n")], problem
    return place + n_lines, cells, None


def _problem(cells: list[str], fitted: list[str] | None, layout: Layout) -> str | None:
    if fitted is None:
        return f"{len(cells)} cells where the header has {len(layout.cells)}"
    if fitted == layout.cells[: len(layout.names)]:
        return "the header again, as where several files were put together"
    text = "".join(fitted)
    return f"bytes that are not {layout.encoding}" if undecodable(text) else "a NUL byte" if "\0" in text else None
