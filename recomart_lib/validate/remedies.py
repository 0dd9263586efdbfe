"""What to do about the rows in quarantine, where most of them fail one rule and a key of the shop file may help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recomart_lib.core.text import number
from recomart_lib.validate.entity_summary import KNOWN_RULES

WORDS = {"users": "users", "items": "products"}
UNIQUE_RULES = {"users": "user_id_unique", "items": "item_id_unique"}


def remedies(report: dict[str, Any]) -> list[str]:
    """One sentence per remedy; `report` is a quality report with its `entities` (see `entity_summary`)."""
    return [*_partial_tables(report), *_contradictions(report)]


def _partial_tables(report: dict[str, Any]) -> Iterator[str]:
    for table, summary in report.get("entities", {}).items():
        if summary["complete"] and summary["unknown"] and _is_most(report, "events", KNOWN_RULES[table]):
            n_failed = _n_failed(report, KNOWN_RULES[table])
            none_known = not summary["known"] and n_failed == report["tables"]["events"]["quarantined"]
            yield _no_ids(table, summary) if none_known else _few_ids(table, summary)


def _no_ids(table: str, summary: dict[str, Any]) -> str:
    # with `complete: false`, nobody would notice that the table is of no use
    return (
        f"None of the {number(summary['unknown'])} {WORDS[table]} of the events is in {summary['file']}: compare how "
        "both write the ids (leading zeros, prefixes), and which columns the shop file maps"
    )


def _few_ids(table: str, summary: dict[str, Any]) -> str:
    n_ids = summary["known"] + summary["unknown"]
    return (
        f"Only {number(summary['known'])} of {number(n_ids)} {WORDS[table]} of the events are in {summary['file']}: if "
        f"that is so by nature, set tables.{table}.complete: false in the shop file"
    )


def _contradictions(report: dict[str, Any]) -> Iterator[str]:
    for table in report.get("entities", {}):
        if _is_most(report, table, UNIQUE_RULES[table]):
            yield (
                f"Rows of one delivery of {table} say different things about one id: if they are from different days, "
                "put the day into the names of the files, like items_2025-03-01.csv, or map the column valid_from"
            )


def _is_most(report: dict[str, Any], table: str, rule: str) -> bool:
    """Whether at least half of a table's quarantined rows fail this rule."""
    return 0 < report["tables"][table]["quarantined"] <= 2 * _n_failed(report, rule)


def _n_failed(report: dict[str, Any], rule: str) -> int:
    """How many rows fail a rule of severity error."""
    return sum(row["n_failed"] for row in report["rules"] if row["rule"] == rule and row["severity"] == "error")
