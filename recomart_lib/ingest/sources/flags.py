"""Several delivered columns that are 1 or 0, or true or false, combined into one: the name of the first that is set."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.shop_tables import Table
from recomart_lib.ingest.sources.nested import Delivered
from recomart_lib.ingest.sources.refusals import NO_FLAG

SET, NOT_SET = ["1", "1.0", "1,0", "true"], ["0", "0.0", "0,0", "false", ""]


def combine(delivered: Delivered, spec: Table) -> Delivered:
    """The cells with a column for each entry of `flags`; a record with a flag of another word is refused."""
    cells, refusals = delivered.cells, dict(delivered.refusals)
    for column, names in spec.flags.items():
        words = {name: pl.col(name).cast(pl.String).str.strip_chars() for name in names if name in cells.columns}
        other = [
            pl.when(~_is_in(word, [*SET, *NOT_SET]) & ~word.is_in(spec.nulls)).then(word) for word in words.values()
        ]
        first = [pl.when(_is_in(word, SET)).then(pl.lit(name)) for name, word in words.items()]
        nothing = pl.lit(None, pl.String)
        combined = cells.select(
            pl.coalesce(nothing, *other).alias("other"), pl.coalesce(nothing, *first).alias("first")
        )
        if combined.get_column("other").null_count() < combined.height:
            refusals[column] = [None if word is None else NO_FLAG for word in combined.get_column("other")]
        cells = cells.with_columns(combined.select(pl.coalesce("other", "first")).to_series().alias(column))
    return delivered._replace(cells=cells, refusals=refusals)


def _is_in(word: pl.Expr, words: list[str]) -> pl.Expr:
    return word.str.to_lowercase().is_in(words)
