"""Repaired rows in data/replay that are ready to be ingested."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recomart_lib.core import files
from recomart_lib.core.schemas import REJECTS
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources.records import Chunk

NUMBERED = re.compile(r"\w+-(\d+)-[0-9a-f]+\.parquet")  # the table, the number of the replay, a hash of the rows


def pending(folder: Path | None, shop: Shop, table: str) -> list[Path]:
    """The replay files of a table, oldest first."""
    return [path for _, path in numbered(folder / shop.name, table)] if folder else []


def numbered(folder: Path, table: str) -> list[tuple[int, Path]]:
    """The numbers and replay files of a table, oldest first; files with other names are not ours."""
    named = [(NUMBERED.fullmatch(path.name), path) for path in files.listed(folder, f"{table}-*.parquet")]
    return sorted((int(match[1]), path) for match, path in named if match)


def chunks(file: Path, shop: Shop, table: str, name: str) -> Iterator[Chunk]:
    """A replay file as one chunk; its rows carry the file and line that they replace."""
    yield Chunk(pl.read_parquet(file, glob=False), pl.DataFrame(schema=REJECTS))
