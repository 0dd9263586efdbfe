"""Real data through our own readers: the counts that their publishers give (../shared/data/README.md)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from conftest import ROOT

from recomart.reference import published
from recomart_lib import models
from recomart_lib.core import shops
from recomart_lib.core.shops import Shop
from recomart_lib.ingest import ingestion, lake
from recomart_lib.ingest.settings import Ingest
from recomart_lib.prepare import cleaning, splits
from recomart_lib.prepare.settings import Prepare
from recomart_lib.train import model_lists, selection, train_data
from recomart_lib.validate import quality_report, row_checks, row_counts
from recomart_lib.validate.settings import Validate

pytestmark = pytest.mark.real_data
ONLINE_RETAIL = shops.read(ROOT / "shops" / "online_retail.yaml")


@pytest.fixture(scope="module")
def raw(real_data, tmp_path_factory) -> Path:
    """A lake with Online Retail."""
    raw = tmp_path_factory.mktemp("lake") / "raw"
    ingested = ingestion.ingest(ONLINE_RETAIL, real_data / "online_retail", raw, Ingest(max_rejected=0))
    assert ingested.height == 305
    return raw


@pytest.fixture(scope="module")
def ingested(raw) -> pl.DataFrame:
    """Online Retail, as 02_validate finds it in the lake."""
    return lake.read(raw, "online_retail", "events")


@pytest.fixture(scope="module")
def validated(raw) -> tuple[dict[str, Any], Path]:
    """The quality report of Online Retail, and the folder of its validated tables."""
    found = {"events": lake.table(raw, "online_retail", "events")}
    valid, held = raw.parent / "validated", raw.parent / "quarantine"
    counts, _ = row_checks.check_tables(ONLINE_RETAIL, found, Validate(), datetime.now(UTC), valid, held)
    return quality_report.report(counts, found, Validate()), valid


def test_online_retail_is_read_to_the_last_row(ingested):
    zone = ZoneInfo("Europe/London")
    assert ingested.height == 541_909
    assert ingested["user_id"].drop_nulls().n_unique() == 4_372
    assert ingested["item_id"].n_unique() == 4_070
    assert ingested["order_id"].n_unique() == 25_900
    assert ingested["user_id"].null_count() == 135_080
    assert ingested["order_id"].str.starts_with("C").sum() == 9_288
    assert ingested["quantity"].max() == 80_995
    assert ingested["timestamp"].min() == datetime(2010, 12, 1, 8, 26, tzinfo=zone)
    assert ingested["timestamp"].max() == datetime(2011, 12, 9, 12, 50, tzinfo=zone)


def test_cancellations_of_online_retail_are_returns(ingested):
    cancelled = ingested.filter(pl.col("order_id").str.starts_with("C"))
    assert cancelled["event_type"].unique().to_list() == ["return"]
    assert ingested["quantity"].min() >= 0


def test_nothing_of_online_retail_is_unexplained(validated):
    report, _ = validated
    quality_report.gate(report)
    events = report["tables"]["events"]
    assert events["landed"] == 541_909
    assert events["exclusions"] == {"guest_sale": 135_080}
    assert events["good"] + events["quarantined"] + events["duplicates"] + events["excluded"] == 541_909
    assert (events["rejected"], events["duplicates"], events["quarantined"]) == (0, 5_225, 40)
    asked = (
        quality_report.exclusions_and_groups(ONLINE_RETAIL, report)
        .filter(pl.col("name") == "cancellation")
        .row(0, named=True)
    )
    assert asked["rows"] == 9_288 == sum(asked[place] for place in row_counts.PLACES)
    assert asked["event_types"] == f"{asked['good']:,} return"
    assert sum(rule["n_failed"] for rule in report["rules"] if rule["severity"] == "error") == 40


@pytest.mark.slow
def test_online_retail_day_by_day_makes_the_same_lake(real_data, raw, tmp_path):
    """305 deliveries, each ingested by itself: only the new file is read; the end is as if all had come together."""
    source, settings = tmp_path / "source", Ingest(max_rejected=0, follow_links=True)
    source.mkdir()
    for day in sorted((real_data / "online_retail").glob("*.csv")):
        (source / day.name).symlink_to(day)
        files = ingestion.ingest(ONLINE_RETAIL, source, tmp_path / "raw", settings)
        assert files.filter(pl.col("state") != "unchanged")["file"].to_list() == [day.name]
    assert (files.height, files["rows_ingested"].sum()) == (305, 541_909)
    assert files["day"].dt.strftime("%F.csv").to_list() == files["file"].to_list()
    assert lake.fingerprint(tmp_path / "raw", "online_retail", ["events"]) == lake.fingerprint(
        raw, "online_retail", ["events"]
    )
    assert lake.read(tmp_path / "raw", "online_retail", "events").equals(lake.read(raw, "online_retail", "events"))
    assert lake.verify(tmp_path / "raw").is_empty()


def test_online_retail_is_split_as_in_the_known_answers(validated):
    valid = {table: pl.read_parquet(validated[1] / f"{table}.parquet") for table in ("events", "items")}
    events = cleaning.clean_events(valid["events"], Prepare())
    purchases = events.filter(pl.col("event_type") == "purchase")
    _, test = splits.windows(ONLINE_RETAIL, events["timestamp"].max(), 7)
    described = splits.describe(splits.split(purchases, test, ONLINE_RETAIL.relevant_events))
    sizes = published.figures_of("C", published.SPLIT)
    assert described == {
        "train_pairs": sizes["train pairs"],
        "train_users": sizes["users"],
        "train_items": sizes["items"],
        "users_in_window": sizes["customers in the window"],
        "warm_users": sizes["known customers"],
        "cold_users": sizes["customers in the window"] - sizes["known customers"],
        "evaluated_all": sizes["all evaluated users"],
        "evaluated_novel": sizes["novel evaluated users"],
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("window", "protocol", "hyperparameters", "ndcg"),
    [
        (0, "all", {}, 0.328),
        (1, "all", {}, 0.352),
        (1, "novel", {"decay_days": 60.0, "own_share": 0.2}, 0.092),
    ],
)
def test_user_knn_has_the_scores_of_its_first_trial(validated, window, protocol, hyperparameters, ndcg):
    """The numbers of an independent implementation; window 0 is validation, 1 is test."""
    events, relevant = pl.read_parquet(validated[1] / "events.parquet"), ONLINE_RETAIL.relevant_events
    events = cleaning.clean_events(events, Prepare())
    span = splits.windows(ONLINE_RETAIL, events["timestamp"].max(), Prepare().horizon_days)[window]
    tables = splits.split(events, span, relevant)
    orders = splits.baskets(splits.before(events, span.start), tables["users"], tables["items"], relevant)
    data = train_data.from_window(tables, span.start).with_baskets(orders)
    lists = model_lists.lists(models.create("user_knn", **hyperparameters).fit(data), data, tables, k=10)
    scores = selection.evaluate_lists(lists, tables).filter(pl.col("protocol") == protocol)
    assert scores["ndcg@10"].mean() == pytest.approx(ndcg, abs=0.003)


RATING_SHOPS = {"movielens_100k": "ml-100k", "amazon_beauty": "amazon_beauty"}


@pytest.fixture(scope="module", params=RATING_SHOPS)
def rated(request, real_data, tmp_path_factory) -> tuple[Shop, dict[str, pl.DataFrame], dict[str, Any], Path]:
    """A rating shop as its shop file has it: the shop, its raw tables, the quality report, the validated folder."""
    shop, folder = shops.read(ROOT / "shops" / f"{request.param}.yaml"), tmp_path_factory.mktemp(request.param)
    ingestion.ingest(shop, real_data / RATING_SHOPS[request.param], folder / "raw", Ingest(max_rejected=0))
    ingested = {table: lake.table(folder / "raw", shop.name, table) for table in shop.delivered}
    valid, held = folder / "validated", folder / "quarantine"
    counts, _ = row_checks.check_tables(shop, ingested, Validate(), datetime.now(UTC), valid, held)
    tables = {table: found.read() for table, found in ingested.items()}
    return shop, tables, quality_report.report(counts, ingested, Validate()), valid


def test_rating_shops_are_read_as_their_publishers_count(rated):
    shop, tables, report, _ = rated
    events, items = tables["events"], tables["items"]
    assert sum(table["rejected"] for table in report["tables"].values()) == 0
    assert set(events["rating"].unique()) == {1, 2, 3, 4, 5}
    assert events["event_type"].unique().to_list() == shop.relevant_events == ["rating"]
    counted = (events.height, events["user_id"].n_unique(), events["item_id"].n_unique(), items["item_id"].n_unique())
    if shop.name == "movielens_100k":
        assert (counted, tables["users"]["user_id"].n_unique()) == ((100_000, 943, 1_682, 1_682), 943)
        assert events.select("user_id", "item_id").n_unique() == 100_000
        assert (events["timestamp"].min().date(), events["timestamp"].max().date()) == (
            date(1997, 9, 20),
            date(1998, 4, 22),
        )
        assert "Mis\u00e9rables, Les (1995)" in items["name"]
        genres = dict(items["category"].value_counts().iter_rows())
        assert (genres["Fantasy"], genres["Film-Noir"], genres["unknown"], len(genres)) == (22, 24, 2, 19)
        assert tables["users"]["gender"].unique().sort().to_list() == ["F", "M"]
    else:
        assert counted == (25_023, 3_744, 3_700, 10_000)
        assert [round(items[name].count() / items.height, 2) for name in ("brand", "price")] == [0.96, 0.33]
        assert (events["timestamp"].min().year, events["timestamp"].max().year) == (2007, 2023)
        assert events["timestamp"].dt.microsecond().max() > 0


def test_nothing_of_a_rating_shop_is_unexplained(rated):
    shop, _, report, _ = rated
    quality_report.gate(report)
    events = report["tables"]["events"]
    assert events["exclusions"] == ({} if shop.name == "movielens_100k" else {"straggler": 243})
    assert events["good"] + events["excluded"] == events["landed"]


def test_the_cuts_of_rating_shops_judge_whom_their_shop_files_say(rated):
    shop, _, _, valid = rated
    events = cleaning.clean_events(pl.read_parquet(valid / "events.parquet"), Prepare())
    cuts = splits.windows(shop, events["timestamp"].max(), Prepare().horizon_days)
    described = [splits.describe(splits.split(events, cut, shop.relevant_events)) for cut in cuts]
    n_evaluated = {"movielens_100k": [(116, 116), (130, 130)], "amazon_beauty": [(365, 363), (502, 498)]}
    assert [(found["evaluated_all"], found["evaluated_novel"]) for found in described] == n_evaluated[shop.name]
    assert cuts[1].start.date() == {"movielens_100k": date(1998, 2, 22), "amazon_beauty": date(2023, 1, 1)}[shop.name]
