"""Ids that do not look like the others of the catalogue: postage, fees and manual entries among the products."""

from __future__ import annotations

import polars as pl

USUAL = 0.02  # a form that at least this share of the products has is usual
MOST = 0.98  # of the products must have a usual form, else the catalogue has none


def form(ids: pl.Expr) -> pl.Expr:
    """The form of ids: digits in a row are one 9, letters in a row one A. `85123A` is `9A`, `BANK CHARGES` is `A A`."""
    return ids.cast(pl.String).str.replace_all(r"\p{N}+", "9").str.replace_all(r"\p{L}+", "A")


def odd(items: pl.DataFrame) -> pl.DataFrame:
    """The products whose ids have not the usual form; none where almost every id has a form of its own.

    Parameters
    ----------
    items
        One row per product: item_id, and other columns.
    """
    forms = items.with_columns(form=form(pl.col("item_id")))
    unusual = forms.filter(pl.len().over("form") < USUAL * forms.height).drop("form")
    return unusual if unusual.height <= (1 - MOST) * forms.height else unusual.clear()
