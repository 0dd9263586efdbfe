"""All features as of a moment, and the feature store: seconds and peak memory, beside plain pandas, in one run.

    python bench/features.py                  # 1, 5 and 20 million events; then the store
    python bench/features.py --millions 1     # only that, and the store
    python bench/features.py --spark 1        # also on Spark, local[2], with 1 million events

The shop is synthetic: 100,000 users and 20,000 products, both with long tails, five types of events, orders of a few
lines. `recomart` computes the features of `docs/features.md` with Polars, `pandas` the same ones as
bench/pandas_features.py has them, from the same Parquet files. Each runs in a process of its own; memory is that
process's peak (of Spark: Python and JVM together).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from own_process import ROOT, measured

N_USERS, N_ITEMS = 100_000, 20_000
START, AS_OF = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 1, tzinfo=UTC)
N_CALLS = 1_000


def make_shop(folder: Path, n: int) -> None:
    """events, users and items, and the histories of both, as 04_prepare leaves them."""
    rng = np.random.default_rng(0)
    user = (N_USERS * rng.beta(0.6, 2.5, n)).astype(int)
    item = (N_ITEMS * rng.beta(0.5, 3, n)).astype(int)
    kind = rng.choice(["view", "cart", "purchase", "return", "rating"], n, p=[0.62, 0.15, 0.17, 0.01, 0.05])
    second = np.sort(rng.integers(0, 365 * 86_400, n))
    quantity = rng.integers(1, 4, n)
    weights = {"view": 1.0, "cart": 3.0, "purchase": 5.0, "return": 0.0, "rating": 0.0}
    events = pl.DataFrame(
        {
            "event_id": np.arange(n),
            "user_id": user,
            "item_id": item,
            "event_type": kind,
            "timestamp": pl.Series(second * 1_000_000 + int(START.timestamp() * 1e6)).cast(pl.Datetime("us", "UTC")),
            "quantity": quantity,
            "price": 1.0 + item % 90 + second % 5 / 10,
            "rating": np.where(kind == "rating", rng.integers(1, 6, n), np.nan),
            "order_id": user * 400 + second // 86_400,
        }
    ).with_columns(
        pl.format("e{}", "event_id").alias("event_id"),
        pl.format("u{}", "user_id").alias("user_id"),
        pl.format("i{}", "item_id").alias("item_id"),
        pl.format("o{}", "order_id").alias("order_id"),
        pl.col("rating").fill_nan(None),
        weight=pl.col("event_type").replace_strict(weights) * (1 + pl.col("quantity").log()),
    )
    events.write_parquet(folder / "events.parquet")
    from recomart_lib.prepare import versions

    ids = pl.DataFrame({"n": np.arange(N_USERS)})
    people = {"signup_date": pl.lit(START.date()), "age_group": pl.lit("35-44"), "gender": pl.lit("f")}
    users = ids.select(pl.format("u{}", "n").alias("user_id"), country=pl.format("c{}", pl.col("n") % 20), **people)
    items = pl.DataFrame({"n": np.arange(N_ITEMS)}).select(
        pl.format("i{}", "n").alias("item_id"),
        category=pl.format("c{}", pl.col("n") % 40),
        brand=pl.format("b{}", pl.col("n") % 150),
        price=1.0 + pl.col("n") % 90,
    )
    for name, table in (("users", users), ("items", items)):
        table.write_parquet(folder / f"{name}.parquet")
        versions.always(table).write_parquet(folder / f"{name}_history.parquet")


def run_recomart(folder: Path, engine: str = "polars") -> dict[str, float]:
    """Into temporary files, as 05_features has them."""
    from recomart_lib.features import engine as engines
    from recomart_lib.features import moments
    from recomart_lib.features.settings import Features

    cuts = moments.compute_all(engines.scan(folder, "UTC", engine), {"test": AS_OF}, Features(), folder)
    spend = cuts["test"]["user"].select(pl.col("spend").sum()).collect().item()
    return {"pairs": cuts["test"].n_rows("interaction"), "check": float(spend)}


def run_spark(folder: Path) -> dict[str, float]:
    os.environ["PYSPARK_SUBMIT_ARGS"] = "--master local[2] --driver-memory 12g pyspark-shell"
    result = run_recomart(folder, "spark")
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    gateway.shutdown()
    gateway.proc.stdin.close()  # so the JVM ends, and its peak is known
    gateway.proc.wait()
    return result


def run_pandas(folder: Path) -> dict[str, float]:
    import pandas as pd
    from pandas_features import compute

    from recomart_lib.features.settings import Features

    tables = (pd.read_parquet(folder / f"{name}.parquet") for name in ("events", "users", "items"))
    features = compute(*tables, AS_OF, Features())
    return {"pairs": len(features["interaction"]), "check": float(features["user"]["spend"].sum())}


def run_store(folder: Path) -> dict[str, float]:
    """A store of this shop, each step beside Feast's own: writes, point-in-time joins, and single calls."""
    from recomart_lib.features import engine, feature_store, store_config
    from recomart_lib.features.compute import compute
    from recomart_lib.features.settings import Features

    shutil.copy(ROOT / store_config.FILE, folder)
    prepared, result = engine.scan(folder, "UTC"), {}
    features_by_cut = [compute(prepared, cut, Features()) for cut in (AS_OF - timedelta(days=30), AS_OF)]
    with _timed(result, "write_files_s"), feature_store.FeatureWriter(folder) as stored:
        for features in features_by_cut:
            stored.add(features.items())
    feature_store.apply("bench", {}, folder)
    with _timed(result, "materialise_feast_s"):
        plain, feature_store.PLAIN_SQLITE = feature_store.PLAIN_SQLITE, set()
        feature_store.materialise(root=folder)
        feature_store.PLAIN_SQLITE = plain
    with _timed(result, "materialise_s"):
        feature_store.materialise(root=folder)
    keys = pl.concat(
        features["interaction"].select("user_id", "item_id", as_of="event_timestamp") for features in features_by_cut
    )
    result |= _joins(folder, keys.sample(1_000_000, with_replacement=True, seed=1))
    users = features_by_cut[-1]["user"]["user_id"].sample(N_CALLS, seed=2).to_list()
    items = features_by_cut[-1]["item"]["item_id"].sample(10, seed=3).to_list()
    result |= _latency("user", lambda user: feature_store.online_user(user, root=folder), users)
    result |= _latency("user_and_10_items", lambda user: feature_store.online(user, items, root=folder), users)
    return result | _latency("user_and_history", lambda user: feature_store.online(user, root=folder), users)


def _joins(folder: Path, spine: pl.DataFrame) -> dict[str, float]:
    """Point-in-time joins: all features to rows of two moments and of one; the pairs' alone, by Feast and by us."""
    from recomart_lib.features import definitions, feast_store, feature_store, offline_files, services

    result: dict[str, float] = {}
    with _timed(result, "join_1m_s"):
        assert feature_store.training_frame(spine, root=folder).height == spine.height
    newest = spine.filter(pl.col("as_of") == AS_OF)
    result["rows_of_one_moment"] = newest.height
    with _timed(result, "join_one_moment_s"):
        feature_store.training_frame(newest, root=folder)
    pairs, store = services.columns(folder, definitions.NEWEST)["interaction"], feast_store.open_store(folder)
    added = {column.title: (column.name, column.dtype) for column in pairs}
    with _timed(result, "join_pairs_s"):
        offline_files.with_features(spine, folder, "interaction", added)
    with _timed(result, "join_pairs_feast_s"):
        feast_store.with_features(spine, store, "interaction", added)
    return result


@contextmanager
def _timed(result: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    result[name] = time.perf_counter() - started


def _latency(name: str, ask, users: list[str]) -> dict[str, float]:
    ask(users[0])
    times = []
    for user in users:
        started = time.perf_counter()
        ask(user)
        times.append(1_000 * (time.perf_counter() - started))
    return {f"{name}_median_ms": float(np.median(times)), f"{name}_p99_ms": float(np.quantile(times, 0.99))}


RUNS = {"recomart": run_recomart, "pandas": run_pandas, "spark": run_spark, "store": run_store}


def line(millions: float, what: str, result: dict[str, float]) -> str:
    if "error" in result:
        return f"| {millions:g} M | {what} | failed ({result['error']}) | | |"
    return f"| {millions:g} M | {what} | {result['seconds']:.1f} | {result['peak_mib']:,.0f} | {result['pairs']:,.0f} |"


def write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", type=float, nargs="*", default=[1, 5, 20])
    parser.add_argument(
        "--spark", type=float, nargs="*", default=[], help="also on Spark, with these millions of events"
    )
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        started = time.perf_counter()
        result = RUNS[options.run[0]](Path(options.run[1]))
        result["seconds"] = time.perf_counter() - started
        peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        result["peak_mib"] = (sum(peaks) if options.run[0] == "spark" else peaks[0]) / 1024
        write("\n" + json.dumps(result))
        return
    write("| events | with | s | peak MiB | pairs |\n|---|---|---|---|---|")
    for millions in options.millions:
        with tempfile.TemporaryDirectory() as name:
            make_shop(Path(name), int(millions * 1e6))
            for what in ("recomart", "pandas", *(["spark"] if millions in options.spark else [])):
                write(line(millions, what, measured(__file__, what, Path(name))))
    with tempfile.TemporaryDirectory() as name:
        make_shop(Path(name), 1_000_000)
        write("\nThe store of 1 M events, two moments:\n")
        for key, value in measured(__file__, "store", Path(name)).items():
            write(f"- {key}: {value:.2f}" if isinstance(value, float) else f"- {key}: {value}")


if __name__ == "__main__":
    main()
