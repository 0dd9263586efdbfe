"""Events of many days with planted damage, for tests of drift."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
from conftest import rows

from recomart_lib.core import schemas
from recomart_lib.validate import drift
from recomart_lib.validate.settings import Validate

START = date(2024, 1, 1)
MEASURES = ["volume", "nulls", "event_type", "category", "price"]
CATEGORIES = ["Books", "Food", "Garden", "Toys", "Überraschung 日本"]
ITEMS = rows("items", *({"item_id": f"i{n}", "category": CATEGORIES[n // 10]} for n in range(50)))
BAD = 30  # the day of the planted damage


def events(days: np.ndarray, **columns) -> pl.DataFrame:
    """Raw events of these days (numbers from 0 for START); absent columns are null."""
    table = pl.DataFrame({"day": days, **columns}).with_row_index("source_line")
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in schemas.EVENTS.items() if name not in columns]
    day = pl.lit(START) + pl.duration(days="day")
    return table.with_columns(*absent, delivery_day=day, source_file=pl.lit("f.csv"))


def normal(n_days: int, n_rows: int | np.ndarray = 300, seed: int = 0) -> pl.DataFrame:
    """Days that only differ by chance: four event types, fifty items, prices of which a tenth is missing."""
    rng = np.random.default_rng(seed)
    days = np.repeat(np.arange(n_days), n_rows)
    n = len(days)
    price = pl.Series(np.round(rng.lognormal(2, 1, n), 2))
    return events(
        days,
        item_id=[f"i{k}" for k in (50 * rng.random(n) ** 2).astype(int)],
        event_type=rng.choice(["view", "cart", "purchase", "return"], n, p=[0.6, 0.25, 0.13, 0.02]),
        price=pl.select(pl.when(pl.Series(rng.random(n)) > 0.1).then(price)).to_series(),
    )


def detect(table: pl.DataFrame, items: pl.DataFrame | None = ITEMS, **params) -> pl.DataFrame:
    return drift.detect(drift.collect(table, items), Validate(**params))


def on_bad_day(column: str, value: pl.Expr) -> pl.DataFrame:
    """Forty normal days with another value in one of them."""
    bad = pl.col("delivery_day") == START + timedelta(days=BAD)
    return normal(40).with_columns(pl.when(bad).then(value).otherwise(column).alias(column))


def ten_times() -> pl.DataFrame:
    return normal(40, np.where(np.arange(40) == BAD, 3_000, 300))


def drift_table(*comparisons: tuple[int, str, float, float, str]) -> pl.DataFrame:
    """What `drift.detect` returns, from (day of January, measure, value, threshold, detail)."""
    columns = ("day", "measure", "value", "threshold", "detail")
    records = [dict(zip(columns, (date(2024, 1, day), *rest), strict=True)) for day, *rest in comparisons]
    schema = {name: dtype for name, dtype in drift.DRIFT.items() if name in columns}
    severity = pl.col("value") / pl.col("threshold")
    return pl.DataFrame(records, schema=schema).with_columns(severity=severity, flagged=severity > 1)
