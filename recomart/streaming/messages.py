"""Messages and rows: an event as versioned JSON on a topic, and as a row of the lake. Pure; docs/streaming.md tells it.

A batch is read at once by Arrow, which is strict and fast. Only where it finds fault are messages read alone, to learn
which one is to blame, and why.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

import polars as pl
import pyarrow as pa
import pyarrow.json
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recomart_lib.core.schemas import EVENTS, REQUIRED, TIMESTAMP
from recomart_lib.validate import quality_rules
from recomart_lib.validate.settings import Validate

VERSION = 1
ALONE = 100  # messages
BLOCK_BYTES = 1 << 20  # what a thread reads at a time
TIMES = ("timestamp", "produced_at")
# what of the rulebook a row alone can answer for; the rest needs other rows and is asked by 02_validate
LOCAL_RULES = ("event_type_known", "quantity_possible", "price_possible", "rating_possible", "rating_given")
ROWS = {**EVENTS, "produced_at": TIMESTAMP}

Text = Annotated[str, Field(min_length=1)]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$")]


class Event(BaseModel):
    """One message. Other keys are allowed and not kept; numbers are numbers, not text."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    schema_version: Literal[1]
    event_id: Text
    user_id: Text
    item_id: Text
    event_type: Text
    timestamp: Moment
    quantity: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    price: float | None = None
    rating: float | None = None
    order_id: str | None = None
    produced_at: Moment | None = None


ARROW = pa.schema(
    [("schema_version", pa.int64())]
    + [(name, {pl.Int64: pa.int64(), pl.Float64: pa.float64()}.get(kind, pa.string())) for name, kind in ROWS.items()]
)


def write(events: pl.DataFrame, produced_at: datetime) -> list[bytes]:
    """One message per event, in their order; `events` has the columns of `schemas.EVENTS`."""
    text = [pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ") for name in TIMES]
    whole = events.with_columns(schema_version=pl.lit(VERSION), produced_at=pl.lit(produced_at, TIMESTAMP))
    packed = whole.with_columns(text).select(pl.struct(ARROW.names).struct.json_encode())
    return [message.encode() for message in packed.to_series()]


def read(messages: pl.DataFrame, now: datetime, max_future_s: int, rules: Validate) -> pl.DataFrame:
    """What a batch of messages says.

    Parameters
    ----------
    messages
        One row per message: key and value, as bytes; other columns are kept.

    Returns
    -------
    DataFrame
        The same rows in their order, with the columns of `schemas.EVENTS`, produced_at, and reason (null: it can go
        into the lake; else why it is a dead letter).
    """
    rows = _parsed(messages.get_column("value"))
    times = [pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False) for name in TIMES]
    rows = rows.with_columns(times).with_columns(messages.get_column("key"))
    rows = rows.with_columns(reason=_first_reason(now, max_future_s))
    return pl.concat([_judged(rows, rules).select(*ROWS, "reason"), messages], how="horizontal")


def _parsed(messages: pl.Series) -> pl.DataFrame:
    """The rows; halves are tried until those around a bad message are few enough to be read alone."""
    rows = _all_at_once(messages)
    if rows is not None:
        return rows
    if messages.len() <= ALONE:
        return _one_by_one(messages)
    half = messages.len() // 2
    return pl.concat([_parsed(messages[:half]), _parsed(messages[half:])])


def _all_at_once(messages: pl.Series) -> pl.DataFrame | None:
    """The rows if all messages are what they should be in form, else None."""
    # a message that starts with a brace and has no line break is at least one row: as many rows as lines are one each
    whole = messages.bin.starts_with(b"{") & ~messages.bin.contains(b"\n")
    if not messages.len() or not whole.fill_null(False).all():
        return None
    try:
        lines = messages.cast(pl.String).str.join("\n")[0].encode()
    except pl.exceptions.InvalidOperationError:  # not UTF-8
        return None
    options = pyarrow.json.ParseOptions(explicit_schema=ARROW, unexpected_field_behavior="ignore")
    block = pyarrow.json.ReadOptions(block_size=max(BLOCK_BYTES, messages.bin.size().max() + 1))
    try:
        table = pyarrow.json.read_json(pa.BufferReader(lines), read_options=block, parse_options=options)
    except pa.ArrowInvalid:
        return None
    if table.num_rows != messages.len():
        return None
    return pl.DataFrame(pl.from_arrow(table)).with_columns(reason=pl.lit(None, pl.String))


def _one_by_one(messages: pl.Series) -> pl.DataFrame:
    records = [_record(message) for message in messages]
    kinds = {"schema_version": pl.Int64, **{name: pl.String if name in TIMES else kind for name, kind in ROWS.items()}}
    return pl.DataFrame(records, schema={**kinds, "reason": pl.String})


def _record(message: bytes | None) -> dict[str, object]:
    if message is None:
        return {"reason": "no value"}
    try:
        return Event.model_validate_json(message).model_dump()
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return {"reason": f"{place}: {first['msg']}" if place else f"not a JSON object: {first['msg']}"}


def _first_reason(now: datetime, max_future_s: int) -> pl.Expr:
    """Why a row that Arrow could read, or that was read alone, is none after all."""
    latest = now + timedelta(seconds=max_future_s)
    texts = [name for name in REQUIRED["events"] if name != "timestamp"]
    bad = [
        (pl.col("schema_version").is_null() | (pl.col("schema_version") != VERSION), f"schema_version is not {VERSION}")
    ]
    bad += [(pl.col(name).is_null() | (pl.col(name) == ""), f"{name}: missing or empty") for name in texts]
    bad += [(pl.col("key").ne_missing(pl.col("user_id").cast(pl.Binary)), "the message's key is not the user_id")]
    bad += [(pl.col("timestamp").is_null(), "timestamp: missing, or not ISO 8601 with a zone")]
    bad += [(pl.col("timestamp") > latest, f"timestamp: more than {max_future_s} s in the future")]
    return pl.coalesce("reason", *(pl.when(wrong).then(pl.lit(reason)) for wrong, reason in bad))


def _judged(rows: pl.DataFrame, rules: Validate) -> pl.DataFrame:
    """Rows that break a rule of severity error get its name as their reason."""
    chosen = [
        rule for rule in quality_rules.rules(rules, "events") if rule.name in LOCAL_RULES and rule.severity == "error"
    ]
    numbered = rows.with_row_index("row_id")
    failed = (
        quality_rules.failures(numbered, chosen, rules)
        .group_by("row_id")
        .agg(broken=pl.col("rule").sort().str.join("; "))
    )
    joined = numbered.join(failed, on="row_id", how="left", maintain_order="left")
    return joined.with_columns(reason=pl.coalesce("reason", "broken"))
