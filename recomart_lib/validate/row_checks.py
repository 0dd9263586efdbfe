"""Check ingested rows: every row ends in exactly one place, and small tables count how many and why.

Rows go one way through the steps of `Checker`::

    batch -> exclude -> deduplicate -> lookups -> rules -> placement

They end as *excluded* (the shop file leaves them out), *duplicates* (the same row again), *quarantined* (fails a rule
of severity error), *history* (another row about the same user or item is newer, see `snapshots`) or *good*. Users and
items fit in memory and take all steps together. Events may not fit: they are read batch by batch and bucketed by id,
so that all rows of an id meet; the buckets are checked one by one; good rows are bucketed again by time and written in
order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import polars as pl
from tqdm.auto import tqdm

from recomart_lib.core import parquet
from recomart_lib.core.parquet import Buckets, Writer
from recomart_lib.core.schemas import KEYS, STATE, TABLES, VALID_FROM, contract, state_columns
from recomart_lib.core.scratch import scratch_folder
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.lake import BATCH_ROWS, PLACE, VERSION, LakeTable
from recomart_lib.validate import drift, entities, equal_lines, quality_rules, snapshots
from recomart_lib.validate.exclusions import exclusion
from recomart_lib.validate.lookups import Lookups
from recomart_lib.validate.quality_rules import Rule
from recomart_lib.validate.row_counts import LABEL, Counts
from recomart_lib.validate.settings import Validate


class CheckedRows(NamedTuple):
    """Rows of one table, or of one bucket of events, and their counts; `history`: the older good rows about an id."""

    good: pl.DataFrame
    quarantined: pl.DataFrame
    counts: Counts
    history: pl.DataFrame


class CheckedEvents(NamedTuple):
    """What remains in memory of all events: counts, statistics for `drift`, and the users and items in good events."""

    counts: Counts
    statistics: drift.DailyStatistics
    derived: dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Checker:
    """The checks of one table. Each step gets rows in the order in which they were delivered, and keeps that order."""

    shop: Shop
    table: str
    settings: Validate
    lookups: Lookups

    @cached_property
    def rules(self) -> list[Rule]:
        return quality_rules.rules(self.settings, self.table)

    def check(self, rows: pl.DataFrame) -> CheckedRows:
        """All steps, for a table in memory."""
        included, excluded = self.exclude(rows)
        checked = self.check_included(included)
        return checked._replace(counts=Counts.total([self.count(excluded), checked.counts]))

    def exclude(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(rows to check, excluded rows with the first exclusion that applies)."""
        labelled = rows.with_columns(exclusion(self.shop, self.table).alias(LABEL))
        excluded = labelled.filter(pl.col(LABEL).is_not_null()).with_columns(place=pl.lit("excluded"))
        return labelled.filter(pl.col(LABEL).is_null()).drop(LABEL), excluded

    def check_included(self, rows: pl.DataFrame) -> CheckedRows:
        """The steps after `exclude`, for rows that include all rows of each of their ids."""
        unique, duplicates, equal = self.deduplicate(rows)
        failures = self.apply_rules(self.lookups.join(unique, self.table))
        good, quarantined = self.place(unique, failures)
        counts = [self.count(part) for part in (good, quarantined, duplicates)]
        columns = [*_content(rows), *PLACE, *_statement(rows)]
        return CheckedRows(
            good.filter(pl.col("place") == "good").select(columns),
            quarantined.select("reasons", *columns),
            Counts.total([*counts, equal, Counts.of_failures(failures, self.rules)]),
            good.filter(pl.col("place") == "history").select(columns),
        )

    def deduplicate(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, Counts]:
        """(rows numbered by row_id, duplicates of earlier rows, counts of equal rows that have no id)."""
        content = [*_content(rows), *_statement(rows)]
        if not self._delivers_key:
            # an id that was generated from file and line says nothing about the row
            content.remove(KEYS[self.table])
        numbered = rows.with_row_index("row_id").with_columns(pl.col("row_id").cast(pl.Int64))
        # comparing whole rows is expensive, and only rows of the same identity can be equal
        candidates = numbered.filter(self.identity().is_duplicated())
        are_sales = not self._delivers_key and self.shop.table(self.table).equal_lines != "repeats"
        marked = equal_lines.mark(candidates, content, are_sales)
        duplicates = marked.filter(pl.col(equal_lines.REPEAT_OF).is_not_null())
        if duplicates.height:
            numbered = numbered.join(duplicates.select("row_id"), on="row_id", how="anti", maintain_order="left")
        counts = Counts.of_equal_lines(marked.clear() if self._delivers_key else marked)
        return numbered, duplicates.with_columns(place=pl.lit("duplicates")), counts

    def apply_rules(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row per row and rule that it fails: row_id, rule. `rows` have the columns of `Lookups.join`."""
        return quality_rules.failures(rows, self.rules, self.settings).sort("row_id", "rule")

    def place(self, rows: pl.DataFrame, failures: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(good rows, quarantined rows): rows with their place and reasons, the errors among the failed rules."""
        errors = [rule.name for rule in self.rules if rule.severity == "error"]
        failed_errors = failures.filter(pl.col("rule").is_in(errors))
        reasons = failed_errors.group_by("row_id").agg(reasons=pl.col("rule").str.join("; "))
        rows = rows.join(reasons, on="row_id", how="left", maintain_order="left")
        good = rows.filter(pl.col("reasons").is_null()).with_columns(place=pl.lit("good"))
        if _statement(good):
            is_current = snapshots.is_current(good, KEYS[self.table], self.lookups.now)
            good = good.with_columns(place=pl.when(is_current).then("place").otherwise(pl.lit("history")))
        return good, rows.filter(pl.col("reasons").is_not_null()).with_columns(place=pl.lit("quarantined"))

    def count(self, rows: pl.DataFrame) -> Counts:
        """Count rows that have a place."""
        return Counts.of(rows, self.shop.table(self.table).groups)

    def identity(self) -> pl.Expr:
        """A number that rows of the same id share, and rows of the same content where there is no id."""
        key = KEYS[self.table]
        content = pl.struct(name for name in TABLES[self.table] if name != key).hash()
        if not self._delivers_key:
            return content
        return pl.when(pl.col(key).is_not_null()).then(pl.col(key).hash()).otherwise(content)

    @property
    def _delivers_key(self) -> bool:
        return KEYS[self.table] in self.shop.table(self.table).columns


def check_tables(
    shop: Shop, lake_tables: dict[str, LakeTable], settings: Validate, now: datetime, validated: Path, quarantine: Path
) -> tuple[dict[str, Counts], drift.DailyStatistics]:
    """Check every delivered table; write the three validated tables and the quarantine.

    `validated` gets users, items and events (.parquet): good rows, and one row per user or item that only good events
    have. Such an id belongs to a table that the shop does not deliver (see `entities`), or its own row is in
    quarantine: of that row everything is used except the cell that the failed rule blames, so that a wrong price costs
    neither a product its name nor its customers their events. `quarantine` gets, for each delivered table, the rows
    with their reasons and where they came from, and rejected.parquet: lines that could not be read.

    A time after `now` is in the future. `now` is the time of the last ingestion, not the current time: the same lake
    gives the same result on any day.

    Returns
    -------
    tuple
        Table -> its counts; and the statistics of all events for `drift.detect`.
    """
    for folder in (validated, quarantine):
        folder.mkdir(parents=True, exist_ok=True)
    delivered = [table for table in ("users", "items") if table in lake_tables]
    entity_rows = {table: snapshots.with_statements(table, lake_tables[table], shop.time_zone) for table in delivered}
    newest_first = {table: snapshots.newest_first(rows, now) for table, rows in entity_rows.items()}
    lookups = Lookups.of(shop, lake_tables["events"], newest_first, now)
    checkers = {table: Checker(shop, table, settings, lookups) for table in lake_tables}
    checked = {table: checkers[table].check(rows) for table, rows in entity_rows.items()}
    with scratch_folder(validated.parent) as workspace:
        items = newest_first.get("items")
        events = check_events(checkers["events"], lake_tables["events"], items, workspace, validated, quarantine)
    for table, derived in events.derived.items():
        _write_entities(table, checked.get(table), derived, now, validated)
    for table, result in checked.items():
        quarantined = result.quarantined.drop(snapshots.STATEMENT)
        parquet.write(_with_versions(quarantined, lake_tables[table]), quarantine / f"{table}.parquet")
    parquet.write(_rejected(lake_tables), quarantine / "rejected.parquet")
    return {**{table: result.counts for table, result in checked.items()}, "events": events.counts}, events.statistics


def _write_entities(
    table: str, checked: CheckedRows | None, derived: pl.DataFrame, now: datetime, validated: Path
) -> None:
    """Write the validated users or items, and their history; `checked` is None for a table that is not delivered."""
    rows, statements = derived, derived.clear().with_columns(*snapshots.NO_STATEMENT)
    if checked:
        statements = pl.concat([checked.history, checked.good])
        quarantined = snapshots.newest_first(checked.quarantined, now)
        rows = entities.complete(table, checked.good, quarantined, derived)
    current = contract(table, state_columns(rows.columns)).validate(rows.sort(KEYS[table]))
    parquet.write(current, validated / f"{table}.parquet")
    parquet.write(snapshots.history(table, statements, current, now), validated / f"{table}_history.parquet")


def check_events(
    checker: Checker, events: LakeTable, items: pl.DataFrame | None, workspace: Path, validated: Path, quarantine: Path
) -> CheckedEvents:
    """Three passes over all events: bucket by id; check, and bucket good rows by time; sort and write."""
    n_buckets = max(1, math.ceil(events.height / BATCH_ROWS))
    counts, statistics = [], []
    with Buckets(workspace / "by_id") as by_id:
        for batch in _progress(events.batches(), "reading events", n_buckets):
            rows = checker.lookups.add_days(batch)
            statistics.append(drift.collect(rows, items))
            included, excluded = checker.exclude(rows)
            counts.append(checker.count(excluded))
            by_id.scatter(included, checker.identity() % n_buckets)
    bounds = _time_bounds(checker.lookups.hours)
    with Writer(quarantine / "events.parquet") as writer, Buckets(workspace / "by_time") as by_time:
        for bucket in _progress(by_id, "checking events", n_buckets):
            checked = checker.check_included(bucket)
            counts.append(checked.counts)
            writer.add(_with_versions(checked.quarantined, events))
            by_time.scatter(checked.good, bounds.search_sorted(checked.good.get_column("timestamp"), side="right"))
    derived = _write_events(by_time, validated / "events.parquet")
    return CheckedEvents(Counts.total(counts), drift.merge(statistics), derived)


def _content(rows: pl.DataFrame) -> list[str]:
    """The delivered columns: the table's, `valid_from`, `STATE`, and those of derived tables (`users.country`)."""
    columns = {VALID_FROM, *STATE, *(column for table in TABLES.values() for column in table)}
    return [name for name in rows.columns if name in columns or "." in name]


def _statement(rows: pl.DataFrame) -> list[str]:
    """The columns that say when a row about a user or item holds; events have none."""
    return [name for name in snapshots.STATEMENT if name in rows.columns]


def _time_bounds(hours: pl.DataFrame) -> pl.Series:
    """The moments that divide time into parts of about `BATCH_ROWS` events."""
    part = (pl.col("n").cum_sum() - pl.col("n")) // BATCH_ROWS
    return hours.filter(part != part.shift(fill_value=0)).get_column("hour")


def _write_events(by_time: Buckets, path: Path) -> dict[str, pl.DataFrame]:
    """Write the good events in the order of time and id; return the users and items in them (see `entities.derive`)."""
    derived: dict[str, pl.DataFrame] = {}
    with Writer(path) as writer:
        for bucket in by_time:
            events = bucket.sort("timestamp", "event_id")
            writer.add(contract("events").validate(events.select(list(TABLES["events"]))))
            for table in ("users", "items"):
                rows = entities.derive(events, table)
                derived[table] = (
                    entities.first_values([derived[table], rows], KEYS[table]) if table in derived else rows
                )
    return derived


def _with_versions(rows: pl.DataFrame, lake_table: LakeTable) -> pl.DataFrame:
    """Add the version of the file that each row came from: a repair belongs to that version."""
    versions = lake_table.files.select("source_file", VERSION)
    return rows.join(versions, on="source_file", how="left", maintain_order="left")


def _rejected(lake_tables: dict[str, LakeTable]) -> pl.DataFrame:
    """One row per line that could not be read: table, source_file, source_line, raw, reason, source_version."""
    parts = [
        _with_versions(table.unreadable.select(pl.lit(name).alias("table"), pl.all()), table)
        for name, table in lake_tables.items()
    ]
    return pl.concat(parts)


def _progress(batches: Iterable[pl.DataFrame], description: str, n: int) -> Iterator[pl.DataFrame]:
    yield from tqdm(batches, desc=description, total=n, unit="batch", disable=None)
