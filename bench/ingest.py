"""From CSV to validated Parquet: rows per second and peak memory, compared with pandas and the same rules.

    python bench/ingest.py                 # 1, 5 and 20 million events, and 5 million in 10 to 1,000 files
    python bench/ingest.py --millions 1    # only that

Both read the same daily CSV files of a generated shop (100,000 users, 20,000 products, 1 % of the rows delivered twice,
1 % damaged) and write good and quarantined rows. `recomart` is the library work of 01_ingest and 02_validate:
ingestion with hashes and manifests, row checks, drift, sorted output. `pandas` is read_csv, concat, and the same
Narwhals rules on one big frame. Each runs in its own process; memory is that process's peak.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from own_process import ROOT, measured

N_USERS, N_ITEMS, ROWS_PER_FILE = 100_000, 20_000, 50_000
START = datetime(2024, 1, 1, tzinfo=UTC)


def make_shop(folder: Path, n_rows: int, n_files: int) -> None:
    """Write the files that shops/simulated.yaml describes."""
    rng = np.random.default_rng(0)
    (folder / "transactions").mkdir(parents=True)
    users = pl.DataFrame({"customer_id": [f"u{n}" for n in range(N_USERS)]})
    blank = [pl.lit(None, pl.String).alias(name) for name in ("signup_date", "gender", "age", "country", "city")]
    users.with_columns(blank).write_csv(folder / "users.csv")
    records = [
        {"product_id": f"p{n}", "title": f"Product {n}", "category": f"c{n % 40}", "brand": None, "price": 1 + n % 90}
        for n in range(N_ITEMS)
    ]
    (folder / "products.json").write_text(json.dumps(records))
    for number, size in enumerate(np.diff(np.linspace(0, n_rows, n_files + 1).astype(int))):
        day(rng, number, int(size)).write_csv(folder / "transactions" / f"{number:05d}.csv")


def day(rng: np.random.Generator, number: int, n: int) -> pl.DataFrame:
    """One daily file: `n` rows, of which 1 % are duplicates and 1 % have an impossible quantity."""
    item = rng.integers(0, N_ITEMS, n)
    second = np.sort(rng.integers(0, 86_400, n)) + number * 86_400
    kind = np.array(["view", "add_to_cart", "purchase", "return"])[rng.choice(4, n, p=[0.6, 0.2, 0.19, 0.01])]
    frame = pl.DataFrame(
        {
            "transaction_id": [f"t{number}-{row}" for row in range(n)],
            "customer_id": pl.Series(rng.integers(0, N_USERS, n)).cast(pl.String),
            "product_id": pl.Series(item).cast(pl.String),
            "action": kind,
            "timestamp": pl.Series(second * 1_000_000 + int(START.timestamp() * 1e6)).cast(pl.Datetime("us")),
            "quantity": np.where(rng.random(n) < 0.01, 0, rng.integers(1, 5, n)),
            "unit_price": 1.0 + item % 90,
            "rating": pl.Series([None] * n, dtype=pl.Float64),
            "order_id": pl.Series(rng.integers(0, max(n // 3, 1), n)).cast(pl.String),
        }
    ).with_columns(
        customer_id=pl.format("u{}", "customer_id"),
        product_id=pl.format("p{}", "product_id"),
        timestamp=pl.col("timestamp").dt.strftime("%F %T"),
    )
    return pl.concat([frame[: n - n // 100], frame[: n // 100]])


def run_recomart(folder: Path) -> dict[str, float]:
    from recomart_lib.core import shops
    from recomart_lib.ingest import ingestion, lake
    from recomart_lib.ingest.settings import Ingest
    from recomart_lib.validate import quality_report, row_checks
    from recomart_lib.validate.settings import Validate

    shop, raw, started = shops.read(ROOT / "shops" / "simulated.yaml"), folder / "raw", time.perf_counter()
    ingestion.ingest(shop, folder / "source", raw, Ingest())
    ingest_s = time.perf_counter() - started
    ingested = {table: lake.table(raw, shop.name, table) for table in shop.delivered}
    now = lake.last_ingestion(raw, shop.name, shop.delivered)
    settings = Validate()
    counts, _ = row_checks.check_tables(shop, ingested, settings, now, folder / "validated", folder / "quarantine")
    events = quality_report.report(counts, ingested, settings)["tables"]["events"]
    return {
        "good": events["good"],
        "quarantined": events["quarantined"],
        "duplicates": events["duplicates"],
        "ingest_s": ingest_s,
        "seconds": time.perf_counter() - started,
    }


def run_pandas(folder: Path) -> dict[str, float]:
    import pandas as pd

    from recomart_lib.validate import quality_rules, settings

    started = time.perf_counter()
    users = pd.read_csv(folder / "source" / "users.csv")[["customer_id"]].rename(columns={"customer_id": "user_id"})
    items = pd.read_json(folder / "source" / "products.json")["product_id"]
    names = {
        "transaction_id": "event_id",
        "customer_id": "user_id",
        "product_id": "item_id",
        "action": "event_type",
        "unit_price": "price",
    }
    parts = [
        pd.read_csv(path, dtype_backend="pyarrow")
        for path in sorted((folder / "source" / "transactions").glob("*.csv"))
    ]
    rows = pd.concat(parts, ignore_index=True).rename(columns=names)
    n_rows = len(rows)
    rows["timestamp"] = pd.to_datetime(rows["timestamp"], utc=True)
    rows["event_type"] = rows["event_type"].replace({"add_to_cart": "cart"})
    rows = rows.drop_duplicates().reset_index(drop=True)
    n_duplicates = n_rows - len(rows)
    failed = quality_rules.failures(
        pandas_context(rows, users, items), quality_rules.rules(settings.Validate(), "events"), settings.Validate()
    )
    errors = [rule.name for rule in quality_rules.rules(settings.Validate(), "events") if rule.severity == "error"]
    bad = rows.index.isin(failed.loc[failed["rule"].isin(errors), "row_id"].unique())
    rows[~bad].sort_values(["timestamp", "event_id"]).to_parquet(folder / "good.parquet")
    rows[bad].to_parquet(folder / "bad.parquet")
    return {
        "good": int((~bad).sum()),
        "quarantined": int(bad.sum()),
        "duplicates": n_duplicates,
        "seconds": time.perf_counter() - started,
    }


def pandas_context(rows, users, items):
    """The columns that rules read, computed directly; late rows are not detected."""
    import pandas as pd

    pair = ["user_id", "item_id"]
    bought = (
        rows[rows["event_type"] == "purchase"].groupby(pair)["timestamp"].min().rename("first_purchase").reset_index()
    )
    log_price = np.log(rows["price"].where(rows["price"] > 0))
    usual = log_price.groupby(rows["item_id"]).transform("median")
    spread = (log_price - usual).abs().groupby(rows["item_id"]).transform("median").mul(1.4826).clip(lower=0.1)
    return rows.assign(
        row_id=rows.index,
        first_of_key=~rows["event_id"].duplicated(),
        now=pd.Timestamp.now("UTC"),
        user_known=rows["user_id"].isin(users["user_id"]),
        item_known=rows["item_id"].isin(items),
        price_spreads_off=(log_price - usual).abs() / spread,
        days_late=0,
        local_day=rows["timestamp"].dt.normalize(),
        signup_date=pd.Timestamp(0, tz="UTC"),
    ).merge(bought, on=pair, how="left")


def line(n_rows: int, n_files: int, what: str) -> str:
    """One row of the table; both must find the same number of good rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_shop(folder / "source", n_rows, n_files)
        result = measured(__file__, what, folder)
    if "error" in result:
        return f"| {n_rows / 1e6:g} M | {n_files:,} | {what} | failed ({result['error']}) | | | | |"
    speed = n_rows / result["seconds"]
    ingestion_s = f"{result['ingest_s']:.1f}" if "ingest_s" in result else ""
    return (
        f"| {n_rows / 1e6:g} M | {n_files:,} | {what} | {result['seconds']:.1f} | {ingestion_s} | {speed:,.0f} | "
        f"{1e6 / speed:.2f} | {result['peak_mib']:,.0f} | {result['good']:,} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", type=float, nargs="*", default=[1, 5, 20])
    parser.add_argument("--files", type=int, nargs="*", default=[10, 1000], help="number of files for 5 million rows")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        result = {"recomart": run_recomart, "pandas": run_pandas}[options.run[0]](Path(options.run[1]))
        result["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        sys.stdout.write("\n" + json.dumps(result) + "\n")
        return
    head = ["rows", "files", "with", "s", "of it ingestion", "rows/s", "µs/row", "peak MiB", "good rows"]
    sys.stdout.write(f"| {' | '.join(head)} |\n|{'---|' * len(head)}\n")
    runs = [
        (int(m * 1e6), max(1, int(m * 1e6 / ROWS_PER_FILE)), what)
        for m in options.millions
        for what in ("recomart", "pandas")
    ]
    for run in [*runs, *((5_000_000, n, "recomart") for n in options.files)]:
        sys.stdout.write(line(*run) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
