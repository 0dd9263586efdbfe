"""The validated users and items: good rows, and rows that are made of what good events tell."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.schemas import KEYS, TABLES
from recomart_lib.validate.quality_rules import RULES


def derive(events: pl.DataFrame, table: str) -> pl.DataFrame:
    """One row per id in the events, which come in the order of time; of other columns the first value that they tell.

    The first, not the most frequent: it was known from then on, so it tells nothing of the future at any later cut.
    """
    known = {name.split(".")[1]: name for name in events.columns if name.startswith(f"{table}.")}
    columns = {
        name: pl.col(known[name]) if name in known else pl.lit(None, dtype)
        for name, dtype in TABLES[table].items()
        if name != KEYS[table]
    }
    return first_told([events.select(KEYS[table], **columns)], KEYS[table]).cast(TABLES[table])


def first_told(parts: list[pl.DataFrame], key: str) -> pl.DataFrame:
    """One row per id of tables in the order of time: of every column the first value that is told."""
    first = pl.concat(parts).group_by(key, maintain_order=True).agg(pl.all().drop_nulls().first())
    return first.select(parts[0].columns)


def completed(table: str, good: pl.DataFrame, quarantined: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """The good rows, and one row for each id that only good events know (`told`): its own, as far as it is usable."""
    key, columns = KEYS[table], list(TABLES[table])
    usable = _usable(table, quarantined).join(told, on=key, how="semi")
    best_first = [good.select(columns), usable.select(columns), told.select(columns)]
    return pl.concat(best_first).unique(key, keep="first", maintain_order=True)


def _usable(table: str, quarantined: pl.DataFrame) -> pl.DataFrame:
    """Quarantined rows without the cells that their broken rules blame; rows that are wrong as a whole are left out."""
    rows, broken = quarantined, pl.col("reasons").str.split("; ")
    for rule in RULES:
        if rule.table == table:
            fails = broken.list.contains(rule.name)
            if rule.blames:
                cell = pl.when(fails).then(None).otherwise(pl.col(rule.blames)).alias(rule.blames)
                rows = rows.with_columns(cell)
            else:
                rows = rows.filter(~fails)
    return rows
