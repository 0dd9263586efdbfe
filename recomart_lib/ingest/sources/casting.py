"""Convert delivered cells to our types, with the reason for each record that cannot be converted."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from recomart_lib.core.schemas import TABLES, TIMESTAMP, VALID_FROM
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources import timestamps

ID_COLUMNS = ("user_id", "item_id", "event_id", "order_id")
WHOLE_ID = r"^\d+\.0$"


class Typed(NamedTuple):
    """Converted records. For each: its row, why it is rejected (null: it is not), and whether its time occurs twice."""

    rows: pl.DataFrame
    reasons: pl.Series
    ambiguous: pl.Series


def cast(cells: pl.DataFrame, mapping: dict[str, str], spec: Table, zone: str) -> Typed:
    """Convert the mapped columns (ours -> the delivered one) to our types."""
    written = cells.select(pl.col(theirs).alias(ours) for ours, theirs in mapping.items())
    bare = _stripped(written, spec.nulls)
    moments = {ours: timestamps.moments(bare[ours], spec, zone) for ours in bare.columns if _dtype(ours) == TIMESTAMP}
    rows = _converted(bare, moments, spec, zone)
    ambiguous = pl.repeat(False, rows.height, eager=True)
    for times in moments.values():
        ambiguous |= times["twice"]
    clocks = {ours: times["problem"] for ours, times in moments.items()}
    return Typed(rows, _reasons(written, bare, rows, clocks, spec), ambiguous)


def _converted(bare: pl.DataFrame, moments: dict[str, pl.DataFrame], spec: Table, zone: str) -> pl.DataFrame:
    """The records in our types; what cannot be converted becomes null."""
    columns: list[pl.Expr | pl.Series] = []
    for ours, delivered in bare.schema.items():
        if ours in moments:
            column = moments[ours]["moment"]
        elif _dtype(ours) == pl.Date:
            column = timestamps.days(bare[ours], spec, zone)
        else:
            column = _parsed(ours, delivered, spec)
        columns.append(column.alias(ours))
    # one evaluation for all columns: a shop delivers hundreds of small files, and every evaluation costs time
    return bare.with_columns(columns)


def _stripped(written: pl.DataFrame, nulls: list[str]) -> pl.DataFrame:
    """Strip text; blank text and the declared null words become null."""
    null_words = ["", *nulls]
    texts = [name for name, dtype in written.schema.items() if dtype == pl.String]
    stripped = written.with_columns(pl.col(name).str.strip_chars() for name in texts)
    return stripped.with_columns(
        pl.when(~pl.col(name).is_in(null_words)).then(pl.col(name)).alias(name) for name in texts
    )


def _dtype(ours: str) -> pl.DataType:
    """The type of one of our columns; `users.country` is a column of a derived table, delivered in the events."""
    table, _, column = ours.rpartition(".")
    tables = [table] if table else list(TABLES)
    if ours == VALID_FROM:
        return TIMESTAMP
    return next(TABLES[name][column] for name in tables if column in TABLES[name])


def _parsed(ours: str, delivered: pl.DataType, spec: Table) -> pl.Expr:
    dtype, cells = _dtype(ours), pl.col(ours)
    if dtype.is_numeric():
        return _numbers(cells, delivered, dtype, spec)
    text = cells.cast(pl.String)
    # spreadsheets and data frames write whole numbers with nulls as 17850.0: the id is 17850
    whole = pl.when(text.str.contains(WHOLE_ID)).then(text.str.strip_suffix(".0")).otherwise(text)
    return whole if ours in ID_COLUMNS else text


def _numbers(cells: pl.Expr, delivered: pl.DataType, dtype: pl.DataType, spec: Table) -> pl.Expr:
    """Convert text to numbers; infinity, NaN and fractions in a column of whole numbers become null.

    With a decimal comma, points group thousands.
    """
    if delivered == pl.String and (spec.thousands or spec.decimal == ","):
        mark, decimal = re.escape(spec.thousands or "."), re.escape(spec.decimal)
        cells = pl.when(cells.str.contains(rf"^[+-]?(\d+|\d{{1,3}}({mark}\d{{3}})+)({decimal}\d*)?$")).then(cells)
        cells = cells.str.replace_all(spec.thousands or ".", "", literal=True)
        cells = cells.str.replace(spec.decimal, ".", literal=True)
    number = cells.cast(pl.Float64, strict=False)
    if dtype == pl.Float64:
        return pl.when(number.is_finite()).then(number)
    whole = (number == number.round()) & (number.abs() < 2**53)
    return pl.when(whole).then(number).cast(pl.Int64)


def _expected(ours: str, spec: Table) -> str:
    dtype = _dtype(ours)
    if dtype.is_temporal():
        return f"is not a time of the form {spec.timestamp_format or 'ISO 8601'}"
    return f"is not {'a whole number' if dtype == pl.Int64 else 'a number' if dtype == pl.Float64 else 'text'}"


def _reasons(
    written: pl.DataFrame, bare: pl.DataFrame, rows: pl.DataFrame, clocks: dict[str, pl.Series], spec: Table
) -> pl.Series:
    """Why records are rejected: the first cell that is not blank and could not be converted."""
    reasons = [None] * rows.height
    for ours in reversed(rows.columns):
        if rows[ours].null_count() == bare[ours].null_count():
            continue
        failed = (bare[ours].is_not_null() & rows[ours].is_null()).arg_true()
        problems = clocks[ours][failed] if ours in clocks else [None] * failed.len()
        for place, text, problem in zip(failed, written[ours][failed].cast(pl.String), problems, strict=True):
            reasons[place] = f"{ours}: '{text}' {problem or _expected(ours, spec)}"
    return pl.Series("reason", reasons, dtype=pl.String)
