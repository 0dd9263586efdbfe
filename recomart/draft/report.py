"""The report of a draft, as tables: what each file is, which column is which, and what is in doubt."""

from __future__ import annotations

from typing import Any

import polars as pl

from recomart.draft import personal_data, shop_yaml
from recomart.draft.drafting import Draft
from recomart.draft.table_draft import TableDraft
from recomart_lib.core.text import percent

FILES = {"files": pl.String, "table": pl.String, "n_files": pl.Int64, "rows": pl.String, "why": pl.String}
COLUMNS = ("table", "column", "delivered", "samples", "confidence", "why")
MAX_NO_TABLES = 20


def files(draft: Draft) -> pl.DataFrame:
    """One row per group of files: the table that it is, its rows (estimated for large files), and why."""
    rows: list[dict[str, Any]] = []
    for table in draft.mapping.tables:
        if table.delivery is None:
            rows.append({"files": "-", "table": table.name, "why": "derived: the ids in the events"})
            continue
        delivery = table.delivery
        size = {"n_files": len(delivery.group.files), "rows": delivery.sample.size}
        rows.append({"files": delivery.label, "table": table.name, **size, "why": _why(table)})
    rows += [{"files": label, "table": "none", "why": reason} for label, reason in draft.mapping.unused]
    rows += [{"files": label, "table": "none", "why": why} for label, why in draft.no_tables[:MAX_NO_TABLES]]
    return pl.DataFrame([{name: row.get(name) for name in FILES} for row in rows], schema=FILES)


def _why(table: TableDraft) -> str:
    if table.relation is None:
        ids = " and ".join(choice.theirs for choice in table.choices if choice.ours in ("user_id", "item_id"))
        time = table.choice("timestamp").theirs
        return f"times ({time}) and ids that repeat ({ids})"
    return f"has {percent(table.relation.contained)} of the ids in {table.relation.column} of the events"


def columns(draft: Draft) -> list[dict[str, Any]]:
    """One row per delivered column: ours or none, two values (masked if they are data of persons), confidence, why."""
    rows = []
    for table in draft.mapping.tables:
        source = table if table.delivery else draft.mapping.events
        for choice in table.choices:
            column = None if choice.theirs in source.flags else source.delivery.column(choice.theirs)
            samples = column.examples if column else source.flags[choice.theirs][:2]
            confidence = f"{choice.confidence}: or {', '.join(choice.others)}" if choice.others else choice.confidence
            row = (table.name, choice.ours, choice.theirs, samples, confidence, choice.evidence.reason)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
        if table.delivery:
            rows += [_unmapped(table, column) for column in shop_yaml.unmapped(draft, table)]
    return rows


def _unmapped(table: TableDraft, column: Any) -> dict[str, Any]:
    why = shop_yaml.why_unmapped(column)
    kind = "personal data" if column.personal in personal_data.KINDS else "not mapped"
    return dict(zip(COLUMNS, (table.name, None, column.name, column.cautious_examples, kind, why), strict=True))


def in_doubt(text: str) -> list[str]:
    """The lines of a shop file that are marked."""
    return [" ".join(line.split()) for line in text.splitlines() if "# ? " in line]
