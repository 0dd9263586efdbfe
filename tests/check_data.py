"""Single rows, and checking them, for tests of stage 02."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from conftest import Piece, full_shop, land, rows, unreadable, utc

from recomart_lib.core import schemas
from recomart_lib.core.shops import Shop
from recomart_lib.ingest import lake
from recomart_lib.validate import quality_report, row_checks
from recomart_lib.validate.row_checks import PLACES
from recomart_lib.validate.settings import Validate

NOW = datetime.now(UTC)


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
    """What `judging.judge` left: counts, the validated tables, and what is held back."""

    counts: dict[str, row_checks.Counts]
    valid: dict[str, pl.DataFrame]
    held: dict[str, pl.DataFrame]
    landed: dict[str, lake.Landed]

    def places(self, table: str) -> dict[str, int]:
        return {place: self.counts[table][place] for place in PLACES}


def landed(**more: list[dict]) -> dict[str, pl.DataFrame]:
    """A good user, item and event, with more rows of each."""
    good = {"users": USER, "items": ITEM, "events": EVENT}
    return {table: rows(table, row, *more.get(table, ())) for table, row in good.items()}


def judge(tables: dict[str, pl.DataFrame], where: Shop | None = None, n_unreadable: int = 0, **tuned: object) -> Result:
    """Land these tables, each as one file, and judge them."""
    with TemporaryDirectory() as name:
        folder, found = Path(name), {}
        for table, frame in tables.items():
            land(folder / "raw", table, Piece(frame, unreadable("f", n_unreadable if table == "events" else 0)))
            found[table] = lake.landed(folder / "raw", "x", table)
        valid, held = folder / "valid", folder / "held"
        counts, _ = row_checks.judge(where or full_shop(), found, Validate(**tuned), NOW, valid, held)
        names = [path.stem for path in held.iterdir()]
        return Result(
            counts,
            {name: pl.read_parquet(valid / f"{name}.parquet") for name in schemas.TABLES},
            {name: pl.read_parquet(held / f"{name}.parquet") for name in names},
            found,
        )


def report(tables: dict[str, pl.DataFrame], n_unreadable: int = 0, **tuned: object) -> dict:
    result = judge(tables, n_unreadable=n_unreadable, **tuned)
    return quality_report.report(result.counts, result.landed, Validate(**tuned))
