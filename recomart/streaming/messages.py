"""Convert events between versioned JSON messages and rows; the format is in docs/streaming.md.

Arrow parses a whole batch, strictly and fast. Only if it fails are messages parsed one by one, to find the bad ones and
the reasons.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

import polars as pl
import pyarrow as pa
import pyarrow.json
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recomart_lib.core.schemas import EVENTS, REQUIRED, TIMESTAMP
from recomart_lib.ingest.sources import ids, iso_8601
from recomart_lib.stream import encoding, moves
from recomart_lib.stream.encoding import TIMES, VERSION
from recomart_lib.validate import quality_rules
from recomart_lib.validate.settings import Validate

SMALL_BATCH = 100  # messages that are parsed one by one if Arrow rejects them
BLOCK_BYTES = 1 << 20  # parsed per thread at a time
MAX_ID_CHARACTERS = 512
IDS = [name for name in REQUIRED["events"] if name not in ("timestamp", "event_type")]
NUMBERS = ("quantity", "price", "rating")
VISIBLE = r"[^\s\p{Cc}\p{Cf}]"  # neither white space nor an invisible character
# rules that need a single row; 02_validate checks the others
LOCAL_RULES = ("event_type_known", "quantity_possible", "price_possible", "rating_possible", "rating_given")
ROWS = {**EVENTS, "produced_at": TIMESTAMP}

Text = Annotated[str, Field(min_length=1)]


class Event(BaseModel):
    """One message. Other keys are ignored; numbers must be JSON numbers, not text."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    schema_version: Literal[1]
    event_id: Text
    user_id: Text
    item_id: Text
    event_type: Text
    timestamp: Text
    quantity: float | None = None
    price: float | None = None
    rating: float | None = None
    order_id: str | None = None
    produced_at: str | None = None


ARROW = pa.schema(
    [("schema_version", pa.int64())]
    + [(name, pa.float64() if kind == pl.Float64 else pa.string()) for name, kind in ROWS.items()]
)


def write(events: pl.DataFrame, produced_at: datetime) -> list[bytes]:
    """One message per event, in their order; `events` has the columns of `schemas.EVENTS`."""
    return [message.encode() for message in encoding.messages(events, produced_at)]


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
    rows = _parsed(messages.get_column("value")).with_columns(messages.get_column("key"))
    is_sent = rows.get_column("produced_at").is_not_null().alias("is_sent")
    has_order = pl.col("order_id").str.contains(VISIBLE) & ~pl.col("order_id").is_in(ids.NO_VALUE)
    rows = rows.with_columns(is_sent, order_id=pl.when(has_order).then("order_id"))
    rows = rows.with_columns(_moments(rows.get_column(name)) for name in TIMES)
    return pl.concat([_checked(rows, now, max_future_s, rules).select(*ROWS, "reason"), messages], how="horizontal")


def reasons(events: pl.DataFrame, now: datetime, max_future_s: int, rules: Validate) -> pl.Series:
    """Why messages with these events (columns of `schemas.EVENTS`) would be dead letters; null: they would not."""
    sent = {"schema_version": pl.lit(VERSION), "key": pl.col("user_id").cast(pl.Binary), "is_sent": pl.lit(False)}
    nulls = {"produced_at": pl.lit(None, TIMESTAMP), "reason": pl.lit(None, pl.String)}
    rows = events.select(list(EVENTS)).with_columns(**sent, **nulls)
    return _checked(rows, now, max_future_s, rules).get_column("reason")


def _moments(text: pl.Series) -> pl.Series:
    """The moments of ISO 8601 texts with an offset, in the forms that files may use; null if there is none."""
    usual = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    if usual.null_count() == text.null_count():
        return usual
    return usual.fill_null(iso_8601.times(text.set(usual.is_not_null(), None)).get_column("absolute"))


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
    for place, record in enumerate(records):
        # Arrow also takes keys that are ignored with values that are too deep, or numbers too long, for others: what
        # becomes of a message must not depend on those beside it
        if record.get("reason") and (alone := _parse_batch(messages[place : place + 1])) is not None:
            records[place] = alone.row(0, named=True)
    kinds = {"schema_version": pl.Int64, **{name: pl.String if name in TIMES else kind for name, kind in ROWS.items()}}
    return pl.DataFrame(records, schema={**kinds, "reason": pl.String})


def _record(message: bytes | None) -> dict[str, object]:
    if message is None:
        return {"reason": "no value"}
    try:
        event = Event.model_validate_json(message).model_dump()
        names = [name for name, _ in json.loads(message, object_pairs_hook=list)]
        twice = next((name for name in event if names.count(name) > 1), None)
        return {"reason": f"{twice}: occurs twice"} if twice else event
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        return {"reason": f"{path}: {first['msg']}" if path else f"not a JSON object: {first['msg']}"}


def _reasons(now: datetime, max_future_s: int, rules: Validate) -> list[pl.Expr]:
    """Why a row that was parsed is still invalid: the first of these texts that is not null."""
    checks = [
        (pl.col("schema_version").is_null() | (pl.col("schema_version") != VERSION), f"schema_version is not {VERSION}")
    ]
    checks += [(~pl.col(name).str.contains(VISIBLE).fill_null(False), f"{name}: missing or blank") for name in IDS]
    checks += [(pl.col("event_type").fill_null("") == "", "event_type: missing or empty")]
    checks += [check for name in (*IDS, "order_id") for check in _id_checks(name)]
    checks += [(pl.col("key").ne_missing(pl.col("user_id").cast(pl.Binary)), "the message's key is not the user_id")]
    checks += [(pl.col("timestamp").is_null(), "timestamp: missing, or not ISO 8601 with a zone")]
    checks += [(pl.col("is_sent") & pl.col("produced_at").is_null(), "produced_at: not ISO 8601 with a zone")]
    checks += [check for name in TIMES for check in _time_checks(name, now, max_future_s, rules)]
    checks += [(~pl.col(name).is_finite(), f"{name}: not a finite number") for name in NUMBERS]
    return [pl.when(wrong).then(pl.lit(reason)) for wrong, reason in checks]


def _id_checks(name: str) -> list[tuple[pl.Expr, str]]:
    return [
        (pl.col(name).str.len_chars() > MAX_ID_CHARACTERS, f"{name}: longer than {MAX_ID_CHARACTERS} characters"),
        (pl.col(name).str.contains(r"\p{Cc}"), f"{name}: contains a control character"),
        (pl.col(name).is_in(ids.NO_VALUE), f"{name}: the word of a data frame for a missing value"),
        *((pl.col(name).str.contains(f"(?s)^({kind})$"), f"{name}: {no.cell}") for kind, no in ids.REFUSED.items()),
    ]


def _time_checks(name: str, now: datetime, max_future_s: int, rules: Validate) -> list[tuple[pl.Expr, str]]:
    latest = now + timedelta(seconds=max_future_s)
    checks = [
        (~pl.col(name).is_between(moves.FIRST, moves.LAST), f"{name}: no day of the calendar, from year 1 to 9999"),
        (pl.col(name) > latest, f"{name}: more than {max_future_s} s in the future"),
    ]
    if any(rule.name == "timestamp_plausible" and rule.severity == "error" for rule in quality_rules.rules(rules)):
        first = datetime.combine(date.fromisoformat(rules.first_day), time(), UTC)
        checks.insert(0, (pl.col(name) < first, f"{name}: before {rules.first_day} (params.yaml: validate.first_day)"))
    return checks


def _checked(rows: pl.DataFrame, now: datetime, max_future_s: int, rules: Validate) -> pl.DataFrame:
    """The rows with their reason: the first of `_reasons`, else the names of broken rules with severity error."""
    rows = rows.with_columns(reason=pl.coalesce("reason", *_reasons(now, max_future_s, rules)))
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
