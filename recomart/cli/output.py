"""Output of the command line: one table format for all commands, with control characters escaped.

Rich is imported when a table is rendered: it would add a third to the time of `recomart --help`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING, Any

import typer

from recomart.cli import document
from recomart_lib.core.redaction import redact
from recomart_lib.core.text import printable, printable_lines

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table


PIPE_WIDTH = 1_000_000  # characters per line when output goes to a pipe: no row is folded
GAP = 2  # spaces between columns
MIN_FOLD_WIDTH = 12  # characters; a column up to this width is never folded


def show_table(
    name: str,
    table: pl.DataFrame,
    rows: int | None = None,
    numbers: Collection[str] = (),
    raw: pl.DataFrame | list[dict[str, Any]] | None = None,
    empty: str = "No rows.",
) -> None:
    """Print the first `rows` of a table (None: all), and how many rows are left out.

    Parameters
    ----------
    name
        Of the table in the document of `--json`.
    numbers
        See `render_table`.
    raw
        The table for the document, if values of `table` are text for people.
    empty
        The sentence for a table without rows; nothing is printed if it is empty.
    """
    if document.record_table(name, table if raw is None else raw, rows):
        return
    if not table.height:
        if empty:
            echo(empty)
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    typer.echo(render_table(table.head(rows if rows is not None else table.height), width, numbers))
    if rows is not None and table.height > rows:
        echo(f"... and {table.height - rows:,} more; use --rows to show more")


def render_table(table: pl.DataFrame, width: int | None = None, numbers: Collection[str] = ()) -> str:
    """A table as aligned text: column names, then rows; numbers are right-aligned.

    Parameters
    ----------
    width
        Characters per line of the terminal: long text is folded and column names are bold; if the terminal is still too
        narrow, it wraps the lines itself. None: for a pipe, each row is one line, however long.
    numbers
        Text columns that hold formatted numbers; they are right-aligned.
    """
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    grid, min_width = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold"), -GAP
    cells = [[format_value(value) for value in column.to_list()] for column in table.iter_columns()]
    for (name, dtype), column in zip(table.schema.items(), cells, strict=True):
        right, widest = dtype.is_numeric() or name in numbers, max(map(cell_len, [printable(name), *column]))
        keep_whole = right or dtype.is_temporal() or widest <= MIN_FOLD_WIDTH
        grid.add_column(
            Text(printable(name)), justify="right" if right else "left", no_wrap=keep_whole, overflow="fold"
        )
        min_width += GAP + (widest if keep_whole else MIN_FOLD_WIDTH)
    for row in zip(*cells, strict=True):
        grid.add_row(*map(Text, row))
    return _draw(grid, max(width or PIPE_WIDTH, min_width), bold=bool(width))


def _draw(grid: Table, width: int, bold: bool) -> str:
    """The lines of a grid, without spaces at their ends."""
    from rich.console import Console

    styled = {"force_terminal": True, "color_system": "standard"} if bold else {"color_system": None}
    page = StringIO()
    Console(file=page, width=width, legacy_windows=False, **styled).print(grid)
    return "\n".join(line.rstrip() for line in page.getvalue().rstrip("\n").split("\n"))


def format_value(value: Any) -> str:
    """A value in the format of all commands: `1,234`, `0.1481`, `2025-12-31 23:59:13` (UTC), `yes`, `-` for a null."""
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
    return ", ".join(map(format_value, value)) if isinstance(value, list | tuple) else printable(str(value))


def echo(text: object, bold: bool = False) -> None:
    """Print one or more lines, without secrets, and with control characters escaped.

    To stdout or, with `--json`, to stderr: stdout has the document only.
    """
    typer.secho(printable_lines(redact(str(text))), bold=bold or None, err=document.is_open())


def warn(sentence: str) -> None:
    """Print a warning to stderr."""
    typer.secho(printable_lines(redact(sentence)), fg="yellow", err=True)


def show_error(error: Exception) -> None:
    """Print an error to stderr."""
    typer.secho(f"Error: {printable_lines(redact(str(error)))}", fg="red", err=True)


def show_fields(name: str, fields: dict[str, Any]) -> None:
    """Print `name: value` lines with aligned values; `name` is that of the object in the document of `--json`."""
    if document.record(name, fields):
        return
    width = max(map(len, fields)) + 1 + GAP
    for field, value in fields.items():
        echo(f"{printable(field) + ':':<{width}}{format_value(value)}")
