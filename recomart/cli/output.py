"""How the command line shows tables and words: one table for all commands, and nothing that a terminal would obey."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    import polars as pl


UNLIMITED = 1_000_000  # letters per line, of whatever reads a pipe
GAP = 2
NARROW = 12  # a column that is not wider is never folded


def show(table: pl.DataFrame, rows: int | None = None, numbers: Collection[str] = ()) -> None:
    """Print the first `rows` of a table (None: all), and how many more there are."""
    import shutil

    if not table.height:
        say("No rows.")
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    typer.echo(drawn(table.head(rows if rows is not None else table.height), width, numbers))
    if rows is not None and table.height > rows:
        say(f"... and {table.height - rows:,} more; --rows shows more")


def drawn(table: pl.DataFrame, width: int | None = None, numbers: Collection[str] = ()) -> str:
    """A table as aligned text: names, then rows; numbers to the right.

    Parameters
    ----------
    width
        Letters per line of a terminal: long words are folded into several lines, names are bold; a terminal that is too
        narrow even so breaks the lines itself. None: a pipe, where a row is one line, however long.
    numbers
        Columns of text that hold numbers, already written out.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid, least = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold"), -GAP
    words = [[word(value) for value in column.to_list()] for column in table.iter_columns()]
    for (name, dtype), column in zip(table.schema.items(), words, strict=True):
        right, widest = dtype.is_numeric() or name in numbers, max(map(cell_len, [plain(name), *column]))
        whole = right or dtype.is_temporal() or widest <= NARROW
        grid.add_column(Text(plain(name)), justify="right" if right else "left", no_wrap=whole, overflow="fold")
        least += GAP + (widest if whole else NARROW)
    for row in zip(*words, strict=True):
        grid.add_row(*map(Text, row))
    styled = {"force_terminal": True, "color_system": "standard"} if width else {"color_system": None}
    page = StringIO()
    Console(file=page, width=max(width or UNLIMITED, least), legacy_windows=False, **styled).print(grid)
    return "\n".join(line.rstrip() for line in page.getvalue().rstrip("\n").split("\n"))


def word(value: Any) -> str:
    """One value as all commands write it: `1,234`, `0.1481`, `2025-12-31 23:59:13` (UTC), `yes`, `-` for a null."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        tiny = 0 < abs(value) < 0.001
        return f"{value:.3g}" if tiny else f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).strftime("%Y-%m-%d %H:%M:%S")
    return ", ".join(map(word, value)) if isinstance(value, list | tuple) else plain(str(value))


def plain(text: str) -> str:
    r"""Text from data without what a terminal would obey: such letters are written out as in JSON.

    >>> plain("tea \x1b[31mred\x07")
    'tea \\u001b[31mred\\u0007'
    """
    return "".join(letter if letter.isprintable() or letter == "\xa0" else json.dumps(letter)[1:-1] for letter in text)


def plain_lines(text: str) -> str:
    """`plain` for each line of a text that has several."""
    return "\n".join(map(plain, text.split("\n")))


def say(text: object, bold: bool = False) -> None:
    """Print a sentence, or several lines; whatever data put into them is text."""
    typer.secho(plain_lines(str(text)), bold=bold or None)


def warn(sentence: str) -> None:
    """Tell of something that does not stop the command, on stderr."""
    typer.secho(plain_lines(sentence), fg="yellow", err=True)


def complain(problem: Exception) -> None:
    """Tell of a mistake, on stderr."""
    typer.secho(f"Error: {plain_lines(str(problem))}", fg="red", err=True)


def facts(named: dict[str, Any]) -> None:
    """Print `name: value` lines, the values below each other."""
    width = max(map(len, named)) + 1 + GAP
    for name, value in named.items():
        say(f"{plain(name) + ':':<{width}}{word(value)}")
