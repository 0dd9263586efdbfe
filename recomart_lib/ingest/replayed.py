"""Repaired rows that wait in data/replay to be ingested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recomart_lib.core.schemas import REJECTS
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources.reader import Delivered


def waiting(folder: Path | None, shop: Shop, table: str) -> list[Path]:
    """The replayed files of a table, the oldest first."""
    return sorted((folder / shop.name).glob(f"{table}-*.parquet")) if folder else []


def pieces(file: Path, shop: Shop, table: str, name: str) -> Iterator[Delivered]:
    """A replayed file as `lake` lands it; its rows say themselves which file and line they stand for."""
    rows = pl.read_parquet(file)
    yield Delivered(rows, pl.DataFrame(schema=REJECTS), 0)
