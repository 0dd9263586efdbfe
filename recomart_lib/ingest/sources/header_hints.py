"""Where the mapped names of a text file may be, if not in its header: behind another separator, or some lines below."""

from __future__ import annotations

import re
from pathlib import Path

from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources.headers import plain
from recomart_lib.ingest.sources.records import DEFAULTS, open_lines

N_LINES, LINE_LENGTH = 50, 1_000  # the first lines, in which a header is looked for, and their usual length
MAX_SKIPPED = 1_000  # lines above the header that are looked through as well
SEPARATORS = {",": "','", ";": "';'", "\t": '"\\t"', "|": "'|'"}  # and how YAML writes them
DIGIT = re.compile(r"\d")
NUMBER_OR_DAY = re.compile(r"[\d\s.,:/TZ+-]*")  # if there is a digit in it


def hint(path: Path, spec: Table, wanted: list[str], limits: Ingest = DEFAULTS) -> str:
    """What may be wrong with a CSV file that lacks some of the wanted names, as sentences; empty if nothing shows."""
    n_lines = N_LINES + min(spec.skip_lines, MAX_SKIPPED)
    with open_lines(path, spec.encoding, None, limits) as text:
        lines = text.readlines(n_lines * LINE_LENGTH)[:n_lines]
    if spec.header or not lines:
        return ""
    names = {plain(name) for name in wanted}
    n_names = {
        (separator, number): len(names & _cells(line, separator))
        for separator in (spec.separator, *SEPARATORS)
        for number, line in enumerate(lines, start=1)
    }
    used = _used(lines, spec.skip_lines)
    separator, number = max(n_names, key=n_names.__getitem__)
    if n_names[separator, number] <= n_names[spec.separator, used]:
        return "" if n_names[spec.separator, used] else _no_header(lines[used - 1], spec.separator)
    below = skip_advice("Line", number) if number != used else ""
    if separator == spec.separator:
        return below
    return f"{below} The separator looks like {SEPARATORS[separator]}: set the table's `separator`."


def _used(lines: list[str], n_skipped: int) -> int:
    """The number of the line that is taken for the header."""
    below = enumerate(lines[n_skipped:], start=n_skipped + 1)
    is_above = ("", "sep=")  # a blank line, and the separator, which Excel writes above the header
    return next((n for n, line in below if line.strip('\n"').lower()[:4] not in is_above), len(lines))


def skip_advice(unit: str, number: int) -> str:
    """What to do if this line (or row) is the header, and another one is taken for it."""
    key = f"set the table's `skip_lines: {number - 1}`" if number > 1 else "leave out the table's `skip_lines`"
    return f" {unit} {number} looks like the header: {key}."


def _no_header(first: str, separator: str) -> str:
    """What a first line without any wanted name looks like, if not like a header."""
    if re.match(r"\s*(\[\s*)?\{", first):
        return " The file looks like JSON: set the table's `kind` to json (an array), or jsonl (one object per line)."
    if any(DIGIT.search(cell) and NUMBER_OR_DAY.fullmatch(cell) for cell in _cells(first, separator)):
        return " The first line looks like data: if the file has no header, list the names of its columns in `header`."
    return ""


def _cells(line: str, separator: str) -> set[str]:
    return {plain(cell.strip('"')) for cell in line.rstrip("\n").split(separator)}
