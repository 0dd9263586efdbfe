"""Expected exclusions: rows that the shop file leaves out, each kind with its reason."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import polars as pl

from recomart_lib.core.shop_tables import Exclusion
from recomart_lib.core.shops import Shop


def exclusion(shop: Shop, table: str) -> pl.Expr:
    """The name of the first exclusion in the shop file that applies to a row; null if none does."""
    exclusions = shop.table(table).exclude.items()
    names = (pl.when(_applies(rule, shop.time_zone)).then(pl.lit(name)) for name, rule in exclusions)
    # a column of nulls, not a literal: Polars 2.1 refuses to filter more than 50,000 rows by a literal
    return pl.coalesce(*names, pl.repeat(None, pl.len(), dtype=pl.String))


def _applies(rule: Exclusion, zone: str) -> pl.Expr:
    if rule.missing:
        return pl.col(rule.missing).is_null()
    start = datetime.combine(date.fromisoformat(rule.since), time(), ZoneInfo(zone))
    return pl.col("timestamp") >= pl.lit(start.astimezone(UTC))


def required_columns(shop: Shop, table: str) -> list[str]:
    """The columns that `exclusion` reads."""
    return [rule.missing or "timestamp" for rule in shop.table(table).exclude.values()]
