"""Real data through our own readers: the counts that their publishers give (../shared/data/README.md)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from conftest import ROOT

from recomart_lib import ingest, judging, lake, prepare, published, quality, shops, splits
from recomart_lib.params import Ingest, Prepare, Validate
from recomart_lib.shops import Shop
from recomart_lib.sources import files

pytestmark = pytest.mark.real_data
ONLINE_RETAIL = shops.read(ROOT / "shops" / "online_retail.yaml")


def rating_shop(zone: str = "UTC", **tables: dict) -> Shop:
    keys = {"name": "ratings", "title": "R", "currency": "USD", "time_zone": zone, "simulated": False, "cut": "auto"}
    return Shop(**keys, horizon_days="auto", relevant_events=["rating"], tables=tables)


def read(shop: Shop, table: str, source: Path) -> pl.DataFrame:
    """All rows of a table, each of which could be read."""
    delivered = [files.read(file, shop, table) for file in shops.files(shop, table, source)]
    assert sum(part.rejects.height for part in delivered) == 0
    return pl.concat(part.rows for part in delivered)


@pytest.fixture(scope="module")
def raw(real_data, tmp_path_factory) -> Path:
    """A lake with Online Retail."""
    raw = tmp_path_factory.mktemp("lake") / "raw"
    landed = ingest.ingest(ONLINE_RETAIL, real_data / "online_retail", raw, Ingest(max_rejected=0))
    assert landed.height == 305
    return raw


@pytest.fixture(scope="module")
def landed(raw) -> pl.DataFrame:
    """Online Retail, as 02_validate finds it in the lake."""
    return lake.read(raw, "online_retail", "events")


@pytest.fixture(scope="module")
def validated(raw) -> tuple[dict[str, Any], Path]:
    """The quality report of Online Retail, and the folder of its validated tables."""
    found = {"events": lake.landed(raw, "online_retail", "events")}
    valid, held = raw.parent / "validated", raw.parent / "quarantine"
    counts, _ = judging.judge(ONLINE_RETAIL, found, Validate(), datetime.now(UTC), valid, held)
    return quality.report(counts, found, Validate()), valid


def test_online_retail_is_read_to_the_last_row(landed):
    zone = ZoneInfo("Europe/London")
    assert landed.height == 541_909
    assert landed["user_id"].drop_nulls().n_unique() == 4_372
    assert landed["item_id"].n_unique() == 4_070
    assert landed["order_id"].n_unique() == 25_900
    assert landed["user_id"].null_count() == 135_080
    assert landed["order_id"].str.starts_with("C").sum() == 9_288
    assert landed["quantity"].max() == 80_995
    assert landed["timestamp"].min() == datetime(2010, 12, 1, 8, 26, tzinfo=zone)
    assert landed["timestamp"].max() == datetime(2011, 12, 9, 12, 50, tzinfo=zone)


def test_cancellations_of_online_retail_are_returns(landed):
    cancelled = landed.filter(pl.col("order_id").str.starts_with("C"))
    assert cancelled["event_type"].unique().to_list() == ["return"]
    assert landed["quantity"].min() >= 0


def test_nothing_of_online_retail_is_unexplained(validated):
    report, _ = validated
    quality.gate(report)
    events = report["tables"]["events"]
    assert events["landed"] == 541_909
    assert events["exclusions"] == {"guest_sale": 135_080}
    assert events["good"] + events["quarantined"] + events["duplicates"] + events["excluded"] == 541_909
    assert (events["rejected"], events["duplicates"], events["quarantined"]) == (0, 5_225, 40)
    asked = quality.asked_about(ONLINE_RETAIL, report).filter(pl.col("name") == "cancellation").row(0, named=True)
    assert asked["rows"] == 9_288 == sum(asked[place] for place in judging.PLACES)
    assert asked["became"] == f"{asked['good']:,} return"
    assert sum(rule["n_failed"] for rule in report["rules"] if rule["severity"] == "error") == 40


@pytest.mark.slow
def test_online_retail_day_by_day_makes_the_same_lake(real_data, raw, tmp_path):
    """305 drops, each landed by itself: only the new file is landed, and the end is as if all had come at once."""
    source = tmp_path / "source"
    source.mkdir()
    for day in sorted((real_data / "online_retail").glob("*.csv")):
        (source / day.name).symlink_to(day)
        files = ingest.ingest(ONLINE_RETAIL, source, tmp_path / "raw", Ingest(max_rejected=0))
        assert files.filter(pl.col("state") != "known")["file"].to_list() == [day.name]
    assert (files.height, files["rows_landed"].sum()) == (305, 541_909)
    assert files["day"].dt.strftime("%F.csv").to_list() == files["file"].to_list()
    assert lake.fingerprint(tmp_path / "raw", "online_retail", ["events"]) == lake.fingerprint(
        raw, "online_retail", ["events"])  # fmt: skip
    assert lake.read(tmp_path / "raw", "online_retail", "events").equals(lake.read(raw, "online_retail", "events"))
    assert lake.verify(tmp_path / "raw").is_empty()


def test_online_retail_is_split_as_in_the_known_answers(validated):
    valid = {table: pl.read_parquet(validated[1] / f"{table}.parquet") for table in ("events", "items")}
    events = prepare.clean_events(valid["events"], Prepare())
    purchases = events.filter(pl.col("event_type") == "purchase")
    _, test = splits.windows(ONLINE_RETAIL, events["timestamp"].max(), 7)
    described = splits.describe(splits.split(purchases, test, ONLINE_RETAIL.relevant_events))
    sizes = published.figures_of("C", published.SPLIT)
    assert described == {
        "train_pairs": sizes["train pairs"], "train_users": sizes["users"], "train_items": sizes["items"],
        "users_in_window": sizes["customers in the window"], "warm_users": sizes["known customers"],
        "cold_users": sizes["customers in the window"] - sizes["known customers"],
        "evaluated_all": sizes["all evaluated users"], "evaluated_novel": sizes["novel evaluated users"],
    }  # fmt: skip


def test_movielens_is_read_with_its_latin_1_titles(real_data, tmp_path):
    genres = [f"genre{n}" for n in range(19)]
    shop = rating_shop(
        events={"kind": "csv", "path": "u.data", "separator": "\t", "header": ["user", "item", "stars", "at"],
                "columns": {"user_id": "user", "item_id": "item", "rating": "stars", "timestamp": "at"},
                "timestamp_format": "epoch_s", "event_type": "rating"},
        users={"kind": "csv", "path": "u.user", "separator": "|", "header": ["id", "age", "sex", "work", "zip"],
               "columns": {"user_id": "id", "age": "age", "gender": "sex"}},
        items={"kind": "csv", "path": "u.item", "separator": "|", "encoding": "latin-1",
               "header": ["id", "title", "released", "video", "url", *genres],
               "columns": {"item_id": "id", "name": "title"}},
    )  # fmt: skip
    ingest.ingest(shop, real_data / "ml-100k", tmp_path / "raw", Ingest(max_rejected=0))
    landed = {table: lake.landed(tmp_path / "raw", "ratings", table) for table in shop.delivered}
    tables = {table: found.read() for table, found in landed.items()}
    assert {table: rows.height for table, rows in tables.items()} == {"users": 943, "items": 1_682, "events": 100_000}
    assert tables["events"].select("user_id", "item_id").n_unique() == 100_000
    assert tables["events"]["timestamp"].min().date() == date(1997, 9, 20)
    assert "Misérables, Les (1995)" in tables["items"]["name"]
    held = tmp_path / "quarantine"
    counts, _ = judging.judge(shop, landed, Validate(), datetime.now(UTC), tmp_path / "validated", held)
    assert {table: found["good"] for table, found in counts.items()} == {
        "users": 943,
        "items": 1_682,
        "events": 100_000,
    }


def test_amazon_beauty_is_read_with_its_milliseconds(real_data):
    shop = rating_shop(
        events={"kind": "parquet", "path": "interactions.parquet", "timestamp_format": "epoch_ms",
                "event_type": "rating",
                "columns": {name: name for name in ("user_id", "item_id", "rating", "timestamp")}},
        items={"kind": "parquet", "path": "items.parquet",
               "columns": {"item_id": "item_id", "name": "title", "brand": "brand", "category": "category",
                           "price": "price"}},
    )  # fmt: skip
    events, items = (read(shop, table, real_data / "amazon_beauty") for table in ("events", "items"))
    assert (events.height, events["user_id"].n_unique(), events["item_id"].n_unique()) == (25_023, 3_744, 3_700)
    assert events["timestamp"].dt.year().is_between(2000, 2023).all()
    assert events["rating"].is_between(1, 5).all()
    assert items.height == items["item_id"].n_unique() == 10_000
    assert [round(items[name].count() / items.height, 2) for name in ("brand", "price")] == [0.96, 0.33]
