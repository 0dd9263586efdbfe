"""What costs rows in 01 and 02, and the keys of the shop file that would change it: one table for all of it."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from recomart.dry_run import rule_advice, unreadable
from recomart.dry_run.finding import Context, Finding
from recomart.dry_run.quality import Quality
from recomart.dry_run.sample import Sample
from recomart_lib.core.shops import Shop
from recomart_lib.core.text import percent

FEW = 0.001  # of a table: such rows may stay in quarantine


def findings(shop: Shop, sample: Sample, quality: Quality) -> list[Finding]:
    """All findings, those about the largest share of a table first; of the rules, those of severity error only."""
    found: list[Finding] = []
    rules = [rule for rule in quality.report["rules"] if rule["severity"] == "error" and rule["n_failed"]]
    for table, reading in sample.readings.items():
        quarantined = pl.read_parquet(quality.quarantine / f"{table}.parquet", glob=False)
        factor = reading.estimated / max(quality.report["tables"][table]["delivered"], 1)
        context = Context(shop, table, quality, quarantined, factor)
        found += unreadable.findings(context, reading)
        for rule in rules:
            if rule["table"] == table:
                found += rule_advice.advise(context, rule["rule"])
    found = [*map(_modest, found), *_equal_lines(sample, quality)]
    return sorted(found, key=lambda one: (-one.share, one.table, one.finding))


def _modest(one: Finding) -> Finding:
    """The finding; about few rows, no key is needed."""
    if one.share >= FEW:
        return one
    return one._replace(advice=f"none, as so few rows may stay in quarantine; else {one.advice}")


def _equal_lines(sample: Sample, quality: Quality) -> Iterator[Finding]:
    """Events without an id that equal another line of their file, and count as different sales."""
    row = quality.report["tables"].get("events", {})
    if n := row.get("equal_lines", {}).get("sales", 0):
        share, advice = n / row["delivered"], "tables.events.equal_lines: repeats, if the export writes lines twice"
        rows = round(share * sample.readings["events"].estimated)
        what = f"{percent(share)} of events equal another line of their file, and count as different sales"
        if share >= FEW:
            yield Finding("events", what, rows, share, None, advice)
