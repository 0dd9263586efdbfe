"""Sentences and the table of 02_validate about drift: which daily deliveries differ from those before them."""

from __future__ import annotations

import polars as pl

from recomart_lib.core.text import not_applicable, plural, safe

# Measure of `drift.detect` -> how people call it.
MEASURES = {
    "volume": "volume",
    "nulls": "missing values",
    "event_type": "mix of event types",
    "category": "mix of categories",
    "price": "prices",
}


def sentence(table: pl.DataFrame, currency: str, shown: int = 3) -> str:
    """Which daily deliveries differ from earlier ones; `table` is that of `drift.detect`, `shown` the named ones."""
    if not table.height:
        return not_applicable("a delivery is compared with earlier ones, of which it needs at least seven.")
    flagged = table.filter("flagged")
    deliveries = plural(table.get_column("day").n_unique(), "compared delivery", "compared deliveries")
    if not flagged.height:
        measures = ", ".join(MEASURES[measure] for measure in table.get_column("measure").unique(maintain_order=True))
        return f"**None of {deliveries} differs significantly from the deliveries before it** ({measures})."
    n_flagged = flagged.get_column("day").n_unique()
    verb, pronoun = ("differs", "it") if n_flagged == 1 else ("differ", "them")
    return (
        f"**{n_flagged:,} of {deliveries} {verb} significantly from the deliveries before {pronoun}**: "
        f"{_measures(flagged)}. The largest difference{'s' * (min(flagged.height, shown) > 1)}: "
        f"{_largest(flagged, currency, shown)}."
    )


def _measures(flagged: pl.DataFrame) -> str:
    """How many days each measure flags, and how many days count more than once in these numbers."""
    by_measure = (
        flagged.group_by("measure", maintain_order=True).len("n").sort("n", descending=True, maintain_order=True)
    )
    counts = ", ".join(f"{n:,} by {MEASURES[measure]}" for measure, n in by_measure.iter_rows())
    n_repeated = flagged.group_by("day").len("n").filter(pl.col("n") > 1).height
    return f"{counts} ({plural(n_repeated, 'day')} by two or more)" if n_repeated else counts


def _largest(flagged: pl.DataFrame, currency: str, n: int) -> str:
    rows = flagged.sort("severity", "day", descending=[True, False]).head(n).iter_rows(named=True)
    return "; ".join(
        f"{row['day']} ({MEASURES[row['measure']]}: {safe(_detail(row['detail'][:80], row['measure'], currency))})"
        for row in rows
    )


def flagged(table: pl.DataFrame, currency: str) -> pl.DataFrame:
    """The flagged deliveries, for display: day, measure, what changed, and the numbers behind it."""
    rows = table.filter("flagged")
    details = [_detail(*row, currency) for row in rows.select("detail", "measure").iter_rows()]
    return rows.select(
        "day",
        pl.col("measure").replace_strict(MEASURES, return_dtype=pl.String),
        pl.Series("what changed", details, pl.String),
        pl.col("severity").alias("severity (threshold 1)"),
        "value",
        "threshold",
        "usual",
    )


def _detail(detail: str, measure: str, currency: str) -> str:
    return f"{detail} {currency}" if measure == "price" else detail
