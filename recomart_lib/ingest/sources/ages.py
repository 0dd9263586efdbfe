"""Ages delivered as bands, such as `45-54` or `65+`: a band is an age group, and no age."""

from __future__ import annotations

import re

import polars as pl

OLDEST = 150  # years; numbers beyond are no ages
NUMBER = r"(\d{1,3})"
BETWEEN = re.compile(rf"{NUMBER}(?:-|to){NUMBER}")
FROM = re.compile(rf"{NUMBER}(?:\+|plus|and(?:over|above|older|up)|or(?:over|above|older|more))|(?:>=|≥|from){NUMBER}")
ABOVE = re.compile(rf"(?:>|over|above|olderthan){NUMBER}")
UNDER = re.compile(rf"(?:<|under|below|youngerthan){NUMBER}")
UP_TO = re.compile(rf"(?:<=|≤|upto){NUMBER}|{NUMBER}(?:andunder|andyounger|orunder|oryounger)")
DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
YEARS = re.compile(r"(?:years?|yrs?|y)(?:old)?$|^ages?d?")


def band(cell: str) -> str | None:
    """The age group that a cell names: `45-54`, `65+` or `under 18`; None if it names none, or is a plain number.

    >>> [band(cell) for cell in ("45 - 54 years", ">=65", "<18", "0-17", "45", "old")]
    ['45-54', '65+', 'under 18', 'under 18', None, None]
    """
    words = YEARS.sub("", re.sub(r"\s", "", cell.lower()).translate(DASHES))
    if match := BETWEEN.fullmatch(words):
        first, last = map(int, match.groups())
        return _named(first, last) if first <= last <= OLDEST else None
    for pattern, shift, name in (FROM, 0, "{}+"), (ABOVE, 0, "over {}"), (UNDER, 0, "under {}"), (UP_TO, 1, "under {}"):
        if match := pattern.fullmatch(words):
            limit = int(next(filter(None, match.groups()))) + shift
            return name.format(limit) if 0 < limit <= OLDEST else None
    return None


def _named(first: int, last: int) -> str:
    """The name of a band of years, both included: the same as that of our own group where it is one."""
    return f"under {last + 1}" if first == 0 else f"{first}-{last}"


def split(cells: pl.DataFrame, prefix: str) -> pl.DataFrame:
    """Move the bands in the column `<prefix>age` to `<prefix>age_group`, whose own delivered value counts first."""
    age, group = f"{prefix}age", f"{prefix}age_group"
    none = pl.repeat(None, cells.height, dtype=pl.String, eager=True)
    own = cells.get_column(group).cast(pl.String) if group in cells.columns else none
    own = own.replace(_bands(own))
    if cells.schema[age] != pl.String:
        return cells.with_columns(own.alias(group))
    ages = cells.get_column(age)
    bands = _bands(ages)
    named = ages.replace_strict(bands, default=None, return_dtype=pl.String) if bands else none
    frame = pl.DataFrame({"age": ages, "own": own, "band": named})
    return cells.with_columns(
        frame.select(pl.when(pl.col("band").is_null()).then("age").alias(age)).to_series(),
        frame.select(pl.coalesce("own", "band").alias(group)).to_series(),
    )


def _bands(cells: pl.Series) -> dict[str, str]:
    """Cell -> the age group that it names, for the cells that name one."""
    named = {cell: band(cell) for cell in cells.unique().drop_nulls()}
    return {cell: group for cell, group in named.items() if group}
