"""Convert events between versioned JSON messages and rows; the format is in docs/streaming.md.

Arrow parses a whole batch, strictly and fast. Only if it fails are messages parsed one by one, to find the bad ones and
the reasons.
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
SMALL_BATCH = 100  # messages that are parsed one by one if Arrow rejects them
BLOCK_BYTES = 1 << 20  # parsed per thread at a time
TIMES = ("timestamp", "produced_at")
# rules that need a single row; 02_validate checks the others
LOCAL_RULES = ("event_type_known", "quantity_possible", "price_possible", "rating_possible", "rating_given")
ROWS = {**EVENTS, "produced_at": TIMESTAMP}

Text = Annotated[str, Field(min_length=1)]
Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$")]


class Event(BaseModel):
    """One message. Other keys are ignored; numbers must be JSON numbers, not text."""

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
    complete = events.with_columns(schema_version=pl.lit(VERSION), produced_at=pl.lit(produced_at, TIMESTAMP))
    encoded = complete.with_columns(text).select(pl.struct(ARROW.names).struct.json_encode())
    return [message.encode() for message in encoded.to_series()]


def read(messages: pl.DataFrame, now: datetime, max_future_s: int, rules: Validate) -> pl.DataFrame:
    """Parse and check a batch of messages.

    Parameters
    ----------
    messages
        One row per message: key and value, as bytes; other columns are passed through.

    Returns
    -------
    DataFrame
        The same rows in their order, with the columns of `schemas.EVENTS`, produced_at, and reason (null: a good row;
        otherwise why it is a dead letter).
    """
    rows = _parsed(messages.get_column("value"))
    times = [pl.col(name).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False) for name in TIMES]
    rows = rows.with_columns(times).with_columns(messages.get_column("key"))
    rows = rows.with_columns(reason=_first_reason(now, max_future_s))
    return pl.concat([_checked(rows, rules).select(*ROWS, "reason"), messages], how="horizontal")


def _parsed(messages: pl.Series) -> pl.DataFrame:
    """The rows; a batch that Arrow rejects is halved until it is small enough to parse messages one by one."""
    rows = _parse_batch(messages)
    if rows is not None:
        return rows
    if messages.len() <= SMALL_BATCH:
        return _parse_one_by_one(messages)
    half = messages.len() // 2
    return pl.concat([_parsed(messages[:half]), _parsed(messages[half:])])


def _parse_batch(messages: pl.Series) -> pl.DataFrame | None:
    """The rows if all messages are well-formed, else None."""
    # a message that starts with a brace and has no line break is at least one row, so equal numbers mean one row each
    single_line = messages.bin.starts_with(b"{") & ~messages.bin.contains(b"\n")
    if not messages.len() or not single_line.fill_null(False).all():
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


def _parse_one_by_one(messages: pl.Series) -> pl.DataFrame:
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
        path = ".".join(str(part) for part in first["loc"])
        return {"reason": f"{path}: {first['msg']}" if path else f"not a JSON object: {first['msg']}"}


def _first_reason(now: datetime, max_future_s: int) -> pl.Expr:
    """Why a row that was parsed is still invalid."""
    latest = now + timedelta(seconds=max_future_s)
    texts = [name for name in REQUIRED["events"] if name != "timestamp"]
    checks = [
        (pl.col("schema_version").is_null() | (pl.col("schema_version") != VERSION), f"schema_version is not {VERSION}")
    ]
    checks += [(pl.col(name).is_null() | (pl.col(name) == ""), f"{name}: missing or empty") for name in texts]
    checks += [(pl.col("key").ne_missing(pl.col("user_id").cast(pl.Binary)), "the message's key is not the user_id")]
    checks += [(pl.col("timestamp").is_null(), "timestamp: missing, or not ISO 8601 with a zone")]
    checks += [(pl.col("timestamp") > latest, f"timestamp: more than {max_future_s} s in the future")]
    return pl.coalesce("reason", *(pl.when(wrong).then(pl.lit(reason)) for wrong, reason in checks))


def _checked(rows: pl.DataFrame, rules: Validate) -> pl.DataFrame:
    """The rows; the names of broken rules with severity error become their reason."""
    row_rules = [
        rule for rule in quality_rules.rules(rules, "events") if rule.name in LOCAL_RULES and rule.severity == "error"
    ]
    numbered = rows.with_row_index("row_id")
    failed = (
        quality_rules.failures(numbered, row_rules, rules)
        .group_by("row_id")
        .agg(broken=pl.col("rule").sort().str.join("; "))
    )
    joined = numbered.join(failed, on="row_id", how="left", maintain_order="left")
    return joined.with_columns(reason=pl.coalesce("reason", "broken"))
