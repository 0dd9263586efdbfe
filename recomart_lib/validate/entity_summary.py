"""What 02 says about users and items: how often they came, what has changed, and who is in the events alone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib.core.schemas import KEYS, TABLES, VALID_FROM
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.lake import DELIVERY, LakeTable
from recomart_lib.validate.snapshots import HOLDS_FROM, with_statements

KNOWN_RULES = {"users": "event_user_known", "items": "event_item_known"}


def summary(
    shop: Shop, lake_tables: dict[str, LakeTable], now: datetime, validated: Path, quarantine: Path
) -> dict[str, dict[str, Any]]:
    """Summarise users and items, as far as the shop delivers them, from what `row_checks.check_tables` wrote.

    Returns
    -------
    dict
        Table -> complete (the shop file's key), file (the only delivered file, else the shop file's pattern),
        deliveries, first_delivery, last_delivery (days; None if there is only one delivery), later (statements that
        hold only after `now`), ids, statements, changed (ids), example (see `_example`; None: nothing has changed),
        only_in_events (ids of the validated table that were not delivered), matched (delivered ids that good events
        have), unknown (ids of quarantined events that
        were not delivered), known (ids of good events; None if no id is unknown).
    """
    return {
        table: {"complete": shop.table(table).complete, "file": _file(shop, table, lake_tables[table])}
        | _deliveries(table, lake_tables[table], shop.time_zone, now, validated)
        | _changes(table, shop.time_zone, validated)
        | _unknown(table, validated, quarantine)
        for table in KNOWN_RULES
        if table in lake_tables
    }


def _file(shop: Shop, table: str, lake_table: LakeTable) -> str:
    names = lake_table.files.get_column("source_file")
    return names[0] if names.len() == 1 else shop.table(table).path or table


def _deliveries(table: str, lake_table: LakeTable, zone: str, now: datetime, validated: Path) -> dict[str, Any]:
    rows, key = with_statements(table, lake_table, zone), KEYS[table]
    days = lake_table.files.get_column(DELIVERY)
    # the day of the only delivery may be the day on which it was ingested, which is no result
    first, last = (days.min().isoformat(), days.max().isoformat()) if days.n_unique() > 1 else (None, None)
    ids = pl.read_parquet(validated / f"{table}.parquet", columns=[key], glob=False)
    in_events = pl.scan_parquet(validated / "events.parquet", glob=False).select(key).unique().collect()
    return {
        "deliveries": days.n_unique(),
        "first_delivery": first,
        "last_delivery": last,
        "later": rows.filter(pl.col(HOLDS_FROM) > now).height,
        "ids": ids.height,
        "only_in_events": ids.join(rows, on=key, how="anti").height,
        "matched": in_events.join(rows, on=key, how="semi").height,
    }


def _changes(table: str, zone: str, validated: Path) -> dict[str, Any]:
    key = KEYS[table]
    history = pl.read_parquet(validated / f"{table}_history.parquet", glob=False)
    changed = history.filter(pl.col(key).is_duplicated())
    return {
        "statements": history.height,
        "changed": changed.get_column(key).n_unique(),
        "example": _example(table, changed, zone) if changed.height else None,
    }


def _example(table: str, changed: pl.DataFrame, zone: str) -> dict[str, Any]:
    """The last change of the first changed id: id, column, before, after, day (in the shop's time zone)."""
    key = KEYS[table]
    before, after = changed.filter(pl.col(key) == changed[key][0]).tail(2).iter_rows(named=True)
    by_interest = sorted(TABLES[table], key=lambda name: name != "price")
    column = next(name for name in by_interest if before[name] != after[name])
    day = pl.Series([after[VALID_FROM]]).dt.convert_time_zone(zone).dt.date()[0]
    values = {"before": before[column], "after": after[column]}
    return {"id": after[key], "column": column, "day": day.isoformat()} | {
        name: str(value) if value is not None else None for name, value in values.items()
    }


def _unknown(table: str, validated: Path, quarantine: Path) -> dict[str, Any]:
    key = KEYS[table]
    quarantined = pl.scan_parquet(quarantine / "events.parquet", glob=False)
    of_rule = quarantined.filter(pl.col("reasons").str.split("; ").list.contains(KNOWN_RULES[table]))
    n_unknown = of_rule.select(pl.col(key).n_unique()).collect().item()
    if not n_unknown:
        return {"unknown": 0, "known": None}
    good = pl.scan_parquet(validated / "events.parquet", glob=False)
    return {"unknown": n_unknown, "known": good.select(pl.col(key).n_unique()).collect().item()}
