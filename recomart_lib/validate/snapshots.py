"""Users and items that a shop delivers again and again: each delivery states what holds from then on."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.schemas import ALWAYS, KEYS, TIMESTAMP, VALID_FROM


def history(table: str, current: pl.DataFrame) -> pl.DataFrame:
    """One row per id and statement that differs from the one before it: the table's columns and `valid_from`."""
    return current.with_columns(pl.lit(ALWAYS, TIMESTAMP).alias(VALID_FROM)).sort(KEYS[table], VALID_FROM)
