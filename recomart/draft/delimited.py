"""The separator of a text file of records, and whether its first record is a header."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from recomart.draft import header_lines
from recomart.draft.header_lines import MAX_NAMES, VALUE, Start
from recomart_lib.ingest.sources.csv_reader import SEPARATOR_LINE
from recomart_lib.ingest.sources.headers import plain, unique

SEPARATORS = (";", "\t", "|", ",")  # the first of equally good ones: a decimal comma also splits records evenly
N_RECORDS = 300  # that are looked at
MIN_EVEN = 10  # records that show a table whose header is not found
MIN_SHARE = 0.9  # of records that have as many cells as most


class Delimited(NamedTuple):
    """How the records of a file are written: the names of its columns, and those of a file without a header.

    `skip_lines` lines are above the header, or the first record; `is_skip_sure`: they surely are no records.
    """

    separator: str
    names: list[str]
    has_header: bool
    is_sure: bool  # whether the first record surely is a header, or none
    skip_lines: int = 0
    is_skip_sure: bool = True


class _Records(NamedTuple):
    """The records of a text, and how many lines are above each."""

    rows: list[list[str]]
    above: list[int]


def of_text(text: str, is_name: Callable[[str], bool]) -> Delimited | str:
    """How a text is separated, or why it is no table.

    Parameters
    ----------
    text
        The start of a file, with complete lines.
    is_name
        Whether a word is a usual name of a column.
    """
    lines = io.StringIO(text, newline="").readlines()  # as the reader counts them
    mark = SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    best: tuple[tuple, str, _Records, Start] | None = None
    is_table = False
    for separator in [mark[1]] if mark else SEPARATORS:
        records = _records(lines[1:] if mark else lines, separator)
        start = header_lines.find(records.rows, is_name)
        if start is None or start.share < MIN_SHARE:
            is_table |= _is_even(records.rows)
            continue
        is_exact = len(records.rows[start.place]) == start.width
        rank = (round(start.share, 1), is_exact, start.evidence, -start.place, start.width)
        if best is None or rank > best[0]:
            best = (rank, separator, records, start)
    if best is None:
        return _no_table(lines) if not is_table else "its header is not found: delete the lines above it"
    _, separator, records, start = best
    rows = records.rows[start.place :]
    has_header, is_sure = _has_header(rows, is_name)
    cells = rows[0] if has_header else [f"column_{n}" for n in range(1, start.width + 1)]
    n_above = records.above[start.place] + bool(mark)
    skipped = n_above if any(line.strip("\r\n") for line in lines[bool(mark) : n_above]) else 0
    return Delimited(separator, unique(cells), has_header, is_sure, skipped, start.is_sure)


def _records(lines: list[str], separator: str) -> _Records:
    records, n_above = _Records([], []), 0
    reader = csv.reader(lines, delimiter=separator)
    try:
        for cells in reader:
            if any(cells):
                records.rows.append(cells)
                records.above.append(n_above)
            n_above = reader.line_num
            if len(records.rows) == N_RECORDS:
                break
    except csv.Error:
        return _Records([], [])
    return records


def _is_even(records: list[list[str]]) -> bool:
    """Whether most of the later records have several cells, and as many as each other."""
    later = records[len(records) // 2 :]
    width, n = Counter(map(len, later)).most_common(1)[0] if later else (0, 0)
    return width > 1 and n >= MIN_SHARE * len(later) and len(later) >= MIN_EVEN


def _no_table(lines: list[str]) -> str:
    if not any(line.strip() for line in lines):
        return "it has no records"
    words = [len(line.split()) for line in lines if line.strip()]
    return "text, not a table" if max(words) > 3 else "a list of one column"


def _has_header(records: list[list[str]], is_name: Callable[[str], bool]) -> tuple[bool, bool]:
    """Whether the first record is a header, and whether that is sure."""
    first, others = [plain(cell) for cell in records[0]], records[1:]
    if any(VALUE.fullmatch(cell) for cell in first):
        return False, True
    filled = [cell for cell in first if cell]
    if len(set(filled)) < len(filled) or not filled:
        return False, len(filled) > 0 and not any(map(is_name, filled))
    n_names = sum(map(is_name, filled[:MAX_NAMES]))
    columns = [[plain(row[place]) for row in others if place < len(row)] for place in range(len(first))]
    of_values = sum(map(header_lines.are_values, columns))
    again = sum(
        cell != "" and any(plain(row[place]) == cell for row in others if place < len(row))
        for place, cell in enumerate(first)
    )
    if of_values or n_names:
        return True, again == 0 or n_names > 0
    return again == 0, False
