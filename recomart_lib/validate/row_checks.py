"""Judge what was landed: every row ends in exactly one place, and small tables tell how many and why.

Rows are judged in this order: *excluded* (the shop file says that they are no business of ours), *duplicates* (the same
row again), then *quarantined* (break a rule of severity error) or *good*. Users and items are held in memory. Events
may be many: they are read batch by batch, scattered over buckets by their id (so that all rows of an id meet), judged
bucket by bucket, scattered again by time, and written in order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
from tqdm.auto import tqdm

from recomart_lib.core.parquet import Buckets, Writer, desk
from recomart_lib.core.schemas import KEYS, TABLES, contract
from recomart_lib.core.shops import Shop
from recomart_lib.ingest.lake import PLACE, ROWS_AT_ONCE, VERSION, Landed
from recomart_lib.validate import drift, entities, exclusions, lookups, quality_rules
from recomart_lib.validate.lookups import Facts
from recomart_lib.validate.quality_rules import Rule
from recomart_lib.validate.settings import Validate

NO_FAILURES = pl.DataFrame(schema={"row_id": pl.Int64, "rule": pl.String})
PLACES = ("good", "quarantined", "duplicates", "excluded")
LABEL = "exclusion"  # which of the shop's exclusions set a row aside
LEDGER = {"source_file": pl.String, "drop_day": pl.Date, "place": pl.String, LABEL: pl.String}
BROKEN = {"rule": pl.String}
TOUCHED = {"dimension": pl.String}
GROUPS = {"group": pl.String, "place": pl.String, "event_type": pl.String}


@dataclass(frozen=True)
class Counts:
    """What became of one table's rows, as small tables that end in `n`.

    `ledger`: source_file, drop_day, place, exclusion. `broken`: rule (rows that break it). `touched`: dimension (rows
    that break any of its rules). `groups`: group, place, event_type (rows of the shop file's groups).
    """

    ledger: pl.DataFrame
    broken: pl.DataFrame
    touched: pl.DataFrame
    groups: pl.DataFrame

    def __getitem__(self, place: str) -> int:
        return self.ledger.filter(pl.col("place") == place).get_column("n").sum()


@dataclass(frozen=True)
class Judged:
    """Rows of one table (or of one bucket of events), and their counts."""

    good: pl.DataFrame
    quarantined: pl.DataFrame
    counts: Counts


def judge(
    shop: Shop, landed: dict[str, Landed], params: Validate, now: datetime, validated: Path, quarantine: Path
) -> tuple[dict[str, Counts], drift.Observed]:
    """Judge every delivered table; write the three validated tables, and what is held back.

    `validated` gets users, items and events (.parquet): good rows, and one row per user or item that only good events
    know. Such an id is one of a table that the shop does not deliver (see `derived`), or one whose own row is in
    quarantine: of that row all is used but the cell that the broken rule blames, so that a wrong price does not cost a
    product its name, nor its customers their events. `quarantine` gets a table of rows with their reasons and where
    they came from, for each delivered table, and rejected.parquet: lines that could not be read.

    What lies after `now` lies in the future. It is the last landing, not the clock's time: the same lake is judged
    alike on any day.

    Returns
    -------
    tuple
        Table -> its counts; and what `drift` wants to know of the events.
    """
    for folder in (validated, quarantine):
        folder.mkdir(parents=True, exist_ok=True)
    people = {table: landed[table].read() for table in ("users", "items") if table in landed}
    facts = lookups.gather(shop, landed["events"], people, now)
    judged = {table: judge_rows(rows, shop, table, facts, params) for table, rows in people.items()}
    with desk(validated.parent) as place:
        counts, observed, told = _judge_events(shop, landed, people, facts, params, place, validated, quarantine)
    for table in ("users", "items"):
        rows = told[table]
        if table in judged:
            rows = entities.completed(table, judged[table].good, judged[table].quarantined, rows)
        contract(table).validate(rows.sort(KEYS[table])).write_parquet(validated / f"{table}.parquet")
    for table, result in judged.items():
        _with_versions(result.quarantined, landed[table]).write_parquet(quarantine / f"{table}.parquet")
    _rejected(landed).write_parquet(quarantine / "rejected.parquet")
    return {**{table: result.counts for table, result in judged.items()}, "events": counts}, observed


def _judge_events(
    shop: Shop,
    landed: dict[str, Landed],
    people: dict[str, pl.DataFrame],
    facts: Facts,
    params: Validate,
    place: Path,
    validated: Path,
    quarantine: Path,
) -> tuple[Counts, drift.Observed, dict[str, pl.DataFrame]]:
    """Three passes over all events: scatter by id; judge, and scatter what is good by time; sort and write."""
    events = landed["events"]
    n_buckets = max(1, math.ceil(events.height / ROWS_AT_ONCE))
    parts, observed = [], []
    with Buckets(place / "by_id") as by_id:
        for batch in _bar(events.batches(), "reading events", n_buckets):
            rows = lookups.with_days(batch, facts)
            observed.append(drift.observe(rows, people.get("items")))
            kept, excluded = _without_excluded(rows, shop, "events")
            parts.append(_counts(excluded, NO_FAILURES, [], shop, "events"))
            by_id.scatter(kept, _identity(shop, "events") % n_buckets)
    limits = _time_limits(facts.hours)
    with Writer(quarantine / "events.parquet") as held, Buckets(place / "by_time") as by_time:
        for bucket in _bar(by_id, "judging events", n_buckets):
            judged = judge_rows(bucket, shop, "events", facts, params)
            parts.append(judged.counts)
            held.add(_with_versions(judged.quarantined, events))
            by_time.scatter(judged.good, limits.search_sorted(judged.good.get_column("timestamp"), side="right"))
    told = _write_events(by_time, validated / "events.parquet")
    return _sum(parts), drift.merge(observed), told


def judge_rows(rows: pl.DataFrame, shop: Shop, table: str, facts: Facts, params: Validate) -> Judged:
    """Judge rows in memory: all of a table, or all events of some ids, in the order in which they were delivered."""
    kept, excluded = _without_excluded(rows, shop, table)
    kept, duplicates = _without_duplicates(kept, shop, table)
    chosen = quality_rules.rules(params, table)
    found = quality_rules.failures(lookups.with_context(kept, table, facts), chosen, params).sort("row_id", "rule")
    errors = [rule.name for rule in chosen if rule.severity == "error"]
    reasons = found.filter(pl.col("rule").is_in(errors)).group_by("row_id").agg(reasons=pl.col("rule").str.join("; "))
    kept = kept.join(reasons, on="row_id", how="left", maintain_order="left")
    good = kept.filter(pl.col("reasons").is_null()).with_columns(place=pl.lit("good"))
    quarantined = kept.filter(pl.col("reasons").is_not_null()).with_columns(place=pl.lit("quarantined"))
    content = _content(rows)
    everything = pl.concat(
        [_only_counted(part, shop, table) for part in (good, quarantined, duplicates, excluded)], how="diagonal"
    )
    return Judged(
        good.select(*content, *PLACE),
        quarantined.select("reasons", *content, *PLACE),
        _counts(everything, found, chosen, shop, table),
    )


def _content(rows: pl.DataFrame) -> list[str]:
    """The delivered columns: those of the table, and those that derived tables need (`users.country`)."""
    known = {column for columns in TABLES.values() for column in columns}
    return [name for name in rows.columns if name in known or "." in name]


def _identity(shop: Shop, table: str) -> pl.Expr:
    """A number that rows of the same id share, and rows of the same content where there is no id."""
    key = KEYS[table]
    content = pl.struct(name for name in TABLES[table] if name != key).hash()
    if key not in shop.table(table).columns:
        return content
    return pl.when(pl.col(key).is_not_null()).then(pl.col(key).hash()).otherwise(content)


def _without_excluded(rows: pl.DataFrame, shop: Shop, table: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(rows to judge, rows that the shop file sets aside, with the first exclusion that holds)."""
    labelled = rows.with_columns(exclusions.exclusion(shop, table).alias(LABEL))
    aside = labelled.filter(pl.col(LABEL).is_not_null()).with_columns(place=pl.lit("excluded"))
    return labelled.filter(pl.col(LABEL).is_null()).drop(LABEL), aside


def _without_duplicates(rows: pl.DataFrame, shop: Shop, table: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(rows numbered by row_id, rows that are delivered again)."""
    content = _content(rows)
    if KEYS[table] not in shop.table(table).columns:
        # an id that we made from file and line says nothing about the row
        content.remove(KEYS[table])
    numbered = rows.with_row_index("row_id").with_columns(pl.col("row_id").cast(pl.Int64))
    # to compare whole rows is dear: only those of one identity can be equal
    alike = numbered.filter(_identity(shop, table).is_duplicated())
    again = alike.join(
        alike.unique(content, keep="first").select("row_id"), on="row_id", how="anti", maintain_order="left"
    )
    first = (
        numbered.join(again.select("row_id"), on="row_id", how="anti", maintain_order="left")
        if again.height
        else numbered
    )
    return first, again.with_columns(place=pl.lit("duplicates"))


def _only_counted(rows: pl.DataFrame, shop: Shop, table: str) -> pl.DataFrame:
    """The columns that `_counts` reads: there are as many rows as judged, and the others are heavy."""
    counted = {*LEDGER, *GROUPS, *(group.column for group in shop.table(table).groups.values())}
    return rows.select(name for name in rows.columns if name in counted)


def _counts(rows: pl.DataFrame, found: pl.DataFrame, chosen: list[Rule], shop: Shop, table: str) -> Counts:
    """Count rows (with their `place`), and which rules they break."""
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in (LEDGER | GROUPS).items() if name not in rows.columns]
    rows = rows.with_columns(absent)
    dimension = pl.DataFrame(
        {"rule": [rule.name for rule in chosen], "dimension": [rule.dimension for rule in chosen]},
        schema=BROKEN | TOUCHED,
    )
    touched = found.join(dimension, on="rule").unique(["row_id", "dimension"])
    grouped = [
        rows.filter(pl.col(group.column).str.starts_with(group.starts_with)).with_columns(group=pl.lit(name, pl.String))
        for name, group in shop.table(table).groups.items()
    ]
    return Counts(
        ledger=_tally(rows, LEDGER),
        broken=_tally(found, BROKEN),
        touched=_tally(touched, TOUCHED),
        groups=_tally(pl.concat([rows.clear(), *grouped]), GROUPS),
    )


def _tally(rows: pl.DataFrame, by: dict[str, pl.DataType]) -> pl.DataFrame:
    return rows.group_by(list(by)).agg(n=pl.len().cast(pl.Int64)).cast({**by, "n": pl.Int64})


def _sum(parts: list[Counts]) -> Counts:
    tables = {}
    for name, by in (("ledger", LEDGER), ("broken", BROKEN), ("touched", TOUCHED), ("groups", GROUPS)):
        together = pl.concat([getattr(part, name) for part in parts])
        tables[name] = together.group_by(list(by)).agg(pl.col("n").sum()).sort(list(by))
    return Counts(**tables)


def _time_limits(hours: pl.DataFrame) -> pl.Series:
    """The moments at which time is cut, so that each part holds about `ROWS_AT_ONCE` events."""
    part = (pl.col("n").cum_sum() - pl.col("n")) // ROWS_AT_ONCE
    return hours.filter(part != part.shift(fill_value=0)).get_column("hour")


def _write_events(by_time: Buckets, path: Path) -> dict[str, pl.DataFrame]:
    """Write the good events in the order of time and id; return what they tell of users and items (see `derived`)."""
    told: dict[str, pl.DataFrame] = {}
    with Writer(path) as writer:
        for bucket in by_time:
            ordered = bucket.sort("timestamp", "event_id")
            writer.add(contract("events").validate(ordered.select(list(TABLES["events"]))))
            for table in ("users", "items"):
                now = entities.derive(ordered, table)
                told[table] = entities.first_told([told[table], now], KEYS[table]) if table in told else now
    return told


def _with_versions(rows: pl.DataFrame, landed: Landed) -> pl.DataFrame:
    """Add the version of the file that each row came from: a repair belongs to it."""
    versions = landed.files.select("source_file", VERSION)
    return rows.join(versions, on="source_file", how="left", maintain_order="left")


def _rejected(landed: dict[str, Landed]) -> pl.DataFrame:
    """One row per line that could not be read: table, source_file, source_line, raw, reason, source_version."""
    parts = [
        _with_versions(table.unreadable.select(pl.lit(name).alias("table"), pl.all()), table)
        for name, table in landed.items()
    ]
    return pl.concat(parts)


def _bar(batches: Iterable[pl.DataFrame], what: str, n: int) -> Iterator[pl.DataFrame]:
    yield from tqdm(batches, desc=what, total=n, unit="batch", disable=None)
