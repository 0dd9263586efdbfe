"""What readers make of a file before its cells are typed, and how they open it."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

import polars as pl

UNDECODABLE = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Records:
    """Some of a file's records: cells (text; Parquet keeps its types), the lines they came from, and the unreadable.

    One row of `cells` and one of `lines`: a record. One of `rejects`: (line, what stands there, why it is no record).
    """

    cells: pl.DataFrame
    lines: pl.Series
    rejects: list[tuple[int, str, str]]


def open_bytes(path: Path) -> BinaryIO:
    """The file's bytes, unpacked if its name ends in .gz."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


@contextmanager
def open_text(path: Path, encoding: str, newline: str) -> Iterator[TextIO]:
    """The file as text; bytes that do not belong to its encoding become lone surrogates, see `undecodable`."""
    # UTF-8 files may start with a byte order mark; it is no part of the first column's name
    codec = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    with open_bytes(path) as stream:
        yield io.TextIOWrapper(stream, encoding=codec, errors="surrogateescape", newline=newline)


def undecodable(text: str) -> bool:
    """Whether some bytes of the text did not belong to the file's encoding."""
    return not text.isascii() and UNDECODABLE.search(text) is not None


def printable(text: str) -> str:
    """The text with what cannot be written as UTF-8 spelled out."""
    return text.encode("utf-8", "backslashreplace").decode()
