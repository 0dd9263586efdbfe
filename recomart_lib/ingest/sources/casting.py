"""Convert delivered cells to our types, with the reason for each record that cannot be converted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import polars as pl

from recomart_lib.core import currency_signs
from recomart_lib.core.schemas import TIMESTAMP, dtype_of
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources import ids, line_totals, time_hints, timestamps, words
from recomart_lib.ingest.sources.nested import Delivered, Refusals
from recomart_lib.ingest.sources.refusals import BOOLEAN, Refusal

TRUE = ("true", "yes", "1", "1.0", "in stock", "in_stock")
FALSE = ("false", "no", "0", "0.0", "out of stock", "out_of_stock")
SHOWN = 100  # characters of a cell in a reason


@dataclass
class Refused:
    """How many cells of a column are refused for the same cause, and the first of them."""

    n: int
    example: str


@dataclass
class Reasons:
    """Why records are rejected (None: they are not), and the refused cells by our column and cause."""

    by_record: list[str | None]
    refused: dict[tuple[str, Refusal], Refused] = field(default_factory=dict)

    def add(self, record: int, ours: str, cell: str, problem: Refusal | str) -> None:
        """A cell cannot be converted; a record has the reason that is added last."""
        shown = cell if len(cell) <= SHOWN else f"{cell[:SHOWN]}..."
        if isinstance(problem, Refusal):
            self.refused.setdefault((ours, problem), Refused(0, shown)).n += 1
            problem = problem.cell
        self.by_record[record] = f"{ours}: '{shown}' {problem}"


class Typed(NamedTuple):
    """Converted records. For each: its row, why it is rejected (null: it is not), and whether its time occurs twice.

    `refused` counts cells that hold no value of their column at all (an object, for example), by column and cause;
    `filled` counts a column's cells that are not blank.
    """

    rows: pl.DataFrame
    reasons: pl.Series
    ambiguous: pl.Series
    refused: dict[tuple[str, Refusal], Refused]
    filled: dict[str, int]


def cast(delivered: Delivered, mapping: dict[str, str], spec: Table, zone: str, totals: Sequence[str] = ()) -> Typed:
    """Convert the mapped columns (ours -> the delivered one) to our types; `totals` are prices of whole lines."""
    written = delivered.cells.select(pl.col(theirs).alias(ours) for ours, theirs in mapping.items())
    refusals = _refusals(delivered, mapping)
    bare = words.prepare(written, spec)
    moments = {ours: timestamps.moments(bare[ours], spec, zone) for ours in bare.columns if dtype_of(ours) == TIMESTAMP}
    rows = _converted(bare, moments, spec, zone)
    plain = {ours: pl.Series([refusal is None for refusal in given]) for ours, given in refusals.items()}
    rows = rows.with_columns(pl.when(is_plain).then(pl.col(ours)).alias(ours) for ours, is_plain in plain.items())
    ambiguous = pl.repeat(False, rows.height, eager=True)
    for times in moments.values():
        ambiguous |= times["twice"]
    clocks = {ours: times["problem"] for ours, times in moments.items()}
    reasons = _reasons(written, bare, rows, clocks, refusals, spec)
    rows = line_totals.divide(rows, totals, reasons.add)
    filled = {ours: bare.height - bare[ours].null_count() for ours in bare.columns}
    return Typed(rows, pl.Series("reason", reasons.by_record, pl.String), ambiguous, reasons.refused, filled)


def _refusals(delivered: Delivered, mapping: dict[str, str]) -> dict[str, Refusals]:
    """Our column -> what its cells hold that is no plain value; true and false are plain, but no ids."""
    refusals = {ours: delivered.refusals[theirs] for ours, theirs in mapping.items() if theirs in delivered.refusals}
    return {
        ours: given if ids.is_id(ours) else [None if refusal is BOOLEAN else refusal for refusal in given]
        for ours, given in refusals.items()
    }


def _converted(bare: pl.DataFrame, moments: dict[str, pl.DataFrame], spec: Table, zone: str) -> pl.DataFrame:
    """The records in our types; what cannot be converted becomes null."""
    columns: list[pl.Expr | pl.Series] = []
    for ours, delivered in bare.schema.items():
        if ours in moments:
            column = moments[ours]["moment"]
        elif dtype_of(ours) == pl.Date:
            column = timestamps.days(bare[ours], spec, zone)
        else:
            column = _parsed(ours, delivered, spec)
        columns.append(column.alias(ours))
    # one evaluation for all columns: a shop delivers hundreds of small files, and every evaluation costs time
    return bare.with_columns(columns)


def _parsed(ours: str, delivered: pl.DataType, spec: Table) -> pl.Expr:
    dtype, cells = dtype_of(ours), pl.col(ours)
    if dtype.is_numeric():
        if spec.currency_sign and delivered == pl.String and _is_price(ours):
            cells = currency_signs.without(cells, spec.currency_sign)
        return _numbers(cells, delivered, dtype, spec)
    if dtype == pl.Boolean:
        return _booleans(cells)
    return ids.text(cells, delivered, spec.decimal) if ids.is_id(ours) else cells.cast(pl.String)


def _is_price(ours: str) -> bool:
    return ours in ("price", "items.price")


def _booleans(cells: pl.Expr) -> pl.Expr:
    """Convert the words above, in any case, to true and false; other words become null."""
    word = cells.cast(pl.String).str.to_lowercase()
    return pl.when(word.is_in(TRUE)).then(pl.lit(True)).when(word.is_in(FALSE)).then(pl.lit(False))


def _numbers(cells: pl.Expr, delivered: pl.DataType, dtype: pl.DataType, spec: Table) -> pl.Expr:
    """Convert text to numbers; infinity, NaN and fractions in a column of whole numbers become null.

    With a decimal comma, points group thousands.
    """
    if delivered.is_temporal():  # Polars would count days or microseconds
        return pl.lit(None, dtype)
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


def _expected(ours: str, cell: str, spec: Table) -> str:
    dtype = dtype_of(ours)
    if dtype.is_temporal():
        return time_hints.reason(cell, spec.timestamp_format)
    if dtype == pl.Boolean:
        return "is neither true, yes, 1 or in stock, nor false, no, 0 or out of stock: translate it with `values`"
    if _is_price(ours):
        return currency_signs.reason(cell, spec.currency_sign)
    return f"is not {'a whole number' if dtype == pl.Int64 else 'a number' if dtype == pl.Float64 else 'text'}"


def _reasons(
    written: pl.DataFrame,
    bare: pl.DataFrame,
    rows: pl.DataFrame,
    clocks: dict[str, pl.Series],
    refusals: dict[str, Refusals],
    spec: Table,
) -> Reasons:
    """Why records are rejected: the first cell that is not blank and could not be converted."""
    reasons = Reasons([None] * rows.height)
    for ours in reversed(written.columns):
        if rows[ours].null_count() == bare[ours].null_count():
            continue
        failed = (bare[ours].is_not_null() & rows[ours].is_null()).arg_true()
        problems = clocks[ours][failed] if ours in clocks else [None] * failed.len()
        given = refusals.get(ours)
        for place, cell, problem in zip(failed, written[ours][failed].cast(pl.String), problems, strict=True):
            refusal = (given and given[place]) or (ids.refusal(cell) if ids.is_id(ours) else None)
            reasons.add(place, ours, cell, refusal or problem or _expected(ours, cell, spec))
    return reasons
