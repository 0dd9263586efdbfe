"""`--json`: what a command shows as one JSON document on standard output, for scripts.

The document is an object: a table's name -> its rows as objects, and the name of single values -> one object. It
belongs to the context of the running command, so that two calls in one process share nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import typer
from typer._click.globals import get_current_context  # Typer brings its own Click, and has no public way to it

from recomart_lib.core.redaction import redact

if TYPE_CHECKING:
    import polars as pl

KEY = "recomart.cli.document"  # in the context's `meta`
LEFT_OUT = "rows_left_out"  # in the document, if --rows leaves out rows: table -> their number


def open_document(ctx: typer.Context, requested: bool) -> bool:
    """The callback of `--json`: from now on tables go into a document, printed when the command succeeds."""
    if requested and not ctx.resilient_parsing:
        ctx.meta[KEY] = {}
        ctx.with_resource(_printed_at_the_end())
    return requested


@contextmanager
def _printed_at_the_end() -> Iterator[None]:
    yield  # an error of the command is raised here: then nothing is printed
    complete()


def complete() -> None:
    """Print the document now, if one is open. A check that fails does so before its error: its table is the result."""
    context = get_current_context(silent=True)
    document = context.meta.pop(KEY, None) if context else None
    if document is not None:
        typer.echo(json.dumps(_plain(document), ensure_ascii=True, allow_nan=False, indent=1))


def is_open() -> bool:
    """Whether the running command was called with `--json`."""
    return _current() is not None


def record(name: str, values: Any) -> bool:
    """Put an object or a list of objects into the document; False if none is open."""
    document = _current()
    if document is None:
        return False
    document[name] = values
    return True


def record_table(name: str, table: pl.DataFrame | list[dict[str, Any]], rows: int | None = None) -> bool:
    """Put the first `rows` of a table (None: all) into the document; False if none is open."""
    first = table if rows is None else table[:rows]
    if not is_open():
        return False
    record(name, first if isinstance(first, list) else first.to_dicts())
    if left_out := len(table) - len(first):
        _current().setdefault(LEFT_OUT, {})[name] = left_out
    return True


def _current() -> dict[str, Any] | None:
    context = get_current_context(silent=True)
    return context.meta.get(KEY) if context else None


def _plain(value: Any) -> Any:
    """A value as JSON has it, without secrets: a number that is not finite is null, a time is in UTC."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value.tzinfo else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {redact(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return redact(str(value))
