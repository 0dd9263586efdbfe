"""Repaired rows in data/replay that are ready to be ingested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recomart_lib.core.schemas import REJECTS
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources.records import Chunk


def pending(folder: Path | None, shop: Shop, table: str) -> list[Path]:
    """The replay files of a table, oldest first."""
    return sorted((folder / shop.name).glob(f"{table}-*.parquet")) if folder else []


def chunks(file: Path, shop: Shop, table: str, name: str) -> Iterator[Chunk]:
    """A replay file as one chunk; its rows carry the file and line that they replace."""
    yield Chunk(pl.read_parquet(file, glob=False), pl.DataFrame(schema=REJECTS))
