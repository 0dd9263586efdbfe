"""The messages of events: one JSON object each, in the format of docs/streaming.md."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from recomart_lib.core.schemas import EVENTS, TIMESTAMP

VERSION = 1
TIMES = ("timestamp", "produced_at")
FIELDS = ("schema_version", *EVENTS, "produced_at")


def messages(events: pl.DataFrame, produced_at: datetime | None) -> pl.Series:
    """One message per event, as text, in their order; `events` has the columns of `schemas.EVENTS`."""
    text = [pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ") for name in TIMES]
    complete = events.with_columns(schema_version=pl.lit(VERSION), produced_at=pl.lit(produced_at, TIMESTAMP))
    encoded = complete.with_columns(text).select(pl.struct(FIELDS).struct.json_encode()).to_series()
    # a text cannot contain this: its quotation marks are escaped
    return encoded.str.replace(r'("quantity":-?\d+)\.0([,}])', "$1$2")
