"""The scores of earlier runs: one entry per validated state of the lake and the rules.

An entry contains no current time, and a state that is validated again keeps its entry: a forced rerun leaves the same
bytes.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib.core import files
from recomart_lib.core.schemas import TABLES
from recomart_lib.core.shops import Shop
from recomart_lib.validate.settings import Validate

# One row: one state of the lake and the rules, in the order in which they were first validated. `as_of` is the time of
# the last ingestion (UTC); `lake` and `rules` are fingerprints; the last columns are the scores (0-100) of the tables
# that the shop delivers.
HISTORY = {
    "shop": pl.String,
    "as_of": pl.String,
    "lake": pl.String,
    "rules": pl.String,
    "delivered": pl.Int64,
    "score": pl.Float64,
    "min_score": pl.Float64,
    **dict.fromkeys(TABLES, pl.Float64),
}


def rules_fingerprint(shop: Shop, settings: Validate) -> str:
    """12 digits that change when the rules, their limits, or the shop's keys about which rows count change."""
    other = {name for name in Validate.model_fields if name.startswith(("drift", "profile"))}
    limits = settings.model_dump(exclude=other)
    exclusions = {table: shop.table(table).model_dump(exclude_none=True)["exclude"] for table in TABLES}
    scope = {"equal_lines", "complete"}
    keys = [shop.table(table).model_dump(include=scope, exclude_defaults=True) for table in TABLES]
    decisive = [limits, exclusions, *filter(None, keys)]
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]


def damaged_lines(path: Path) -> int:
    """The number of lines in the history that are no entries, like one that a killed process left: `record` skips them.

    They are gone after `record`, which writes all other lines again.
    """
    return sum(_entry(line) is None for line in _lines(path))


def _lines(path: Path) -> list[bytes]:
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8) if path.exists() else b""  # an editor adds a BOM
    return [line for line in content.split(b"\n") if line.strip()]


def _entry(line: bytes) -> dict[str, Any] | None:
    """The entry in a line; None if it is none."""
    try:
        entry = json.loads(line)
        if isinstance(entry, dict) and all(_is_valid(entry.get(name), kind) for name, kind in HISTORY.items()):
            return {name: entry.get(name) for name in HISTORY}
    except (ValueError, RecursionError):  # not JSON, or not UTF-8
        pass
    return None


def _is_valid(value: object, kind: type[pl.DataType]) -> bool:
    """Whether a value is of a column's type; ValueError for text that is no UTF-8."""
    if kind == pl.String:
        return isinstance(value, str) and bool(value.encode())
    if value is None or isinstance(value, bool):
        return value is None
    if isinstance(value, int):
        return abs(value) < 2**63
    return kind == pl.Float64 and isinstance(value, float) and math.isfinite(value)


def record(
    path: Path, shop: Shop, settings: Validate, lake: str, as_of: datetime, report: dict[str, Any]
) -> pl.DataFrame:
    """Add this run's scores to the history in `path` (JSON Lines), unless it has the state; return the shop's own."""
    entry = {"shop": shop.name, "as_of": as_of.isoformat(timespec="seconds"), "lake": lake}
    entry |= {"rules": rules_fingerprint(shop, settings), "score": report["score"], "min_score": report["min_score"]}
    entry["delivered"] = sum(row["delivered"] for row in report["tables"].values())
    entry |= {table: row["score"] for table, row in report["tables"].items()}
    entries = [*filter(None, map(_entry, _lines(path))), entry]
    history = pl.DataFrame(entries, schema=HISTORY)
    history = history.unique(["shop", "lake", "rules"], keep="first", maintain_order=True)
    with files.complete(path) as unfinished:
        history.write_ndjson(unfinished)
    return history.filter(pl.col("shop") == shop.name)
