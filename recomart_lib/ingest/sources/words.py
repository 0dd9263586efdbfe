"""Delivered cells before they are converted: stripped, translated, and null where they say nothing."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources import ages, ids


def prepare(written: pl.DataFrame, spec: Table) -> pl.DataFrame:
    """Strip text, translate the words in `values`; blank text and the declared null words become null.

    Bands in a column of ages move to the column of age groups.
    """
    cells = _translated(_unprotected(_stripped(written)), spec.values)
    cells = cells.with_columns(_without_nulls(ours, dtype, spec.nulls) for ours, dtype in cells.schema.items())
    for prefix in ("", "users."):
        if f"{prefix}age" in cells.columns:
            cells = ages.split(cells, prefix)
    return cells


def _stripped(written: pl.DataFrame) -> pl.DataFrame:
    return written.with_columns(
        pl.col(name).str.strip_chars() for name, dtype in written.schema.items() if dtype == pl.String
    )


def _unprotected(cells: pl.DataFrame) -> pl.DataFrame:
    """Ids without the formula that keeps a spreadsheet from reading them as numbers: `="00123"` is 00123."""
    names = [ours for ours, dtype in cells.schema.items() if dtype == pl.String and ids.is_id(ours)]
    return cells.with_columns(pl.col(names).str.replace(r'^="(.*)"$', "$1"))


def _translated(cells: pl.DataFrame, values: dict[str, dict[str, str]]) -> pl.DataFrame:
    """The cells with the shop file's translations; a column of numbers with translations becomes text."""
    translated = []
    for ours, translations in values.items():
        dtype, words = cells.schema[ours], pl.col(ours)
        meanings = {word.strip(): meaning for word, meaning in translations.items()}
        if dtype.is_temporal():
            raise UserError(f"values.{ours}: the delivered column holds times, and no words that could be translated.")
        if dtype != pl.String:
            words = words.cast(pl.String).str.replace(r"\.0$", "")
            meanings = {word.removesuffix(".0"): meaning for word, meaning in meanings.items()}
        translated.append(words.replace(meanings))
    return cells.with_columns(translated)


def _without_nulls(ours: str, dtype: pl.DataType, null_words: list[str]) -> pl.Expr:
    cells = pl.col(ours)
    if dtype.is_float() and ids.is_text(ours):
        cells = cells.fill_nan(None)
    if dtype != pl.String:
        return _without_null_values(cells, null_words) if null_words else cells
    nothing = ["", *null_words, *(ids.NO_VALUE if ids.is_id(ours) else [])]
    return pl.when(~cells.is_in(nothing)).then(cells).alias(ours)


def _without_null_values(cells: pl.Expr, null_words: list[str]) -> pl.Expr:
    """Numbers and times without those that the words name: 1900-01-01 also names its midnight, and -1 also -1.0."""
    text = cells.cast(pl.String)
    forms = (text, *(text.str.replace(end, "") for end in (r"\.0+(\+00:00)?$", r" 00:00:00(\.0+)?(\+00:00)?$")))
    return pl.when(~pl.any_horizontal(form.is_in(null_words) for form in forms)).then(cells)
