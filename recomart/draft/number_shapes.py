"""How numbers are written: decimal and thousands marks, signs, currencies."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from recomart.draft import price_signs

INTEGER = r"^[+-]?\d+$"
POINT = r"^[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?$"
COMMA = r"^[+-]?\d*,\d+$"
# digits in groups of three: the mark, and the decimal mark that may follow
GROUPED = {
    ".": r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$",
    ",": r"^[+-]?\d{1,3}(,\d{3})+(\.\d+)?$",
    "'": r"^[+-]?\d{1,3}('\d{3})+([.,]\d+)?$",
    "\u2019": r"^[+-]?\d{1,3}(\u2019\d{3})+([.,]\d+)?$",
    " ": r"^[+-]?\d{1,3}( \d{3})+([.,]\d+)?$",
    "\u00a0": r"^[+-]?\d{1,3}(\u00a0\d{3})+([.,]\d+)?$",
    "\u202f": r"^[+-]?\d{1,3}(\u202f\d{3})+([.,]\d+)?$",
}
MIN_SHARE = 0.95  # of the words that are numbers, in a column of numbers
MAX_WORDS = 5  # other words that a column of numbers may have


class Numbers(NamedTuple):
    """How a column writes numbers, and the numbers.

    `decimal` and `thousands` are empty if no cell shows them. `is_ambiguous`: a mark is followed by three digits in all
    cells, so it may separate decimals or thousands. `other_words` are those that are no number. `signs`: the signs of
    currencies and the number of their cells, the most frequent first.
    """

    values: pl.Series
    decimal: str
    thousands: str
    is_integer: bool
    is_ambiguous: bool
    other_words: list[str]
    share: float
    signs: dict[str, int]


def read(words: pl.Series, counts: pl.Series) -> Numbers | None:
    """The numbers in the distinct words of a column; None if they are no numbers."""
    words, signs = price_signs.stripped(words, counts)
    shapes = {"integer": INTEGER, "point": POINT, "comma": COMMA}
    frame = pl.DataFrame({"word": words, "n": counts})
    frame = frame.with_columns(
        *(pl.col("word").str.contains(pattern).alias(name) for name, pattern in shapes.items()),
        *(pl.col("word").str.contains(pattern).alias(f"by {mark}") for mark, pattern in GROUPED.items()),
    )
    readings = [
        _reading(frame, decimal, thousands) for decimal in ".," for thousands in ("", *GROUPED) if decimal != thousands
    ]
    share, n_words, decimal, thousands = max(readings)
    n_other = frame.height - n_words
    if (share < MIN_SHARE and not (share > 0.3 and n_other <= MAX_WORDS)) or share == 0:
        return None
    numbers = _numbers(frame.get_column("word"), decimal, thousands)
    other = frame.filter(numbers.is_null()).sort("n", descending=True).get_column("word").to_list()
    shown = _shown(frame.filter(numbers.is_not_null()), decimal, thousands)
    finite = numbers.drop_nulls()
    # a price may be whole, but is no number of pieces
    is_integer = not signs and bool(finite.len()) and bool((finite == finite.round()).all())
    return Numbers(numbers, shown[0], shown[1], is_integer, shown[2], other, share, signs)


def _reading(frame: pl.DataFrame, decimal: str, thousands: str) -> tuple[float, int, str, str]:
    """(share of cells, number of words, marks) that one way to write numbers reads; the simplest of equal ones wins."""
    reads = pl.col("integer") | pl.col("point" if decimal == "." else "comma")
    if thousands:
        reads |= pl.col(f"by {thousands}") & _ends_with(decimal, thousands)
    n_read, n_words = frame.select(pl.col("n").filter(reads).sum(), reads.sum()).row(0)
    total = frame.get_column("n").sum() or 1
    simplicity = (decimal == ".") * 1e-6 + (not thousands) * 1e-6
    return n_read / total + simplicity, n_words, decimal, thousands


def _ends_with(decimal: str, thousands: str) -> pl.Expr:
    """Whether the decimals of grouped digits follow this mark."""
    other = "," if decimal == "." else "."
    return ~pl.col("word").str.contains(other, literal=True) | pl.lit(other == thousands)


def _numbers(words: pl.Series, decimal: str, thousands: str) -> pl.Series:
    text = words
    if thousands:
        text = text.str.replace_all(thousands, "", literal=True)
    if decimal == ",":
        text = text.str.replace(",", ".", literal=True)
    return text.cast(pl.Float64, strict=False)


def _shown(frame: pl.DataFrame, decimal: str, thousands: str) -> tuple[str, str, bool]:
    """The marks that cells show, and whether one of them may be the other."""
    has_decimal = frame.get_column("point" if decimal == "." else "comma").any()
    grouped = frame.filter(pl.col(f"by {thousands}")) if thousands else frame.clear()
    in_groups = grouped.get_column("word").str.contains(decimal, literal=True).any() if grouped.height else False
    decimals = frame.filter(pl.col("point" if decimal == "." else "comma")).get_column("word")
    three = decimals.len() > 0 and decimals.str.contains(r"^[+-]?[1-9]\d{0,2}[.,]\d{3}$").all()
    only_groups = grouped.height > 0 and not has_decimal and not in_groups and thousands in ".,"
    several = grouped.height > 0 and grouped.get_column("word").str.contains(r"[.,']\d{3}[.,']").any()
    is_ambiguous = bool((three and decimals.len() > 3 and decimal == ",") or (only_groups and not several))
    return (decimal if has_decimal or in_groups else ""), (thousands if grouped.height else ""), is_ambiguous
