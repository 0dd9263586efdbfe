"""What to do about lines that cannot be read: by the column and the cause that the reader names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

import polars as pl

from recomart.dry_run.finding import Context, Finding
from recomart.dry_run.table_reader import Reading
from recomart_lib.core import currency_signs
from recomart_lib.core.schemas import STATE, TABLES, VALID_FROM, dtype_of
from recomart_lib.core.text import percent, printable
from recomart_lib.ingest.sources import ids

JOIN = re.compile(  # a reason for a row that cannot be joined: the column of its id, and the problem
    r"(.+?): (?:(?:'.*'|blank) (?=is in no row of |has rows with different values of |has a ')|its cell )(.*)",
    re.DOTALL,
)
CELL = re.compile(r"([\w.]+): '(.*)' (.*)", re.DOTALL)  # a reason that names a cell: column, cell, problem
HINT = re.compile("timestamp_format|currency_sign")  # keys that a reason may propose
DIGITS = re.compile(r"\d+")
COMMA = re.compile(r"[+-]?\d{1,3}(\.?\d{3})*,\d+")
JOINED = "joins"  # in place of a column
SHOWN = 3  # words
WORD = 30  # characters of a word that are shown
CAUSES = 6  # of a table, the most frequent


def findings(context: Context, reading: Reading) -> Iterator[Finding]:
    """One finding per column and cause, the most frequent causes of a table."""
    cells: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for reason in reading.rejects.get_column("reason"):
        column, cell, problem = _parts(reason)
        cells[column, problem][cell] += 1
    most = sorted(cells.items(), key=lambda entry: (-entry[1].total(), entry[0]))[:CAUSES]
    for (column, problem), words in most:
        share = words.total() / max(reading.rejects.height, 1) * reading.n_rejects / max(reading.delivered, 1)
        what = f"{percent(share)} of {context.table} cannot be read: {_cause(column, problem, words)}"
        rows = round(share * reading.estimated)
        yield Finding(
            context.table, what, rows, share, _score(context, share), _advice(context, column, problem, words)
        )


def _parts(reason: str) -> tuple[str, str, str]:
    """Column, cell, problem; of a line as a whole: nothing, the reason, and the reason without its numbers."""
    match = CELL.fullmatch(reason)
    if match and match[1] in _columns() and not JOIN.fullmatch(reason):
        problem, _, hint = match[3].partition("; ")
        return match[1], match[2], f"{problem}; {hint}" if HINT.search(hint) else problem
    if joined := JOIN.fullmatch(reason):
        return JOINED, f"an id in {joined[1]} {joined[2]}", joined[2]
    return "", reason, DIGITS.sub("N", reason)


def _columns() -> set[str]:
    """The names of our columns that a reason may begin with, also those of derived tables."""
    own = {name for columns in TABLES.values() for name in (*columns, VALID_FROM, *STATE)}
    return own | {f"{table}.{name}" for table in ("users", "items") for name in TABLES[table]}


def _cause(column: str, problem: str, words: Counter[str]) -> str:
    """The column, its most frequent words, and what is wrong; ids and texts are not shown, as they may be personal."""
    if column in ("", JOINED):
        return words.most_common(1)[0][0]
    if ids.is_id(column) or dtype_of(column) == pl.String:
        return f"{column} {problem}"
    shown = ", ".join(f"'{printable(word[:WORD])}'" for word, _ in words.most_common(SHOWN))
    return f"{column}: {shown} {problem}"


def _advice(context: Context, column: str, problem: str, words: Counter[str]) -> str:
    if not column:
        return f"{context.key('separator')}, {context.key('encoding')}: are they right? Else correct these lines"
    if column == JOINED:
        return f"{context.key('joins')}: is `by` right? `complete: false` keeps rows without one, with blanks"
    dtype = dtype_of(column)
    if "the clocks go forward" in problem:
        return f"time_zone: is {context.shop.time_zone} right? Its clocks never show these times"
    if dtype.is_temporal():
        _, _, hint = problem.partition("timestamp_format: ")
        form = hint.replace("'", '"') if hint else "..."
        return f"{context.key('timestamp_format')}: {form}; words that mean no time: {context.key('nulls')}"
    if ids.is_id(column) or dtype == pl.String:
        return f"{context.key('columns')}.{column}: is it the right column? Else {context.key('values')}"
    decimal = f'{context.key("decimal")}: ","' if all(COMMA.fullmatch(_without_sign(word)) for word in words) else ""
    if "currency_sign" in problem:
        return _currency_advice(context, problem, decimal)
    if dtype.is_numeric() and decimal:
        return decimal
    listed = ", ".join(f'"{printable(word[:WORD])}"' for word, _ in words.most_common(SHOWN))
    more = ", ..." if len(words) > SHOWN else ""
    translated = f"{context.key('values')}: {{{column}: {{{printable(words.most_common(1)[0][0][:WORD])}: ...}}}}"
    return f"{context.key('nulls')}: [{listed}{more}], or {translated}"


def _without_sign(word: str) -> str:
    """A number without the sign of a currency before or after it."""
    return word.replace(currency_signs.found_in(word) or "", "").strip()


def _currency_advice(context: Context, problem: str, decimal: str) -> str:
    """What to do about prices with the sign of a currency, or of another one than the table's."""
    _, is_proposed, sign = problem.partition("it looks like currency_sign: ")
    if not is_proposed:
        return f"{context.key('currency_sign')}: is it right? Else convert these prices: a shop has one currency"
    quoted = sign.replace("'", '"')
    return ", and ".join(filter(None, (f"{context.key('currency_sign')}: {quoted}", decimal)))


def _score(context: Context, share: float) -> float:
    """The table's score if these lines were good."""
    row = context.quality.report["tables"][context.table]
    passed = row["good"] + row["history"]
    checked = passed + row["quarantined"] + row["rejected"]
    return min(100 * (passed + share * row["delivered"]) / max(checked, 1), 100.0)
