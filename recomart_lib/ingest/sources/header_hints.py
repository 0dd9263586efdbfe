"""Where the mapped names of a text file may be, if not in its header: behind another separator, or some lines below."""

from __future__ import annotations

import re
from pathlib import Path

from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources.headers import plain
from recomart_lib.ingest.sources.records import DEFAULTS, open_lines

N_LINES, LINE_LENGTH = 20, 1_000  # the first lines, in which a header is looked for, and their usual length
SEPARATORS = {",": "','", ";": "';'", "\t": '"\\t"', "|": "'|'"}  # and how YAML writes them
DIGIT = re.compile(r"\d")
NUMBER_OR_DAY = re.compile(r"[\d\s.,:/TZ+-]*")  # if there is a digit in it


def hint(path: Path, spec: Table, wanted: list[str], limits: Ingest = DEFAULTS) -> str:
    """What may be wrong with a CSV file that lacks some of the wanted names, as sentences; empty if nothing shows."""
    with open_lines(path, spec.encoding, None, limits) as text:
        lines = text.readlines(N_LINES * LINE_LENGTH)[:N_LINES]
    if spec.header or not lines:
        return ""
    names = {plain(name) for name in wanted}
    n_names = {
        (separator, number): len(names & _cells(line, separator))
        for separator in (spec.separator, *SEPARATORS)
        for number, line in enumerate(lines, start=1)
    }
    separator, number = max(n_names, key=n_names.__getitem__)
    if n_names[separator, number] <= n_names[spec.separator, 1]:
        return "" if n_names[spec.separator, 1] else _no_header(lines[0], spec.separator)
    below = f" Line {number} looks like the header: delete the lines above it." if number > 1 else ""
    if separator == spec.separator:
        return below
    return f"{below} The separator looks like {SEPARATORS[separator]}: set the table's `separator`."


def _no_header(first: str, separator: str) -> str:
    """What a first line without any wanted name looks like, if not like a header."""
    if re.match(r"\s*(\[\s*)?\{", first):
        return " The file looks like JSON: set the table's `kind` to json (an array), or jsonl (one object per line)."
    if any(DIGIT.search(cell) and NUMBER_OR_DAY.fullmatch(cell) for cell in _cells(first, separator)):
        return " The first line looks like data: if the file has no header, list the names of its columns in `header`."
    return ""


def _cells(line: str, separator: str) -> set[str]:
    return {plain(cell.strip('"')) for cell in line.rstrip("\n").split(separator)}
