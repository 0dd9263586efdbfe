"""Recommendation lists and relevant pairs in short form, for tests of metrics."""

from __future__ import annotations

import polars as pl


def lists(**shown: str) -> pl.DataFrame:
    """lists(u="abc"): user u is shown a, b, c, in this order."""
    rows = [(user, item, rank) for user, items in shown.items() for rank, item in enumerate(items, 1)]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32}, orient="row")


def pairs(**items: str) -> pl.DataFrame:
    rows = [(user, item) for user, those in items.items() for item in those]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")
