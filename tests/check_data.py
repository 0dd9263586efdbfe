"""Single rows, and checks of them, for tests of stage 02."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from conftest import Chunk, full_shop, ingest_chunks, rows, unreadable, utc

from recomart_lib.core.shops import Shop
from recomart_lib.ingest import lake
from recomart_lib.validate import entity_summary, quality_report, row_checks
from recomart_lib.validate.row_counts import PLACES, Counts
from recomart_lib.validate.settings import Validate

NOW = utc(2026, 5, 1)


USER = {"user_id": "u1", "signup_date": date(2024, 1, 1), "age": 30, "gender": "f"}


ITEM = {"item_id": "a", "name": "Anvil", "price": 10.0}


EVENT = {
    "event_id": "e1",
    "user_id": "u1",
    "item_id": "a",
    "event_type": "purchase",
    "timestamp": utc(2024, 2, 1),
    "quantity": 1,
    "price": 10.0,
    "order_id": "o1",
}


@dataclass
class Result:
    """The result of `row_checks.check_tables`: counts, the validated tables and the quarantine, and its input."""

    counts: dict[str, Counts]
    validated: dict[str, pl.DataFrame]
    quarantine: dict[str, pl.DataFrame]
    lake_tables: dict[str, lake.LakeTable]
    report: dict

    def places(self, table: str) -> dict[str, int]:
        """Place -> number of rows of a table, without places that have none."""
        return {place: n for place in PLACES if (n := self.counts[table][place])}


def good_tables(**more: list[dict]) -> dict[str, pl.DataFrame]:
    """A good user, item and event, with more rows of each."""
    good = {"users": USER, "items": ITEM, "events": EVENT}
    return {table: rows(table, row, *more.get(table, ())) for table, row in good.items()}


def check(
    tables: dict[str, pl.DataFrame | dict[str, pl.DataFrame]],
    shop: Shop | None = None,
    n_unreadable: int = 0,
    **settings: object,
) -> Result:
    """Ingest these tables, each as one file `f` or as several files (name -> rows), and check them."""
    shop = shop or full_shop()
    with TemporaryDirectory() as name:
        folder, lake_tables = Path(name), {}
        for table, delivered in tables.items():
            lines = unreadable("f", n_unreadable if table == "events" else 0)
            for file, frame in delivered.items() if isinstance(delivered, dict) else [("f", delivered)]:
                chunk = Chunk(frame.with_columns(source_file=pl.lit(file)), lines)
                ingest_chunks(folder / "raw", table, chunk, name=file)
            lake_tables[table] = lake.table(folder / "raw", "x", table)
        validated, quarantine = folder / "validated", folder / "quarantine"
        counts, _ = row_checks.check_tables(shop, lake_tables, Validate(**settings), NOW, validated, quarantine)
        entities = entity_summary.summary(shop, lake_tables, NOW, validated, quarantine)
        return Result(
            counts,
            {path.stem: pl.read_parquet(path) for path in validated.iterdir()},
            {path.stem: pl.read_parquet(path) for path in quarantine.iterdir()},
            lake_tables,
            quality_report.report(counts, lake_tables, Validate(**settings), entities),
        )


def report(tables: dict[str, pl.DataFrame], n_unreadable: int = 0, **settings: object) -> dict:
    """The quality report of these tables."""
    return check(tables, n_unreadable=n_unreadable, **settings).report


def failed_rules(tables: dict[str, pl.DataFrame], **settings: object) -> dict[str, int]:
    """Rule -> number of rows that fail it, without rules that no row fails."""
    return {rule["rule"]: rule["n_failed"] for rule in report(tables, **settings)["rules"] if rule["n_failed"]}
