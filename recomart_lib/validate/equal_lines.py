"""Rows that equal each other: which are the same again, and which are different sales without an id?

Where a row has an id that the shop delivers, an equal row is the same again. The lines of a till's export may have no
id: two equal lines of one file are two sales, because an export is consistent in itself. They are repeats only if
another file has them, too: a line counts as often as in the file in which it occurs most often.
"""

from __future__ import annotations

import polars as pl

REPEAT_OF = "repeat_of"  # of a repeat: the file with the row that it repeats
IS_SALE = "is_sale"  # whether a row equals an earlier row of its file and is kept
OCCURRENCE = "occurrence"


def mark(rows: pl.DataFrame, content: list[str], are_sales: bool) -> pl.DataFrame:
    """Add `repeat_of` (null: not a repeat) and `is_sale`.

    Parameters
    ----------
    rows
        In the order of delivery; all rows with equal `content` are among them.
    content
        The columns in which repeats agree.
    are_sales
        Whether equal rows of one file are different: then the n-th of them repeats only the n-th of an earlier file.
    """
    occurrence = pl.col("source_file").cum_count().over(*content, "source_file") if are_sales else pl.lit(1)
    same = [*content, OCCURRENCE]
    is_repeat = ~pl.struct(same).is_first_distinct()
    original = pl.col("source_file").first().over(same)
    return (
        rows.with_columns(occurrence.alias(OCCURRENCE))
        .with_columns(
            pl.when(is_repeat).then(original).alias(REPEAT_OF), (~is_repeat & (pl.col(OCCURRENCE) > 1)).alias(IS_SALE)
        )
        .drop(OCCURRENCE)
    )
