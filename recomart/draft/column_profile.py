"""What the cells of a delivered column look like, whatever its name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from recomart.draft import number_shapes, personal_data, time_shapes, vocabulary
from recomart.draft.number_shapes import Numbers
from recomart.draft.sample import Sample
from recomart.draft.time_shapes import Times
from recomart_lib.ingest.sources import ages

# Words for a missing value in columns of text; among numbers and times, all of `synonyms.yaml: nulls` and any other.
NULL_WORDS = {"k.a.", "k. a.", "keine angabe", "null", "(null)", "\\n", "n/a", "#n/a", "nan", "nil", "-", "--", "?"}
NULL_WORDS |= {"(not set)", "n.v.t.", "n.d.", "s/d", "sin datos", "b/d", "<na>", "brak danych", "non renseigne", "."}
NO_TIMES = {
    "0000-00-00",
    "0000-00-00 00:00:00",
    "0001-01-01",
    "0001-01-01 00:00:00",
    "9999-12-31",
    "00.00.0000",
    "1900-01-01",
}
FLAGS = {"0", "1", "0.0", "1.0", "true", "false", "True", "False"}
MAX_FLAG_WORDS = 2
MIN_NULLS = 0.002  # of the cells of a column of text that a word for a missing value has
VISITOR = r"^\d{4,12}\.\d{6,12}$"  # two numbers of an id, such as that of a cookie: 1026454.4271112504
MIN_VISITORS = 0.95  # of the words that have this form
CODE = r"^[\w.:/@+#&=\"$-]{1,64}$"  # text without blanks
OUTLIERS = 0.015  # the share of cells at each end that may be mistakes
MAX_AGES = 60  # distinct words that are read as bands of ages


@dataclass
class Column:
    """A delivered column of a sample.

    `cells`: text without blanks around it, null where it says nothing; `words`: the distinct ones, the most frequent
    first, with their `counts`. `numbers` and `times` are None for other text. `null_words` mean a missing value.
    """

    name: str
    place: int
    cells: pl.Series
    words: pl.Series
    counts: pl.Series
    null_words: list[str]
    numbers: Numbers | None
    times: Times | None
    personal: str | None
    dtype: pl.DataType

    @property
    def n(self) -> int:
        return self.cells.len()

    @cached_property
    def n_filled(self) -> int:
        return self.n - self.cells.null_count()

    @property
    def filled(self) -> float:
        """The share of cells that are not empty."""
        return self.n_filled / self.n if self.n else 0.0

    @property
    def n_distinct(self) -> int:
        return self.words.len()

    @property
    def ratio(self) -> float:
        """Distinct words per cell: 1 if all are different."""
        return self.n_distinct / self.n_filled if self.n_filled else 0.0

    @property
    def is_unique(self) -> bool:
        return self.n_filled > 0 and self.n_distinct == self.n_filled

    @property
    def is_constant(self) -> bool:
        return self.n_distinct <= 1

    @cached_property
    def is_code(self) -> bool:
        """Whether the cells may be ids: no blanks in them, and no decimals."""
        if not self.n_filled or (self.numbers and not self.numbers.is_integer):
            return False
        return bool(self.words.head(1000).str.contains(CODE).mean() >= 0.97)

    @cached_property
    def is_flag(self) -> bool:
        return 0 < self.n_distinct <= MAX_FLAG_WORDS and set(self.words.to_list()) <= FLAGS

    @cached_property
    def has_blanks(self) -> float:
        """The share of words with blanks in them."""
        return float(self.words.head(1000).str.contains(r"\S\s+\S").mean() or 0.0)

    @cached_property
    def mean_length(self) -> float:
        return float(self.words.head(1000).str.len_chars().mean() or 0.0)

    @cached_property
    def has_letters(self) -> float:
        return float(self.words.head(1000).str.contains(r"\pL").mean() or 0.0)

    @cached_property
    def is_url(self) -> bool:
        return bool(self.n_filled and self.words.head(200).str.contains(r"^(https?://|www\.)").mean() > 0.8)

    @cached_property
    def ages(self) -> float:
        """The share of words that are bands of ages, such as 45-54."""
        words = self.words.head(MAX_AGES)
        return sum(ages.band(word) is not None for word in words) / words.len() if words.len() else 0.0

    @cached_property
    def range(self) -> tuple[float, float]:
        """The smallest and the largest number, without the outliers at both ends."""
        values = self.values.drop_nulls()
        if not values.len():
            return 0.0, 0.0
        return float(values.quantile(OUTLIERS)), float(values.quantile(1 - OUTLIERS))

    @cached_property
    def values(self) -> pl.Series:
        """The number of each cell; null where it is none."""
        if self.numbers is None:
            return pl.repeat(None, self.n, dtype=pl.Float64, eager=True)
        return self.cells.replace_strict(self.words, self.numbers.values, default=None, return_dtype=pl.Float64)

    @property
    def examples(self) -> list[str]:
        """Two different values, masked if they are data of persons."""
        shown = self.words.head(2).to_list()
        if self.numbers and self.range[0] >= 0 > float(self.values.min() or 0.0):
            negative = self.cells.filter(self.values < 0).drop_nulls()
            shown = [*shown[:1], negative[0]]
        return [personal_data.masked(word) if self.personal else word[:40] for word in shown]

    @property
    def cautious_examples(self) -> list[str]:
        """The same for a column that is not mapped: masked as well unless the values say nothing about a person."""
        is_number, is_time = self.numbers is not None, self.times is not None and not self.times.is_number
        if self.personal or personal_data.is_harmless(self.words, self.n_filled, is_time, is_number):
            return self.examples
        return [personal_data.masked(word) for word in self.words.head(2)]


def columns(sample: Sample) -> list[Column]:
    """The columns of a sample."""
    return [of_cells(cells, place, sample.types.get(cells.name, pl.String)) for place, cells in enumerate(sample.rows)]


def of_cells(cells: pl.Series, place: int, dtype: pl.DataType = pl.String) -> Column:
    """The profile of some cells."""
    cells = cells.cast(pl.String).str.strip_chars()
    cells = cells.set(cells == "", None)
    words, counts = _counted(cells)
    null_words = [word for word in words.filter(counts >= MIN_NULLS * cells.len()).head(100) if _is_null(word)]
    null_words = null_words if words.len() > 1 else []
    if null_words:
        words, counts = _without(words, counts, null_words)
    times = time_shapes.read(words, counts) if words.len() else None
    is_number = words.len() > 0 and (times.is_number if times else not _are_visitors(words))
    numbers = number_shapes.read(words, counts) if is_number else None
    if others := (numbers and numbers.other_words) or (times and times.other_words) or []:
        missing = [word for word in others[:10] if _is_missing(word)]
        null_words += missing
        words, counts = _without(words, counts, missing)
        times = time_shapes.read(words, counts) if times else None
        numbers = number_shapes.read(words, counts) if numbers else None
    cells = cells.set(cells.is_in(null_words), None) if null_words else cells
    is_time = times is not None and not times.is_number
    personal = personal_data.kind(cells.name, words, is_time)
    return Column(cells.name, place, cells, words, counts, null_words, numbers, times, personal, dtype)


def _are_visitors(words: pl.Series) -> bool:
    """Whether words that look like decimal numbers are ids: too many digits on both sides of the point."""
    sample = words.head(1000)
    return bool((sample.str.contains(VISITOR) & (sample.str.len_chars() >= 14)).mean() >= MIN_VISITORS)


def _counted(cells: pl.Series) -> tuple[pl.Series, pl.Series]:
    counted = cells.drop_nulls().rename("word").value_counts(name="n").sort(["n", "word"], descending=[True, False])
    return counted.get_column("word"), counted.get_column("n")


def _without(words: pl.Series, counts: pl.Series, null_words: list[str]) -> tuple[pl.Series, pl.Series]:
    kept = ~words.is_in(null_words)
    return words.filter(kept), counts.filter(kept)


def _is_null(word: str) -> bool:
    """Whether a word in a column of text means a missing value; `NA` may be a country, and `none` a category."""
    return word == "None" or vocabulary.plain(word) in NULL_WORDS


def _is_missing(word: str) -> bool:
    """Whether a word among numbers or times means a missing value."""
    return word in NO_TIMES or vocabulary.plain(word) in _all_null_words()


def _all_null_words() -> set[str]:
    return {vocabulary.plain(word) for word in vocabulary.synonyms()["nulls"]} | NULL_WORDS
