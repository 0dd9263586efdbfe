"""What holds for one shop, as tables: each key of its tables with its default, and the quality rules."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from recomart_lib.core.schemas import TABLES
from recomart_lib.core.shop_tables import Table
from recomart_lib.core.shops import Shop
from recomart_lib.validate import quality_rules
from recomart_lib.validate.settings import Validate

SHOWN_ELSEWHERE = {"kind", "path", "columns"}  # in the list of tables


def keys(shop: Shop) -> list[dict[str, Any]]:
    """One row per key of a table: its value in users, items and events, or its default; None if not declared."""
    declared = {name: table.model_dump(mode="json", exclude_none=True) for name, table in shop.tables.items()}
    names = [key for key in Table.model_fields if key not in SHOWN_ELSEWHERE]
    return [{"key": key, **{name: declared.get(name, {}).get(key) for name in TABLES}} for key in names]


def as_text(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """The rows of `keys` with each value as in a shop file."""
    texts = [{"key": row["key"], **{name: _text(row[name]) for name in TABLES}} for row in rows]
    return pl.DataFrame(texts, schema={"key": pl.String, **dict.fromkeys(TABLES, pl.String)})


def rules(settings: Validate, shop: Shop) -> pl.DataFrame:
    """One row per quality rule: its table, its severity for this shop, and which file sets it.

    Raises
    ------
    UserError
        If a file names a rule that does not exist, or relaxes one that must be an error.
    """
    quality_rules.rules(quality_rules.of_shop(settings, shop))
    sources = {"default": {}, "params.yaml": settings.rules, f"shops/{shop.name}.yaml": shop.rules}
    rows = []
    for rule in quality_rules.RULES:
        source = [name for name, severities in sources.items() if name == "default" or rule.name in severities][-1]
        severity = sources[source].get(rule.name, rule.severity)
        rows.append({"rule": rule.name, "table": rule.table, "severity": severity, "set in": source})
    return pl.DataFrame(rows)


def _text(value: Any) -> str | None:
    """A value as in a shop file; None for an empty one."""
    if value is None or value in ([], {}):
        return None
    return json.dumps(value, ensure_ascii=False)
