"""The separator of a text file of records, and whether its first record is a header."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from recomart_lib.ingest.sources.csv_reader import SEPARATOR_LINE
from recomart_lib.ingest.sources.headers import plain, unique

SEPARATORS = (";", "\t", "|", ",")  # the first of equally good ones: a decimal comma also splits records evenly
N_RECORDS = 300  # that are looked at
MAX_NAMES = 100  # cells of a first record that are compared with usual names
MIN_SHARE = 0.9  # of records that have as many cells as most
VALUE = re.compile(r"[-+]?[€$£]?\s?\d[\d.,'\s:/TZ+%-]*(\s?[AaPp][Mm])?\s?[€$£]?")  # a number, a day or a time


class Delimited(NamedTuple):
    """How the records of a file are written: the names of its columns, and those of a file without a header."""

    separator: str
    names: list[str]
    has_header: bool
    is_sure: bool  # whether the first record surely is a header, or none


def of_text(text: str, is_name: Callable[[str], bool]) -> Delimited | str:
    """How a text is separated, or why it is no table.

    Parameters
    ----------
    text
        The start of a file, with complete lines.
    is_name
        Whether a word is a usual name of a column.
    """
    lines = text.splitlines(keepends=True)
    mark = SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    if mark:
        lines = lines[1:]
    best: tuple[float, int, str, list[list[str]]] | None = None
    for separator in [mark[1]] if mark else SEPARATORS:
        records = _records(lines, separator)
        if not records:
            continue
        width, share = _width(records)
        if width < 2 or share < MIN_SHARE:
            continue
        rank = (round(share, 1), len(records[0]) == width, width)
        if best is None or rank > best[0]:
            best = (rank, width, separator, records)
    if best is None:
        return _no_table(lines)
    _, width, separator, records = best
    if (len(records[0]) != width and any(map(plain, records[0][width:]))) or len(records[0]) < width - 1:
        return f"its first line has {len(records[0])} cells and most others {width}: delete the lines above the header"
    has_header, is_sure = _has_header(records, is_name)
    cells = records[0] if has_header else [f"column_{n}" for n in range(1, width + 1)]
    return Delimited(separator, unique(cells), has_header, is_sure)


def _records(lines: list[str], separator: str) -> list[list[str]]:
    records: list[list[str]] = []
    try:
        for cells in csv.reader(lines, delimiter=separator):
            if any(cells):
                records.append(cells)
            if len(records) == N_RECORDS:
                break
    except csv.Error:
        return []
    return records


def _width(records: list[list[str]]) -> tuple[int, float]:
    """The usual number of cells of a record, and the share of records that have so many."""
    width, n = Counter(map(len, records)).most_common(1)[0]
    return width, n / len(records)


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
    of_values = sum(_are_values([row[place] for row in others if place < len(row)]) for place in range(len(first)))
    again = sum(
        cell != "" and any(plain(row[place]) == cell for row in others if place < len(row))
        for place, cell in enumerate(first)
    )
    if of_values or n_names:
        return True, again == 0 or n_names > 0
    return again == 0, False


def _are_values(cells: list[str]) -> bool:
    """Whether nearly all cells of a column are numbers, days or times."""
    filled = [cell for cell in map(plain, cells) if cell]
    return bool(filled) and sum(bool(VALUE.fullmatch(cell)) for cell in filled) >= 0.8 * len(filled)
