"""Ids: the text that the shop means, exactly; a cell that is no id is refused with what it looks like.

Whole numbers that a spreadsheet or data frame wrote as decimals (17850.0) become whole (17850). Nothing else is
changed: leading zeros, long numbers and capital letters stay.
"""

from __future__ import annotations

import re

import polars as pl

from recomart_lib.core.schemas import dtype_of
from recomart_lib.ingest.sources.refusals import BOOLEAN, INFINITE, LOST_DIGITS, NESTED_TEXT, SHEET_ERROR, Refusal

COLUMNS = ("user_id", "item_id", "event_id", "order_id")
# what data frames write for a missing value in a column of text
NO_VALUE = ["nan", "NaN", "<NA>", "None"]
EXACT = 2**53  # from here on, a floating-point number may stand for several whole numbers
EXACT_SINGLE = 2**24  # the same for numbers of 32 bits

# 1.23457E+12, 1,23457E+12 and 1.2345678E7, but not the codes 1E5 and 3E-10
SCIENTIFIC = r"[+-]?\d([.,]\d+)?[eE]\+\d+|[+-]?\d[.,]\d+[eE]\d+"
WHOLE = r"^-?\d+[.,]0$"
REFUSED: dict[str, Refusal] = {
    SCIENTIFIC: LOST_DIGITS,
    r"[+-]?[Ii]nf(inity)?": INFINITE,
    r"[Tt]rue|TRUE|[Ff]alse|FALSE": BOOLEAN,
    # as JSON, as Python prints it, and as JavaScript does
    r"\{\s*(['\"].*)?\}|\[\s*(['\"{\[].*|-?\d[\d.,\s-]*)?\]|\[object Object\]": NESTED_TEXT,
    r"#(N/A|REF!|VALUE!|NAME\?|NUM!|NULL!|DIV/0!|#+)": SHEET_ERROR,
}
ANY_REFUSED = "(?s)^(" + "|".join(REFUSED) + ")$"


def is_id(ours: str) -> bool:
    """Whether one of our columns holds ids."""
    return ours in COLUMNS


def is_text(ours: str) -> bool:
    """Whether one of our columns holds text, ids included."""
    return dtype_of(ours) == pl.String


def text(cells: pl.Expr, delivered: pl.DataType, decimal: str) -> pl.Expr:
    """The ids in cells of the type `delivered`; null for a cell that is no id. Missing values are null already."""
    if delivered.is_float():
        return _of_floats(cells, EXACT_SINGLE if delivered == pl.Float32 else EXACT)
    written = cells.cast(pl.String)
    if delivered.is_decimal():
        return written.str.replace(r"\.0+$", "")
    if delivered != pl.String:
        return written
    mark = rf"^-?\d+({re.escape(decimal)}|\.)0$"
    digits = written.str.head(-2)
    whole = pl.when(digits.cast(pl.Int64, strict=False).abs() < EXACT).then(digits)
    return pl.when(written.str.contains(mark)).then(whole).when(~written.str.contains(ANY_REFUSED)).then(written)


def _of_floats(number: pl.Expr, exact: int) -> pl.Expr:
    whole = number.cast(pl.Int64, strict=False).cast(pl.String)
    text = pl.when(number == number.round()).then(whole).otherwise(number.cast(pl.String))
    return pl.when(number.abs() < exact).then(text)


def refusal(cell: str) -> Refusal:
    """Why a cell with this text is no id."""
    kinds = (kind for pattern, kind in REFUSED.items() if re.fullmatch(pattern, cell, re.DOTALL))
    return next(kinds, LOST_DIGITS)  # what is left are whole numbers in the form of a decimal, with too many digits
