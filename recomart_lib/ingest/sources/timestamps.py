"""Convert delivered times to UTC moments and local days, across the clock changes of a time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl

from recomart_lib.core.schemas import TIMESTAMP
from recomart_lib.core.shop_tables import Table
from recomart_lib.core.time_formats import EPOCHS, canonical, has_zone_name_only, is_moment, strict_pattern
from recomart_lib.ingest.sources import epochs, iso_8601, zone_names

# the range that Python can represent in any zone
EARLIEST, LATEST = pl.lit(datetime(1, 1, 2, tzinfo=UTC)), pl.lit(datetime(9999, 12, 30, tzinfo=UTC))


def moments(cells: pl.Series, spec: Table, zone: str) -> pl.DataFrame:
    """One row per cell: moment (null: none), twice (does the time occur twice?), problem (with the clocks).

    `spec.ambiguous_times` decides which moment a repeated time means; times with UTC offsets are unique.
    """
    frame = _times(cells, spec.timestamp_format, zone)
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
    in_range = pl.when(day.is_between(date.min, date.max)).then(day)
    return _times(cells, spec.timestamp_format, zone).select(in_range).to_series()


def _in_range(moment: pl.Expr) -> pl.Expr:
    return pl.when(moment.is_between(EARLIEST, LATEST)).then(moment)


def _to_utc(local: str, zone: str, ambiguous: str) -> pl.Expr:
    zoned = pl.col(local).dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null")
    return zoned.dt.convert_time_zone("UTC")


def _times(cells: pl.Series, time_format: str | None, zone: str) -> pl.DataFrame:
    """absolute: moments of cells that do not depend on the shop's zone; local: local times of the other cells.

    The names of the shop's zone help to read names of zones.
    """
    cells, form = cells.alias("cell"), canonical(time_format or "")
    cell, text = pl.col("cell"), pl.col("cell").cast(pl.String)
    absolute, local = pl.lit(None, TIMESTAMP), pl.lit(None, pl.Datetime("us"))
    if cells.dtype.is_temporal() and getattr(cells.dtype, "time_zone", None):
        absolute = cell.dt.cast_time_unit("us").dt.convert_time_zone("UTC")
    elif cells.dtype.is_temporal():
        local = cell.cast(pl.Datetime("us"))
    elif form in EPOCHS:
        absolute = epochs.moments(cells, form)
    elif not form:
        return iso_8601.times(cells.cast(pl.String))
    elif has_zone_name_only(form):
        absolute = _parsed(zone_names.with_offsets(text, zone), form.replace("%Z", "%z"), "UTC")
    elif is_moment(form):
        absolute = _parsed(text, form, "UTC")
    else:
        local = _parsed(text, form)
    return cells.to_frame().select(absolute=absolute, local=local)


def _parsed(text: pl.Expr, time_format: str, zone: str | None = None) -> pl.Expr:
    if pattern := strict_pattern(time_format):
        text = pl.when(text.str.contains(pattern)).then(text)
    return text.str.to_datetime(time_format, time_unit="us", time_zone=zone, strict=False)
