"""The engines of feature functions: Polars on one machine, or PySpark.

Only this module contains what Narwhals cannot express for both. The events of `PreparedTables` are the same on both: a
lazy table with times as integers, because Spark's times have no zone. The histories of users and products are always
Polars tables: which statement held at a moment is chosen before the engine computes.

On Polars, the events are in memory, 60 bytes each, and ids are `Enum`: they read, compare and sort like their texts,
but are integers to group and join by. `decoded` turns them into text again.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import narwhals as nw
import polars as pl

from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import EVENT_TYPES, UNKNOWN, enum_of
from recomart_lib.prepare import splits, versions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkFrame
    from pyspark.sql import SparkSession


Engine = Literal["polars", "spark"]
# variables that say where a Spark is configured; without any, it is a local one
CONFIGURED_BY = {"SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT"}
FILES = ("events", "users_history", "items_history")
NUMBER = "key_number"  # see `_number`
WORDS = ("category", "brand")  # the columns of items that users' scores are grouped by


@dataclass
class PreparedTables:
    """The prepared tables on an engine. Only the leakage audit modifies them, and restores them (see `leakage_audit`).

    events: as 04_prepare writes them, but instead of `timestamp` with `time` (microseconds since 1970, UTC), `weekday`
    (1 = Monday .. 7) and `hour` (0-23), both in the shop's time zone. users, items: the histories (see
    `prepare.versions`) in Polars; users with `signup` (microseconds since 1970, midnight UTC; null: unknown). A
    statement that the shop made after the last event is valid from right after that event on, the live moment: live
    features use the newest statements.

    On Polars, user_id, item_id and event_type are `Enum` (categories: all ids, sorted), and order_id and event_id are
    integers that are equal where the ids are; no event_id equals an order_id.
    """

    events: nw.LazyFrame
    users: pl.DataFrame
    items: pl.DataFrame

    def as_of(self, table: Literal["users", "items"], moment: datetime) -> nw.LazyFrame:
        """The users or items as they stood at a moment (see `versions.as_of`), on the engine of the events."""
        history, key = (self.users, "user_id") if table == "users" else (self.items, "item_id")
        held = versions.as_of(history, key, moment)
        if is_polars(self.events):
            held = held.with_columns(coded(held, word, UNKNOWN) for word in WORDS if word in held.columns)
        return on_same_engine(self, held)


def scan(folder: Path, zone: str, engine: Engine = "polars") -> PreparedTables:
    """The tables of a folder with events.parquet, users_history.parquet and items_history.parquet.

    Raises
    ------
    UserError
        If a file is missing, or the engine is spark and PySpark or Java is missing.
    """
    files = [folder / f"{name}.parquet" for name in FILES]
    if missing := [path.name for path in files if not path.exists()]:
        raise UserError(f"{folder} lacks {', '.join(missing)}. Run: dvc repro 04_prepare")
    events, *histories = (pl.scan_parquet(path, glob=False) for path in files)
    if engine == "polars":
        return prepared_tables(events, *histories, zone)
    last = _last(events)
    tables = (_until_live(history, key, last) for history, key in zip(histories, ("user_id", "item_id"), strict=True))
    return PreparedTables(_spark_events(session().read.parquet(_no_pattern(files[0])), zone), *tables)


def _no_pattern(path: Path) -> str:
    """The path for Spark, which takes brackets, braces and stars for a pattern."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", str(path))


def prepared_tables(
    events: pl.LazyFrame, users: pl.LazyFrame, items: pl.LazyFrame, zone: str = "UTC"
) -> PreparedTables:
    """The tables on Polars. `users` and `items`: histories."""
    last = _last(events)
    histories = (_until_live(users, "user_id", last), _until_live(items, "item_id", last))
    ids = {key: _ids(events, history, key) for key, history in zip(("user_id", "item_id"), histories, strict=True)}
    local = pl.col("timestamp").dt.convert_time_zone(zone)
    coded_events = events.select(
        *(pl.col(key).cast(dtype) for key, dtype in ids.items()),
        pl.col("event_type").cast(pl.Enum(EVENT_TYPES)),
        pl.col("order_id").cast(pl.Categorical).to_physical().cast(pl.Int32),
        pl.col("quantity", "price", "rating", "weight"),
        event_id=-1 - pl.int_range(pl.len(), dtype=pl.Int32),
        time=pl.col("timestamp").dt.epoch("us"),
        weekday=local.dt.weekday(),
        hour=local.dt.hour(),
    )
    sorted_events = coded_events.sort("user_id", "item_id").collect()  # so that the rows of a group are together
    people, products = (
        history.with_columns(pl.col(key).cast(dtype))
        for history, (key, dtype) in zip(histories, ids.items(), strict=True)
    )
    return PreparedTables(nw.from_native(sorted_events.lazy()), people, products)


def _last(events: pl.LazyFrame) -> datetime | None:
    return events.select(pl.col("timestamp").max()).collect().item()


def _ids(events: pl.LazyFrame, history: pl.DataFrame, key: str) -> pl.Enum:
    """The type of an id: all that occur, sorted."""
    occurring = events.select(pl.col(key).unique()).collect().get_column(key)
    return enum_of(occurring, history.get_column(key))


def coded(table: pl.DataFrame, column: str, *more: str) -> pl.Series:
    """A column of texts as `Enum` of its texts and `more`, sorted."""
    values = table.get_column(column)
    return values.cast(enum_of(values, pl.Series(more, dtype=pl.String)))


def decoded(table: pl.DataFrame) -> pl.DataFrame:
    """The table with texts for what is `Enum`."""
    return table.with_columns(pl.selectors.enum().cast(pl.String))


def _until_live(history: pl.LazyFrame, key: str, last: datetime | None) -> pl.DataFrame:
    """The sorted history; statements later than the last event are valid from the live moment on.

    Users get `signup` (see `PreparedTables`).
    """
    statements = history.sort(key, "valid_from").collect()
    if key == "user_id":
        statements = statements.with_columns(signup=pl.col("signup_date").cast(pl.Datetime("us")).dt.epoch("us"))
    if last is None:
        return statements
    return statements.with_columns(pl.min_horizontal("valid_from", pl.lit(splits.after(last).start)))


def _spark_events(events: SparkFrame, zone: str) -> nw.LazyFrame:
    from pyspark.sql import functions as f

    local = f.from_utc_timestamp(f.col("timestamp"), zone)  # the session's zone is UTC
    return nw.from_native(
        events.withColumns(
            {
                "time": f.unix_micros("timestamp"),
                "weekday": (f.weekday(local) + 1).cast("long"),
                "hour": f.hour(local).cast("long"),
            }
        ).drop("timestamp")
    )


def collect(frame: nw.LazyFrame) -> pl.DataFrame:
    """The table in memory; the order of its rows is not defined."""
    native: Any = frame.to_native()
    if isinstance(native, pl.LazyFrame):
        return native.collect()
    return pl.DataFrame(native.toArrow())


def is_polars(frame: nw.LazyFrame) -> bool:
    """Whether Polars computes the table."""
    return isinstance(frame.to_native(), pl.LazyFrame)


def cached(frame: nw.LazyFrame, *sorted_by: str) -> nw.LazyFrame:
    """The same table, computed once on Polars: otherwise each plan that uses it would compute it again."""
    native: Any = frame.to_native()
    if not isinstance(native, pl.LazyFrame):
        return frame
    table = native.collect()
    return nw.from_native((table.sort(sorted_by) if sorted_by else table).lazy())


def on_same_engine(prepared: PreparedTables, table: pl.DataFrame) -> nw.LazyFrame:
    """A Polars table on the engine of the prepared tables."""
    if is_polars(prepared.events):
        return nw.from_native(table.lazy())
    return nw.from_native(session().createDataFrame(table.to_arrow()))


def with_ids_of(prepared: PreparedTables, pairs: pl.DataFrame) -> tuple[PreparedTables, pl.DataFrame]:
    """The prepared tables, and pairs (user_id, item_id) that may be unknown to them, with equal types of ids."""
    if not is_polars(prepared.events):
        return prepared, pairs
    schema = prepared.events.to_native().collect_schema()
    ids = {key: enum_of(schema[key].categories, pairs.get_column(key)) for key in pairs.columns}
    user, item = (pl.col(key).cast(ids[key]) for key in ("user_id", "item_id"))
    events = nw.from_native(prepared.events.to_native().with_columns(user, item))
    wider = PreparedTables(events, prepared.users.with_columns(user), prepared.items.with_columns(item))
    return wider, pairs.with_columns(user, item)


def join_on_ids(one: nw.LazyFrame, other: nw.LazyFrame, keys: list[str]) -> nw.LazyFrame:
    """An inner join by two ids. On Polars, they become one number, which is looked up in half the time."""
    tables: Any = one.to_native(), other.to_native()
    if not is_polars(one):
        return one.join(other, on=keys)
    numbered = tables[1].select(_number(keys), pl.exclude(keys))
    return nw.from_native(tables[0].with_columns(_number(keys)).join(numbered, on=NUMBER).drop(NUMBER))


def _number(keys: list[str]) -> pl.Expr:
    """One or two `Enum` ids as one integer, in the order of the ids."""
    places = enumerate(reversed(keys))
    return pl.sum_horizontal(pl.col(key).to_physical().cast(pl.Int64) * 2 ** (32 * n) for n, key in places).alias(
        NUMBER
    )


def with_columns_of(table: pl.DataFrame, features: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """A left join of a table that is sorted by the keys; it keeps the order.

    `Enum` keys become one number, so that sorted tables can be merged: 20 times faster than by hashing two columns.

    Raises
    ------
    ValueError
        If two rows of `features` have the same keys.
    """
    if table.select(keys).equals(features.select(keys)):  # nothing to join, as for most features of pairs
        return table.hstack(features.drop(keys))
    if any(table.schema[key] != pl.Enum for key in keys):
        return table.join(features, on=keys, how="left", maintain_order="left", validate="1:1")
    numbered, added = table.with_columns(_number(keys)), features.select(_number(keys), pl.exclude(keys))
    if not added.get_column(NUMBER).is_sorted():
        added = added.sort(NUMBER)
    if added.get_column(NUMBER).diff().eq(0).any():
        raise ValueError(f"A feature function returned several rows for the same {' and '.join(keys)}.")
    numbered, added = (frame.with_columns(pl.col(NUMBER).set_sorted()) for frame in (numbered, added))
    return numbered.join(added, on=NUMBER, how="left", maintain_order="left").drop(NUMBER)


def check(engine: Engine) -> None:
    """Check that the engine is installed. Raises UserError that says how to install it."""
    if engine == "spark" and find_spec("pyspark") is None:
        raise UserError(
            "params.yaml: base.engine is spark, and PySpark is not installed. Run: "
            "pip install --no-deps --require-hashes -r requirements-spark.lock (half a gigabyte; it needs Java 17), "
            "or set base.engine to polars."
        )


def _stay_on_this_machine() -> None:
    """Let a local Spark listen on 127.0.0.1; by default it listens on the network, without a password.

    A Spark that is configured elsewhere may be a cluster, whose workers have to reach this process: it stays as it is.
    """
    if not CONFIGURED_BY & os.environ.keys():
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")  # the keys spark.driver.host and bindAddress precede it


@lru_cache(maxsize=1)
def session() -> SparkSession:
    """The running Spark session (a cluster's), or a new local one, in UTC and without console output.

    Raises
    ------
    UserError
        If PySpark or Java is missing; the message says how to install it.
    """
    check("spark")
    _stay_on_this_machine()
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("recomart").config("spark.sql.session.timeZone", "UTC")
    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    builder = builder.config(map={**quiet, "spark.sql.shuffle.partitions": "8"})
    try:
        return builder.getOrCreate()
    except PySparkException as problem:
        raise UserError(f"Spark does not start; it needs Java 17 (java -version). Its error: {problem}") from None
