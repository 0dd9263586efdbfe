"""The validated users and items: good rows, and rows derived from good events."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.schemas import KEYS, TABLES, state_columns
from recomart_lib.validate.quality_rules import RULES


def derive(events: pl.DataFrame, table: str) -> pl.DataFrame:
    """One row per id in the events, which are sorted by time; every other column has the first value in the events.

    The first, not the most frequent: it was available from then on, so it cannot leak the future at any later cut.
    """
    available = {name.split(".")[1]: name for name in events.columns if name.startswith(f"{table}.")}
    columns = {
        name: pl.col(available[name]) if name in available else pl.lit(None, dtype)
        for name, dtype in TABLES[table].items()
        if name != KEYS[table]
    }
    return first_values([events.select(KEYS[table], **columns)], KEYS[table]).cast(TABLES[table])


def first_values(parts: list[pl.DataFrame], key: str) -> pl.DataFrame:
    """One row per id of tables that are in the order of time: the first value of every column that is not null."""
    first = pl.concat(parts).group_by(key, maintain_order=True).agg(pl.all().drop_nulls().first())
    return first.select(parts[0].columns)


def complete(table: str, good: pl.DataFrame, quarantined: pl.DataFrame, derived: pl.DataFrame) -> pl.DataFrame:
    """The good rows, and one row for each id that only good events have (`derived`).

    For such an id, its quarantined row is used as far as possible.
    """
    key, columns = KEYS[table], [*TABLES[table], *state_columns(good.columns)]
    usable = _usable(table, quarantined).join(derived, on=key, how="semi")
    best_first = [good.select(columns), usable.select(columns), derived]
    return pl.concat(best_first, how="diagonal").unique(key, keep="first", maintain_order=True)


def _usable(table: str, quarantined: pl.DataFrame) -> pl.DataFrame:
    """Quarantined rows without the cells that their failed rules blame; rows that are wrong as a whole are left out."""
    rows, reasons = quarantined, pl.col("reasons").str.split("; ")
    for rule in RULES:
        if rule.table == table:
            fails = reasons.list.contains(rule.name)
            if rule.blames:
                cell = pl.when(fails).then(None).otherwise(pl.col(rule.blames)).alias(rule.blames)
                rows = rows.with_columns(cell)
            else:
                rows = rows.filter(~fails)
    return rows
