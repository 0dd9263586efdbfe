"""How many rows ended in which place, and how many fail which rule: small tables that can be added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Self

import polars as pl

from recomart_lib.core.shop_tables import Group
from recomart_lib.validate.equal_lines import IS_SALE, REPEAT_OF
from recomart_lib.validate.quality_rules import Rule

PLACES = ("good", "history", "quarantined", "duplicates", "excluded")
LABEL = "exclusion"  # which of the shop file's exclusions applies to a row
COLUMNS = {
    "placements": {"source_file": pl.String, "delivery_day": pl.Date, "place": pl.String, LABEL: pl.String},
    "failed_rules": {"rule": pl.String},
    "failed_dimensions": {"dimension": pl.String},
    "groups": {"group": pl.String, "place": pl.String, "event_type": pl.String},
    "equal_lines": {"source_file": pl.String, REPEAT_OF: pl.String},
}


@dataclass(frozen=True)
class Counts:
    """Row counts of one table, as small tables sorted by all their columns, the last of which is `n`.

    `placements`: source_file, delivery_day, place, exclusion. `failed_rules`: rule (rows that fail it).
    `failed_dimensions`: dimension (rows that fail any of its rules). `groups`: group, place, event_type (rows of the
    groups in the shop file). `equal_lines`: source_file, repeat_of (rows that have no id and equal an earlier row: they
    repeat one of another or the same file, or, if null, are taken for different sales).
    """

    placements: pl.DataFrame
    failed_rules: pl.DataFrame
    failed_dimensions: pl.DataFrame
    groups: pl.DataFrame
    equal_lines: pl.DataFrame

    @classmethod
    def of(cls, rows: pl.DataFrame, groups: Mapping[str, Group]) -> Self:
        """Count rows by their `place`; of the other columns, those that are absent count as null."""
        columns = {**COLUMNS["placements"], **COLUMNS["groups"]}
        needed = {*columns, *(group.column for group in groups.values())}
        rows = rows.select(name for name in rows.columns if name in needed)  # the other columns are heavy
        absent = [pl.lit(None, dtype).alias(name) for name, dtype in columns.items() if name not in rows.columns]
        rows = rows.with_columns(absent)
        members = [
            rows.filter(pl.col(group.column).str.starts_with(group.starts_with)).with_columns(group=pl.lit(name))
            for name, group in groups.items()
        ]
        return cls(**_counted({"placements": rows, "groups": pl.concat([rows.clear(), *members])}))

    @classmethod
    def of_failures(cls, failures: pl.DataFrame, rules: list[Rule]) -> Self:
        """Count failures: one row per row and rule that it fails, row_id and rule."""
        dimension_of = pl.DataFrame(
            {"rule": [rule.name for rule in rules], "dimension": [rule.dimension for rule in rules]},
            schema=COLUMNS["failed_rules"] | COLUMNS["failed_dimensions"],
        )
        by_dimension = failures.join(dimension_of, on="rule").unique(["row_id", "dimension"])
        return cls(**_counted({"failed_rules": failures, "failed_dimensions": by_dimension}))

    @classmethod
    def of_equal_lines(cls, rows: pl.DataFrame) -> Self:
        """Count the rows that `equal_lines.mark` marked."""
        return cls(**_counted({"equal_lines": rows.filter(pl.col(REPEAT_OF).is_not_null() | pl.col(IS_SALE))}))

    @classmethod
    def total(cls, parts: Iterable[Self]) -> Self:
        """The sum of at least one part."""
        parts = list(parts)
        tables = {}
        for field in fields(cls):
            by = list(COLUMNS[field.name])
            stacked = pl.concat([getattr(part, field.name) for part in parts])
            tables[field.name] = stacked.group_by(by).agg(pl.col("n").sum()).sort(by)
        return cls(**tables)

    def __getitem__(self, place: str) -> int:
        return self.placements.filter(pl.col("place") == place).get_column("n").sum()


def _counted(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Name -> the rows of its table counted by the table's columns; a table without rows is empty."""
    tables = {name: pl.DataFrame(schema=by) for name, by in COLUMNS.items()} | tables
    return {
        name: tables[name].group_by(list(by)).agg(n=pl.len().cast(pl.Int64)).cast({**by, "n": pl.Int64}).sort(list(by))
        for name, by in COLUMNS.items()
    }
