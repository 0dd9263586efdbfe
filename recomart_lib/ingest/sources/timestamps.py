"""Convert delivered times to UTC moments and local days, across the clock changes of a time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import polars as pl

from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.core.shop_tables import Table

ISO_USUAL = "%Y-%m-%dT%H:%M:%S"
ISO_WITH_ZONE = "%+"
ISO_LOCAL = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}  # microseconds per unit
HAS_ZONE = re.compile(r"%([:#]*z|\+)")
# the range that Python can represent in any zone
EARLIEST, LATEST = pl.lit(datetime(1, 1, 2, tzinfo=UTC)), pl.lit(datetime(9999, 12, 30, tzinfo=UTC))


def moments(cells: pl.Series, spec: Table, zone: str) -> pl.DataFrame:
    """One row per cell: moment (null: none), twice (does the time occur twice?), problem (with the clocks).

    `spec.ambiguous_times` decides which moment a repeated time means; times with UTC offsets are unique.
    """
    frame = _times(cells, spec.timestamp_format)
    frame = frame.with_columns(first=_to_utc("local", zone, "earliest"), only=_to_utc("local", zone, "null"))
    which = {"first": pl.col("first"), "second": _to_utc("local", zone, "latest"), "reject": pl.col("only")}
    twice = pl.col("first").is_not_null() & pl.col("only").is_null()
    skipped = pl.col("local").is_not_null() & pl.col("first").is_null()
    forward = pl.when(skipped).then(pl.lit(f"does not exist in {zone}: the clocks go forward"))
    return frame.select(
        _in_range(pl.coalesce("absolute", which[spec.ambiguous_times])).alias("moment"),
        twice.alias("twice"),
        pl.when(twice)
        .then(pl.lit("occurs twice on that day (the clocks go back)"))
        .otherwise(forward)
        .alias("problem"),
    )


def days(cells: pl.Series, spec: Table, zone: str) -> pl.Series:
    """Local days. A day exists even if its midnight is skipped, and is unique even if its midnight repeats."""
    moment = _in_range(pl.coalesce("absolute", _to_utc("local", zone, "earliest")))
    written = pl.coalesce("absolute", pl.col("local").dt.replace_time_zone("UTC")).dt.date()
    day = pl.coalesce(moment.dt.convert_time_zone(zone).dt.date(), written)
    return _times(cells, spec.timestamp_format).select(day).to_series()


def _in_range(moment: pl.Expr) -> pl.Expr:
    return pl.when(moment.is_between(EARLIEST, LATEST)).then(moment)


def _to_utc(local: str, zone: str, ambiguous: str) -> pl.Expr:
    zoned = pl.col(local).dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def _times(cells: pl.Series, time_format: str | None) -> pl.DataFrame:
    """absolute: moments of cells that do not depend on the shop's zone; local: local times of the other cells."""
    cell, text = pl.col("cell"), pl.col("cell").cast(pl.String)
    absolute, local = pl.lit(None, TIMESTAMP), pl.lit(None, pl.Datetime("us"))
    if cells.dtype.is_temporal() and getattr(cells.dtype, "time_zone", None):
        absolute = cell.dt.cast_time_unit("us").dt.convert_time_zone("UTC")
    elif cells.dtype.is_temporal():
        local = cell.cast(pl.Datetime("us"))
    elif time_format in EPOCHS:
        absolute = _from_epoch(cell, EPOCHS[time_format])
    elif time_format and HAS_ZONE.search(time_format):
        absolute = _parsed(text, time_format, "UTC")
    elif time_format:
        local = _parsed(text, time_format)
    else:
        return _iso(cells.cast(pl.String))
    return cells.to_frame("cell").select("cell", absolute=absolute, local=local)


def _iso(text: pl.Series) -> pl.DataFrame:
    """Try each format only on cells that earlier ones could not parse: most files use one, and parsing is slow."""
    text = text.alias("text").str.replace(" ", "T", literal=True)
    frame = text.to_frame().with_columns(local=_parsed(pl.col("text"), ISO_USUAL), absolute=pl.lit(None, TIMESTAMP))
    for time_format in (ISO_WITH_ZONE, *ISO_LOCAL):
        unparsed = pl.when(pl.all_horizontal(pl.col("local", "absolute").is_null())).then("text")
        frame = frame.with_columns(unparsed=unparsed)
        if frame["unparsed"].null_count() == frame.height:
            break
        column, zone = ("absolute", "UTC") if time_format == ISO_WITH_ZONE else ("local", None)
        frame = frame.with_columns(pl.coalesce(column, _parsed(pl.col("unparsed"), time_format, zone)).alias(column))
    return frame


def _parsed(text: pl.Expr, time_format: str, zone: str | None = None) -> pl.Expr:
    return text.str.to_datetime(time_format, time_unit="us", time_zone=zone, strict=False)


def _from_epoch(cells: pl.Expr, microseconds_per_unit: int) -> pl.Expr:
    number = cells.cast(pl.Int64, strict=False)
    # an overflow would wrap around to a plausible year
    in_range = number.is_between(-(2**62) // microseconds_per_unit, 2**62 // microseconds_per_unit)
    microseconds = pl.when(in_range).then(number) * microseconds_per_unit
    return microseconds.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
