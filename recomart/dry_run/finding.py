"""One finding: rows that a rule costs, and what would change it; and what findings about one table share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from recomart.dry_run.quality import Quality
from recomart_lib.core.shops import Shop
from recomart_lib.core.text import percent


class Finding(NamedTuple):
    """Rows that are lost, or that a key would treat differently.

    `rows` is estimated for all data, `share` that of the table's lines, `score_then` the table's score (0 to 100) with
    the advice (None: the score does not change, or nobody can know).
    """

    table: str
    finding: str
    rows: int
    share: float
    score_then: float | None
    advice: str


@dataclass(frozen=True)
class Context:
    """The quarantine of one table of the sample, and what its numbers mean in all data."""

    shop: Shop
    table: str
    quality: Quality
    quarantined: pl.DataFrame
    factor: float

    def failing(self, rule: str) -> pl.DataFrame:
        """The rows in quarantine that fail a rule."""
        return self.quarantined.filter(pl.col("reasons").str.split("; ").list.contains(rule))

    def finding(self, rule: str, rows: pl.DataFrame, what: str, advice: str, kind: str = "repair") -> Finding:
        """A finding about rows in quarantine that fail a rule: the advice makes them good, or excludes them."""
        report = self.quality.report["tables"][self.table]
        passed = report["good"] + report["history"]
        checked = passed + report["quarantined"] + report["rejected"]
        score = None
        if kind == "repair":
            score = 100 * (passed + rows.filter(pl.col("reasons") == rule).height) / checked
        elif kind == "exclude" and checked > rows.height:
            score = 100 * passed / (checked - rows.height)
        share = rows.height / report["delivered"]
        head = f"{percent(share)} of {self.table} {what}"
        return Finding(self.table, head, round(rows.height * self.factor), share, score, advice)

    def key(self, name: str) -> str:
        """A key of the table in the shop file."""
        return f"tables.{self.table}.{name}"
