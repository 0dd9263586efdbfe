"""A group of files with a sample of its rows and the profiles of its columns: what mapping decides about."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import polars as pl

from recomart.draft import column_profile, sample, vocabulary
from recomart.draft.column_profile import Column
from recomart.draft.groups import FileGroup
from recomart.draft.sample import Sample

MAX_COLUMNS = 120  # that are looked at: those with usual names first
MAX_NAMES = 2_000
MIN_KEY = 0.5  # of the rows that have a key: some lines of a catalogue may say more about the line above
DEGREES = r"^-?\d{1,3}\.\d{4,}$"
MIN_UNIQUE = 0.97  # distinct ids per different row of a key: a few rows may be delivered twice


class Join(NamedTuple):
    """Further files whose columns the rows get: those whose `key` has the id in the column `on` of the rows.

    `names`: the columns that they get -> their names in these files. `contained`: the share of rows whose id is there.
    """

    name: str
    on: str
    key: str
    other: Delivery
    names: dict[str, str]
    contained: float

    @property
    def in_shop_file(self) -> dict[str, str]:
        """The columns that the rows get -> the names that a shop file gives them."""
        return {ours: f"{self.name}.{theirs}" for ours, theirs in self.names.items()}


@dataclass
class Delivery:
    """A group of files, a sample of its rows, and what its columns look like; `joins` are where some of them are."""

    group: FileGroup
    sample: Sample
    columns: list[Column]
    joins: list[Join] = field(default_factory=list)
    _shares: dict[tuple[str, str], float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return " with ".join([self.group.label, *(join.other.label for join in self.joins)])

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @cached_property
    def keys(self) -> list[Column]:
        """The columns that may identify a row: unique in each file, or with the day from which a row holds."""
        return [column for column in self.columns if column.is_code and not column.is_flag and self._is_key(column)]

    def _is_key(self, column: Column) -> bool:
        if column.filled < MIN_KEY or (column.times and not column.times.is_number):
            return False
        if column.n_distinct >= MIN_UNIQUE * min(column.n_filled, self.n_different):
            return True
        if len(self.group.files) < 2 or column.n_distinct < 3:
            return False
        pairs = pl.DataFrame({"file": self.sample.file, "cell": column.cells}).drop_nulls()
        return pairs.n_unique() >= MIN_UNIQUE * pairs.height

    @cached_property
    def coordinates(self) -> set[str]:
        """The names of columns that are latitudes and longitudes of places: neighbours, both with many decimals."""
        pairs = zip(self.columns, self.columns[1:], strict=False)
        return {column.name for pair in pairs if _are_coordinates(*pair) for column in pair}

    @cached_property
    def n_different(self) -> int:
        """The number of rows that do not equal another."""
        return self.sample.rows.n_unique()

    def forget_shares(self) -> None:
        """Forget what columns determine, as they get other names."""
        self._shares.clear()

    def determines(self, one: Column, other: Column) -> float:
        """The share of rows whose value of `other` is the usual one for their value of `one`, among values that repeat.

        It is 1 where each value of `one` has one value of `other`, and 0 if no value of `one` repeats.
        """
        key = (one.name, other.name)
        if key not in self._shares:
            self._shares[key] = _determines(one.cells, other.cells)
        return self._shares[key]


def _are_coordinates(one: Column, other: Column) -> bool:
    """Whether two columns are degrees: places of one shop or city are near each other, and prices are not."""
    if not all(
        c.numbers and not c.numbers.is_integer and c.words.head(500).str.contains(DEGREES).mean() > 0.6
        for c in (one, other)
    ):
        return False
    ends = [max(abs(end) for end in column.range) for column in (one, other)]
    if min(ends) > 90 or max(ends) > 180:
        return False
    return all(c.range[0] < 0 or c.range[1] - c.range[0] < 0.1 * abs(c.range[1]) for c in (one, other))


def _determines(one: pl.Series, other: pl.Series) -> float:
    frame = pl.DataFrame({"one": one, "other": other}).drop_nulls()
    pairs = frame.group_by("one", "other").agg(pl.len().alias("n"))
    usual = pairs.group_by("one").agg(pl.col("n").max(), pl.col("n").sum().alias("total")).filter(pl.col("total") > 1)
    total = usual.get_column("total").sum()
    return usual.get_column("n").sum() / total if total else 0.0


def of_group(group: FileGroup) -> Delivery:
    """The delivery of a group of files."""
    rows = sample.of_files(group.files, group.layout)
    if rows.rows.width > MAX_COLUMNS:
        usual = [name for name in rows.rows.columns[:MAX_NAMES] if vocabulary.is_usual(name)]
        rows.rows = rows.rows.select(list(dict.fromkeys([*usual, *rows.rows.columns]))[:MAX_COLUMNS])
    return Delivery(group, rows, column_profile.columns(rows) if rows.rows.height else [])
