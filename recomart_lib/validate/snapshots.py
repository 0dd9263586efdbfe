"""Users and items that a shop delivers again and again: a delivery states what holds from then on.

A *statement* is one row about a user or product. It holds from `holds_from` on: from the row's own `valid_from`, if the
shop file maps that column, else from the day of its file (see `ingest.deliveries`). Files of one day are one delivery.
The newest statement counts that holds at the time of the last ingestion; the others are history.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from recomart_lib.core.schemas import ALWAYS, KEYS, TABLES, TIMESTAMP, VALID_FROM
from recomart_lib.ingest.deliveries import day_in_name
from recomart_lib.ingest.lake import DELIVERY, LakeTable

HOLDS_FROM = "holds_from"
STATEMENT = [HOLDS_FROM, DELIVERY]  # two statements about one id that agree in both contradict or repeat each other
NO_STATEMENT = [pl.lit(None, TIMESTAMP).alias(HOLDS_FROM), pl.lit(None, pl.Date).alias(DELIVERY)]


def with_statements(table: str, lake_table: LakeTable, zone: str) -> pl.DataFrame:
    """All rows of users or items in the order of delivery, with `holds_from` (UTC) and `delivery` (the file's day).

    A row without a `valid_from` of its own holds from the day of its file, too; but if the same delivery has rows about
    the same id that do have one, it has held before them, always. So has the only delivery of a table whose files say
    no day: when it was ingested says nothing about it, and must not change a result.
    """
    files = lake_table.files.select("source_file", DELIVERY)
    rows = lake_table.read().join(files, on="source_file", how="left", maintain_order="left")
    file_day = pl.lit(ALWAYS, TIMESTAMP) if _is_one_without_day(files) else _start_of_day(pl.col(DELIVERY), zone)
    if VALID_FROM not in rows.columns:
        return rows.with_columns(file_day.alias(HOLDS_FROM))
    has_dated_rows = pl.col(VALID_FROM).is_not_null().any().over(KEYS[table], DELIVERY)
    default = pl.when(has_dated_rows).then(pl.lit(ALWAYS, TIMESTAMP)).otherwise(file_day)
    return rows.with_columns(pl.coalesce(VALID_FROM, default).alias(HOLDS_FROM))


def _is_one_without_day(files: pl.DataFrame) -> bool:
    return files.get_column(DELIVERY).n_unique() == 1 and not any(day_in_name(*file) for file in files.iter_rows())


def _start_of_day(day: pl.Expr, zone: str) -> pl.Expr:
    """The first moment of a local day (UTC); where the clocks go forward at midnight, that is an hour later."""
    midnight = day.cast(pl.Datetime("us"))
    hours = [midnight, midnight.dt.offset_by("1h")]
    local = [hour.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null") for hour in hours]
    return pl.coalesce(local).dt.convert_time_zone("UTC")


def newest_first(rows: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """The rows with the statement that counts first; rows of one statement keep their order."""
    holds = (pl.col(HOLDS_FROM) <= now).alias("holds")
    return rows.sort(holds, HOLDS_FROM, DELIVERY, descending=True, maintain_order=True)


def is_current(rows: pl.DataFrame, key: str, now: datetime) -> pl.Series:
    """Whether each row is the newest statement about its id that holds at `now` (if none holds yet: the first).

    `rows` have at most one row per id, `holds_from` and `delivery`.
    """
    numbered = rows.select(key, *STATEMENT).with_row_index("row")
    current = _in_order(numbered, key, now).unique(key, keep="last").get_column("row")
    return numbered.get_column("row").is_in(current.implode())


def history(table: str, statements: pl.DataFrame, current: pl.DataFrame, now: datetime) -> pl.DataFrame:
    """One row per id and statement that differs from the one before it, sorted by both.

    Parameters
    ----------
    statements
        The rows about users or items that pass the checks, with `holds_from` and `delivery`.
    current
        The validated table, whose ids all get at least one row: those without a statement have `ALWAYS` been so.
    now
        Statements that hold only from a later moment are left out, except for an id that has no other.

    Returns
    -------
    DataFrame
        The table's columns and `valid_from` (UTC); what can be bought now (`STATE`) has no history.
    """
    key, columns = KEYS[table], list(TABLES[table])
    stated = _in_order(statements, key, now).select(*columns, pl.col(HOLDS_FROM).alias(VALID_FROM))
    others = current.join(stated, on=key, how="anti")
    rows = pl.concat([stated, others.select(*columns, pl.lit(ALWAYS, TIMESTAMP).alias(VALID_FROM))])
    return changes(rows.sort(key, VALID_FROM), key)


def _in_order(statements: pl.DataFrame, key: str, now: datetime) -> pl.DataFrame:
    """The statements by id and time that hold at `now`, or are the first about their id.

    Of statements that hold from the same moment, that of the newest delivery counts: it corrects the others.
    """
    ordered = statements.sort(key, *STATEMENT).unique([key, HOLDS_FROM], keep="last", maintain_order=True)
    return ordered.filter((pl.col(HOLDS_FROM) <= now) | pl.col(key).is_first_distinct())


def changes(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """The rows that differ from the row before them, if that is about the same id; sorted rows of a history."""
    compared = [name for name in rows.columns if name != VALID_FROM]
    differs = [pl.col(name).ne_missing(pl.col(name).shift()) for name in compared]
    return rows.filter(pl.any_horizontal(differs) | pl.col(key).is_first_distinct())
