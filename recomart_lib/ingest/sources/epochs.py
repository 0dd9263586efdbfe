"""Numbers since 1970 (`epoch_s` and its like) as moments, exactly.

Microseconds count; further digits are cut off, as in every time of the lake.
"""

from __future__ import annotations

import polars as pl

from recomart_lib.core.time_formats import EPOCHS

# a sign, whole units, a fraction
NUMBER = r"^([+-]?)(\d+)(?:[.,](\d*))?$"
FRACTION_DIGITS = {"epoch_s": 6, "epoch_ms": 3, "epoch_us": 0}  # of a unit, down to microseconds
LARGEST = 2**62
EXACT = {pl.Float64: 2.0**53, pl.Float32: 2.0**24}  # from here on, floats skip whole numbers


def moments(cells: pl.Series, time_format: str) -> pl.Series:
    """The moments; null where a cell is no number, is out of range or has lost digits (1.73573E+12)."""
    name = cells.name
    if cells.dtype.is_float():
        micros = _of_floats(pl.col(name), cells.dtype, time_format)
    elif cells.dtype.is_integer():
        micros = _scaled(pl.col(name).cast(pl.Int64, strict=False), time_format)
    else:
        micros = _of_text(pl.col(name).cast(pl.String), time_format)
    return cells.to_frame().select(micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")).to_series()


def _scaled(units: pl.Expr, time_format: str) -> pl.Expr:
    """Whole units in microseconds; an overflow, which would wrap around to a plausible year, is null."""
    if time_format == "epoch_ns":
        return units // 1_000
    per_unit = EPOCHS[time_format] // 1_000
    return pl.when(units.is_between(-LARGEST // per_unit, LARGEST // per_unit)).then(units) * per_unit


def _of_floats(number: pl.Expr, dtype: pl.DataType, time_format: str) -> pl.Expr:
    exact = pl.when(number.abs() < EXACT[dtype.base_type()]).then(number.cast(pl.Float64))
    microseconds = exact * (EPOCHS[time_format] / 1_000)
    return pl.when(microseconds.abs() < LARGEST).then(microseconds.round()).cast(pl.Int64, strict=False)


def _of_text(text: pl.Expr, time_format: str) -> pl.Expr:
    parts = text.str.extract_groups(NUMBER)
    sign, whole, fraction = (parts.struct[number] for number in range(3))
    micros = _scaled(whole.cast(pl.Int64, strict=False), time_format)
    n_digits = FRACTION_DIGITS.get(time_format, 0)
    if n_digits:
        digits = fraction.fill_null("").str.pad_end(n_digits, "0").str.head(n_digits)
        micros = micros + digits.cast(pl.Int64, strict=False)
    return pl.when(sign == "-").then(-micros).otherwise(micros)
