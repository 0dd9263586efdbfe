"""The engines of feature functions: Polars on one machine, or PySpark.

Only this module contains what Narwhals cannot express for both. `PreparedTables` is the same on both: lazy tables with
times as integers, because Spark's times have no zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import narwhals as nw
import polars as pl

from recomart_lib.core.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame as SparkFrame
    from pyspark.sql import SparkSession


Engine = Literal["polars", "spark"]


@dataclass
class PreparedTables:
    """The prepared tables on an engine. Only the leakage audit modifies them, and restores them (see `leakage_audit`).

    events: as 04_prepare writes them, but instead of `timestamp` with `time` (microseconds since 1970, UTC), `weekday`
    (1 = Monday .. 7) and `hour` (0-23), both in the shop's time zone. users: with `signup` (microseconds since 1970,
    midnight UTC; null: unknown). items: as they are.
    """

    events: nw.LazyFrame
    users: nw.LazyFrame
    items: nw.LazyFrame


def scan(folder: Path, zone: str, engine: Engine = "polars") -> PreparedTables:
    """The tables of a folder with events.parquet, users.parquet and items.parquet.

    Raises
    ------
    UserError
        If a file is missing, or the engine is spark and PySpark or Java is missing.
    """
    files = [folder / f"{name}.parquet" for name in ("events", "users", "items")]
    if missing := [path.name for path in files if not path.exists()]:
        raise UserError(f"{folder} lacks {', '.join(missing)}. Run: dvc repro 04_prepare")
    if engine == "spark":
        read = session().read
        return _spark_tables(*(read.parquet(str(path)) for path in files), zone)
    return prepared_tables(*(pl.scan_parquet(path) for path in files), zone)


def prepared_tables(
    events: pl.LazyFrame, users: pl.LazyFrame, items: pl.LazyFrame, zone: str = "UTC"
) -> PreparedTables:
    """The tables on Polars."""
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
    return PreparedTables(nw.from_native(events), nw.from_native(users), nw.from_native(items.lazy()))


def _spark_tables(events: SparkFrame, users: SparkFrame, items: SparkFrame, zone: str) -> PreparedTables:
    from pyspark.sql import functions as f

    local = f.from_utc_timestamp(f.col("timestamp"), zone)  # the session's zone is UTC
    events = events.withColumns(
        {
            "time": f.unix_micros("timestamp"),
            "weekday": (f.weekday(local) + 1).cast("long"),
            "hour": f.hour(local).cast("long"),
        }
    ).drop("timestamp")
    users = users.withColumn("signup", f.unix_date("signup_date").cast("long") * 86_400_000_000)
    return PreparedTables(*(nw.from_native(table) for table in (events, users, items)))


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
            "params.yaml: base.engine is spark, and PySpark is not installed. Run: pip install -e '.[spark]' "
            "(half a gigabyte; it needs Java 17), or set base.engine to polars."
        )


@lru_cache(maxsize=1)
def session() -> SparkSession:
    """The running Spark session (a cluster's), or a new local one, in UTC and without console output.

    Raises
    ------
    UserError
        If PySpark or Java is missing; the message says how to install it.
    """
    check("spark")
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("recomart").config("spark.sql.session.timeZone", "UTC")
    quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.log.level": "ERROR"}
    builder = builder.config(map={**quiet, "spark.sql.shuffle.partitions": "8"})
    try:
        return builder.getOrCreate()
    except PySparkException as problem:
        raise UserError(f"Spark does not start; it needs Java 17 (java -version). Its error: {problem}") from None
