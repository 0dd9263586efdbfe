"""Expected exclusions: rows that the shop file sets aside."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import polars as pl

from recomart_lib.core.shops import Exclusion, Shop


def exclusion(shop: Shop, table: str) -> pl.Expr:
    """The first of the shop file's exclusions that sets a row aside; null: the row is our business."""
    rules = shop.table(table).exclude.items()
    named = (pl.when(_set_aside(rule, shop.time_zone)).then(pl.lit(name)) for name, rule in rules)
    return pl.coalesce(pl.lit(None, pl.String), *named)


def _set_aside(rule: Exclusion, zone: str) -> pl.Expr:
    if rule.missing:
        return pl.col(rule.missing).is_null()
    day = datetime.combine(date.fromisoformat(rule.since), time(), ZoneInfo(zone))
    return pl.col("timestamp") >= pl.lit(day.astimezone(UTC))


def wanted_columns(shop: Shop, table: str) -> list[str]:
    """The columns that `exclusion` reads."""
    return [rule.missing or "timestamp" for rule in shop.table(table).exclude.values()]
