"""Prices that are delivered as the total of a line: the price of one unit is the total by the quantity."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

DIGITS = 6  # after the point: 5.97 / 3 is 1.99, as a floating-point division does not say


def divide(rows: pl.DataFrame, totals: Sequence[str], reject: Callable[[int, str, str, str], None]) -> pl.DataFrame:
    """Replace the columns `totals` by the prices of one unit; a line without a quantity has one unit.

    The lines of a return may have a negative total and a negative quantity: their price is positive. A total for a
    quantity of 0 gives no price: `reject(record, column, total, reason)` is called for it.
    """
    if not totals:
        return rows
    quantity = pl.col("quantity").fill_null(1).cast(pl.Float64)
    divided = []
    for name in totals:
        for place in rows.select((quantity == 0) & pl.col(name).is_not_null()).to_series().arg_true():
            reject(place, name, str(rows[name][place]), "is the total of a line whose quantity is 0: it gives no price")
        price = (pl.col(name) / quantity).round(DIGITS) + 0.0  # no negative zero
        price = pl.when(quantity != 0).then(price).alias(name)
        for place in rows.select(price.is_infinite()).to_series().arg_true():
            reject(place, name, str(rows[name][place]), "is the total of a line whose quantity is almost 0")
        divided.append(price)
    return rows.with_columns(divided)
