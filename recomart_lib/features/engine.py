"""The engines of feature functions: Polars on one machine, or PySpark.

Only this module contains what Narwhals cannot express for both. The events of `PreparedTables` are the same on both: a
lazy table with times as integers, because Spark's times have no zone. The histories of users and products are always
Polars tables: which statement held at a moment is chosen before the engine computes.
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
from recomart_lib.prepare import splits, versions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkFrame
    from pyspark.sql import SparkSession


Engine = Literal["polars", "spark"]
# variables that say where a Spark is configured; without any, it is a local one
CONFIGURED_BY = {"SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT"}
FILES = ("events", "users_history", "items_history")


@dataclass
class PreparedTables:
    """The prepared tables on an engine. Only the leakage audit modifies them, and restores them (see `leakage_audit`).

    events: as 04_prepare writes them, but instead of `timestamp` with `time` (microseconds since 1970, UTC), `weekday`
    (1 = Monday .. 7) and `hour` (0-23), both in the shop's time zone. users, items: the histories (see
    `prepare.versions`) in Polars; users with `signup` (microseconds since 1970, midnight UTC; null: unknown). A
    statement that the shop made after the last event is valid from right after that event on, the live moment: live
    features use the newest statements.
    """

    events: nw.LazyFrame
    users: pl.DataFrame
    items: pl.DataFrame

    def as_of(self, table: Literal["users", "items"], moment: datetime) -> nw.LazyFrame:
        """The users or items as they stood at a moment (see `versions.as_of`), on the engine of the events."""
        history, key = (self.users, "user_id") if table == "users" else (self.items, "item_id")
        return on_same_engine(self, versions.as_of(history, key, moment))


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
    prepared = prepared_tables(*(pl.scan_parquet(path, glob=False) for path in files), zone)
    if engine == "spark":
        prepared.events = _spark_events(session().read.parquet(_no_pattern(files[0])), zone)
    return prepared


def _no_pattern(path: Path) -> str:
    """The path for Spark, which takes brackets, braces and stars for a pattern."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", str(path))


def prepared_tables(
    events: pl.LazyFrame, users: pl.LazyFrame, items: pl.LazyFrame, zone: str = "UTC"
) -> PreparedTables:
    """The tables on Polars. `users` and `items`: histories."""
    last = events.lazy().select(pl.col("timestamp").max()).collect().item()
    local = pl.col("timestamp").dt.convert_time_zone(zone)
    events = (
        events.lazy()
        .with_columns(
            time=pl.col("timestamp").dt.epoch("us"),
            weekday=local.dt.weekday().cast(pl.Int64),
            hour=local.dt.hour().cast(pl.Int64),
        )
        .drop("timestamp")
    )
    users = users.lazy().with_columns(signup=pl.col("signup_date").cast(pl.Datetime("us")).dt.epoch("us"))
    histories = (_until_live(users, "user_id", last), _until_live(items.lazy(), "item_id", last))
    return PreparedTables(nw.from_native(events), *histories)


def _until_live(history: pl.LazyFrame, key: str, last: datetime | None) -> pl.DataFrame:
    """The sorted history; statements later than the last event are valid from the live moment on."""
    statements = history.sort(key, "valid_from").collect()
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


def cached(frame: nw.LazyFrame) -> nw.LazyFrame:
    """The same table, computed once on Polars: otherwise each plan that uses it would compute it again."""
    native: Any = frame.to_native()
    return nw.from_native(native.collect().lazy()) if isinstance(native, pl.LazyFrame) else frame


def on_same_engine(prepared: PreparedTables, table: pl.DataFrame) -> nw.LazyFrame:
    """A Polars table on the engine of the prepared tables."""
    if isinstance(prepared.events.to_native(), pl.LazyFrame):
        return nw.from_native(table.lazy())
    return nw.from_native(session().createDataFrame(table.to_arrow()))


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
