"""Small delivered files, read as a shop file says."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from recomart_lib.core.shops import Shop
from recomart_lib.ingest.sources import reader
from recomart_lib.ingest.sources.records import Chunk

COLUMNS = {"user_id": "user", "item_id": "item", "timestamp": "at"}
RECORD = {"user": "u1", "item": "i1", "at": "2024-01-01"}


def shop(**tables: dict) -> Shop:
    """A shop of purchases with these tables; `events` adds to, or replaces, what is said about the events."""
    events = {"kind": "csv", "path": "*", "columns": COLUMNS, "event_type": "purchase"} | tables.pop("events", {})
    keys = {"name": "x", "title": "X", "currency": "EUR", "time_zone": "UTC", "simulated": False, "cut": "auto"}
    keys |= {"horizon_days": "auto", "relevant_events": ["purchase"], "api": {"url": "http://localhost"}}
    return Shop(**keys, tables={**tables, "events": events})


def deliver(folder: Path, content: object, declared: Shop, table: str = "events") -> Chunk:
    """What the reader makes of a file with this content: text, a table (Parquet), or records (JSON Lines)."""
    path = folder / f"f.{declared.table(table).kind}"
    if isinstance(content, pl.DataFrame):
        content.write_parquet(path)
    elif isinstance(content, str):
        path.write_text(content, encoding="utf-8")
    else:
        path.write_text("\n".join(map(json.dumps, content)), encoding="utf-8")
    return reader.read(path, declared, table)


def reasons(delivered: Chunk) -> dict[int, str]:
    """Line -> why it was rejected."""
    return dict(delivered.rejects.select("source_line", "reason").iter_rows())
