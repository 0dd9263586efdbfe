"""What all readers share: opening files, records before typing, and chunks of typed rows."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import formats
from recomart_lib.ingest.sources.bounded_text import BoundedText

DEFAULTS = Ingest()  # the limits of files that are read without settings
UNDECODABLE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Records:
    """Some of a file's records: cells (text; Parquet keeps its types), their line numbers, and unreadable lines.

    One row of `cells` and of `lines` is one record. One entry of `rejects` is (line, raw text, reason). Records of JSON
    are in `objects`, and `cells` has only the names of their keys; see `nested.unpack`.
    """

    cells: pl.DataFrame
    lines: pl.Series
    rejects: list[tuple[int, str, str]]
    objects: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Chunk:
    """A part of a delivered file: records delivered = rows + rejects.

    `n_ambiguous` counts the rows whose local time occurs twice, because the clocks go back.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    n_ambiguous: int = 0


@contextmanager
def open_text(path: Path, encoding: str, newline: str | None, limits: Ingest = DEFAULTS) -> Iterator[TextIO]:
    """The file as text; bytes that are invalid in its encoding become lone surrogates, see `undecodable`."""
    with formats.open_data(path, limits.max_file_bytes) as stream:
        codec = formats.codec(path, formats.check_text(path, stream), encoding)
        yield io.TextIOWrapper(stream, encoding=codec, errors="surrogateescape", newline=newline)


@contextmanager
def open_lines(path: Path, encoding: str, newline: str | None, limits: Ingest = DEFAULTS) -> Iterator[BoundedText]:
    """The lines of a file, as `open_text` reads them; none is longer than `ingest.max_line_bytes`."""
    with open_text(path, encoding, newline, limits) as text:
        yield BoundedText(text, path, limits.max_line_bytes, newline)


def check_width(path: Path, n_columns: int, limits: Ingest) -> None:
    """Raise a `UserError` if a file has more columns than `ingest.max_columns`."""
    if n_columns > limits.max_columns:
        raise UserError(
            f"{path} has {n_columns:,} columns, more than ingest.max_columns = {limits.max_columns:,} (in "
            "params.yaml). Are the separator and the table's `kind` right? If so many columns are meant, raise it."
        )


def undecodable(text: str) -> bool:
    """Whether the text contains bytes that are invalid in the file's encoding."""
    return not text.isascii() and UNDECODABLE.search(text) is not None


def printable(text: str) -> str:
    """The text with characters that UTF-8 cannot encode as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
