"""The scores of former runs: one entry per state of lake and rules that was ever judged.

An entry holds no clock's time, and a state that is judged again keeps its entry: a forced rerun leaves the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from recomart_lib.core.schemas import TABLES
from recomart_lib.core.shops import Shop
from recomart_lib.validate.settings import Validate

# One row: one state of lake and rules, in the order in which they were first judged. `as_of` is the last landing (UTC);
# `lake` and `rules` are fingerprints; the last columns are the scores (0-100) of the tables that the shop delivers.
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


def rules_fingerprint(shop: Shop, params: Validate) -> str:
    """12 digits that tell whether rows are judged as before."""
    tuned = params.model_dump(exclude={name for name in Validate.model_fields if name.startswith(("drift", "profile"))})
    excluded = {table: shop.table(table).model_dump(exclude_none=True)["exclude"] for table in TABLES}
    return hashlib.sha256(json.dumps([tuned, excluded], sort_keys=True).encode()).hexdigest()[:12]


def remember(
    path: Path, shop: Shop, params: Validate, lake: str, as_of: datetime, report: dict[str, Any]
) -> pl.DataFrame:
    """Add this run's scores to the history in `path` (JSON Lines), unless the state is known; return the shop's own."""
    entry = {"shop": shop.name, "as_of": as_of.isoformat(timespec="seconds"), "lake": lake}
    entry |= {"rules": rules_fingerprint(shop, params), "score": report["score"], "min_score": report["min_score"]}
    entry["delivered"] = sum(row["delivered"] for row in report["tables"].values())
    entry |= {table: row["score"] for table, row in report["tables"].items()}
    known = pl.read_ndjson(path, schema=HISTORY) if path.exists() else pl.DataFrame(schema=HISTORY)
    together = pl.concat([known, pl.DataFrame([entry], schema=HISTORY)])
    together = together.unique(["shop", "lake", "rules"], keep="first", maintain_order=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    together.write_ndjson(path)
    return together.filter(pl.col("shop") == shop.name)
