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
        Whether equal events of one file are different: then the n-th of them repeats only the n-th of an earlier file.
    """
    numbered = rows.with_columns(_occurrence(content) if are_sales else pl.lit(1).alias(OCCURRENCE))
    same = [*content, OCCURRENCE]
    is_repeat = ~pl.struct(same).is_first_distinct()
    original = pl.col("source_file").first().over(same)
    marks = pl.when(is_repeat).then(original).alias(REPEAT_OF), (~is_repeat & (pl.col(OCCURRENCE) > 1)).alias(IS_SALE)
    return numbered.with_columns(marks).drop(OCCURRENCE)


def _occurrence(content: list[str]) -> pl.Expr:
    """The how many-th event of its file with this content an event is.

    Delivered lines have generated ids, one each. Streamed events have ids of their own: the same id is the same event.
    """
    is_another = pl.struct(*content, "source_file", "event_id").is_first_distinct()
    return is_another.cast(pl.Int64).cum_sum().over(*content, "source_file").alias(OCCURRENCE)
