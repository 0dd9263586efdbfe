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

from recomart_lib.ingest.sources import formats

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
def open_text(path: Path, encoding: str, newline: str) -> Iterator[TextIO]:
    """The file as text; bytes that are invalid in its encoding become lone surrogates, see `undecodable`."""
    with formats.open_data(path) as stream:
        codec = formats.codec(path, formats.check_text(path, stream), encoding)
        yield io.TextIOWrapper(stream, encoding=codec, errors="surrogateescape", newline=newline)


def undecodable(text: str) -> bool:
    """Whether the text contains bytes that are invalid in the file's encoding."""
    return not text.isascii() and UNDECODABLE.search(text) is not None


def printable(text: str) -> str:
    """The text with characters that UTF-8 cannot encode as backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()
