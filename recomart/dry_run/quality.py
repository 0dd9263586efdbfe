"""02_validate on a sample: its own checks, its own report, its own gate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from recomart.dry_run.sample import Sample
from recomart.dry_run.table_reader import SampleTable
from recomart_lib.core import clock
from recomart_lib.core.errors import GateError
from recomart_lib.core.schemas import PROVENANCE, REJECTS, TABLES
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.lake import FILES
from recomart_lib.ingest.lake_verification import Verified
from recomart_lib.validate import entity_summary, quality_report, row_checks
from recomart_lib.validate.settings import Validate

SCORES = {"table": pl.String, "delivered": pl.Int64, "checked": pl.Int64, "score": pl.Float64}


@dataclass(frozen=True)
class Quality:
    """What 02 says about a sample at the moment `now`: its report, and the folders of what it writes."""

    report: dict[str, Any]
    validated: Path
    quarantine: Path
    now: datetime

    @property
    def verdict(self) -> str | None:
        """The sentence with which the gate stops the pipeline; None if it passes."""
        try:
            quality_report.gate(self.report)
        except GateError as problem:
            return str(problem)
        return None

    def scores(self, sample: Sample) -> pl.DataFrame:
        """One row per table: delivered (lines of all files), checked (lines of the sample), score (0 to 100)."""
        rows = [
            (table, sample.readings[table].estimated, _n_checked(row), row["score"])
            for table, row in self.report["tables"].items()
        ]
        return pl.DataFrame(rows, schema=SCORES, orient="row")


@contextmanager
def checked(shop: Shop, sample: Sample, settings: Validate) -> Iterator[Quality]:
    """Check the sample as 02 checks the lake; the tables are in a temporary folder, until the end of `with`."""
    now, tables = clock.now(), sample.tables
    with TemporaryDirectory(prefix="recomart-") as folder:
        validated, quarantine = Path(folder) / "validated", Path(folder) / "quarantine"
        complete = tables if "events" in tables else {**tables, "events": no_events()}
        counts, _ = row_checks.check_tables(shop, complete, settings, now, validated, quarantine)
        entities = entity_summary.summary(shop, tables, now, validated, quarantine)
        counts = {table: counts[table] for table in tables}
        yield Quality(quality_report.report(counts, tables, settings, entities), validated, quarantine, now)


def no_events() -> SampleTable:
    """An events table without rows: users and items can be checked without their events."""
    rows = pl.DataFrame(schema=TABLES["events"] | PROVENANCE)
    files, rejects = pl.DataFrame(schema=FILES), pl.DataFrame(schema=REJECTS)
    return SampleTable(TABLES["events"], files, [], [], pl.DataFrame(schema=PROVENANCE), 0, rejects, Verified(), rows)


def _n_checked(row: dict[str, Any]) -> int:
    """The lines that count for a table's score."""
    return row["good"] + row["history"] + row["quarantined"] + row["rejected"]
