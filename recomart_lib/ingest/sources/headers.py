"""The names of delivered columns: made unique, and compared with the names that a shop file maps."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from pathlib import Path

from recomart_lib.core.errors import UserError
from recomart_lib.core.text import plural

MAX_NAMES, MAX_LENGTH = 30, 60  # what a message shows of a header that may be anything
# byte order marks, zero-width characters and soft hyphens come with copied or converted text, and nobody sees them
INVISIBLE = "\ufeff\u200b\u200c\u200d\u200e\u200f\u2060\u00ad"
MARGIN = "".join(filter(str.isspace, map(chr, range(0x3001)))) + INVISIBLE  # white space ends with U+3000


def plain(name: str) -> str:
    """A name without white space and invisible characters around it."""
    return name.strip(MARGIN)


def unique(names: list[str]) -> list[str]:
    """The names of columns, each once: blank and repeated ones get their number, as in `price (column 3)`.

    >>> unique(["id", "price", "", "price"])
    ['id', 'price (column 2)', '(column 3)', 'price (column 4)']
    """
    while True:
        count = Counter(names)
        numbered = [
            f"{plain(name)} (column {number})".strip() if count[name] > 1 or not plain(name) else name
            for number, name in enumerate(names, start=1)
        ]
        if numbered == names:
            return names
        names = numbered


def too_short(path: Path, n: int, skipped: int, unit: str) -> UserError:
    """The error of a file that ends above its header: it has `n` lines (or rows), and `skipped` are not read."""
    return UserError(
        f"{path} has {plural(n, unit)}, but the table's `skip_lines` is {skipped}: all of them would be skipped. "
        "Correct `skip_lines`: how many lines are above the header?"
    )


def aliases(columns: list[str], wanted: list[str]) -> dict[str, str]:
    """Delivered name -> wanted name, where they differ only in what surrounds them and no second column is like it."""
    found = {}
    for name in wanted:
        similar = [column for column in columns if plain(column) == plain(name) and column not in wanted]
        if name not in columns and len(similar) == 1:
            found[similar[0]] = name
    return found


def explain_missing(wanted: list[tuple[str, str]], columns: list[str]) -> str:
    """Why each wanted (our name, delivered name) is not among the columns, and which names are there instead."""
    reasons = [(f"'{theirs}' (for {ours})", _explanation(theirs, columns)) for ours, theirs in wanted]
    sentences = "; ".join(f"{name}{reason or ''}" for name, reason in reasons)
    if all(reason for _, reason in reasons):
        return sentences
    known = [_shown(name) for name in columns[:MAX_NAMES]]
    return f"{sentences}{'' if sentences.endswith(('?', '.')) else '.'} Known: {', '.join(known)}" + (
        f", and {len(columns) - MAX_NAMES} more." if len(columns) > MAX_NAMES else "."
    )


def _shown(name: str) -> str:
    """A name that may be anything, fit for a message: without control characters, and not too long."""
    printable = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name[:MAX_LENGTH])
    return printable if len(name) <= MAX_LENGTH else f"{printable}..."


def _explanation(theirs: str, columns: list[str]) -> str | None:
    """The rest of the sentence about a name that is not among the columns; None without a near one."""
    numbered = re.compile(re.escape(plain(theirs)) + r" \(column (\d+)\)")
    if repeated := [match for match in map(numbered.fullmatch, columns) if match]:
        numbers = ", ".join(match[1] for match in repeated)
        return f": columns {numbers} all have this name. Map one of them, for example as '{repeated[0][0]}'."
    same_letters = [column for column in columns if plain(column).casefold() == plain(theirs).casefold()]
    near = same_letters or difflib.get_close_matches(theirs, columns, n=1)
    return f". Did you mean '{_shown(near[0])}'?" if near else None
