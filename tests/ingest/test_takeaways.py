"""Takeaways of stage `ingest`: what they say, and that they change with the numbers."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import polars as pl
import pytest
from conftest import full_shop

from recomart_lib.core.schemas import EVENTS
from recomart_lib.core.shop_tables import Join, Table
from recomart_lib.core.source_files import LeftOut
from recomart_lib.ingest import takeaways
from recomart_lib.ingest.lake_verification import Verified


def test_retries_of_an_api_are_reported():
    table = {"table": "users", "url": "u", "records": 10, "pages": 2, "requests": 3, "retries": 1, "waited_s": 0.5}
    table |= {"end": "no next page"}
    assert "10 records in 2 pages.** 1 request had to be repeated" in takeaways.fetched(pl.DataFrame([table]))
    assert "No request had to be repeated" in takeaways.fetched(pl.DataFrame([table | {"retries": 0}]))
    assert "The end" not in takeaways.fetched(pl.DataFrame([table]))
    refused = takeaways.fetched(pl.DataFrame([table | {"end": "a page with <b>"}]))
    assert "The end of users was recognised by this: a page with &lt;b&gt;." in refused
    assert "no API is used" in takeaways.fetched(pl.DataFrame([table]).clear())


def test_files_without_rows_are_named():
    files = pl.DataFrame({"file": ["a.csv", "<b>.csv"], "rows_delivered": [3, 0], "rows_ingested": [3, 0]})
    files = files.with_columns(state=pl.lit("new"))
    assert takeaways.ingested(files).endswith("**1 file without a row:** &lt;b&gt;.csv.")
    assert "without a row" not in takeaways.ingested(files.head(1))


def test_files_that_are_not_read_are_named_with_the_reason():
    entries = [LeftOut("events", f"{n}.CSV", "'*.csv' has other capital letters") for n in range(6)]
    assert takeaways.left_out([]) == ""
    assert "**1 file in the source folder is not read:** 0.CSV (events: " in takeaways.left_out(entries[:1])
    assert "**6 files in the source folder are not read:** " in takeaways.left_out(entries)


def test_files_that_rows_are_joined_with_are_named():
    assert takeaways.joined(full_shop()) == ""
    joins = {"a": {"path": "orders_*.csv", "by": {"order": "id"}}, "b": {"path": "people.csv", "by": "a.who"}}
    joins = {name: Join(**join) for name, join in joins.items()}
    shop = full_shop(events=Table(kind="csv", path="*", joins=joins, columns={name: name for name in EVENTS}))
    sentence = takeaways.joined(shop)
    assert "The rows of events get columns of orders" in sentence
    assert "of people.csv: those of the row with their a.who." in sentence


def test_ambiguous_times_are_reported():
    files = pl.DataFrame({"times_ambiguous": [0, 3]})
    assert "3 local times in 1 file" in takeaways.ambiguous_times(files, "Europe/Berlin")
    assert takeaways.ambiguous_times(files.head(1), "UTC") == ""


def test_verified_files_are_counted_and_those_without_a_hash_named():
    counts = SimpleNamespace(verified=Verified(2, 3_000_000, 0)), SimpleNamespace(verified=Verified(1, 0, 0))
    assert takeaways.verified(counts).startswith("**3 Parquet files of the lake verified (3 MB), all that")
    assert "no hash" not in takeaways.verified(counts)
    assert takeaways.verified(counts).endswith("for each file, and a second one where lines could not be read.")
    earlier = takeaways.verified([SimpleNamespace(verified=Verified(2, 1, 1))])
    assert "1 file of them has no hash, as an earlier version of RecoMart" in earlier


def test_restored_files_are_named():
    files = pl.DataFrame({"file": ["<b>.csv", "b.csv"], "state": ["restored", "unchanged"]})
    assert takeaways.restored(files).startswith("**1 file of the lake was damaged**")
    assert "&lt;b&gt;.csv" in takeaways.restored(files)
    assert takeaways.restored(files.tail(1)) == ""


def files(delivered: int, ingested: int) -> pl.DataFrame:
    rows = {"file": ["a.csv"], "state": ["new"], "rows_delivered": [delivered], "rows_ingested": [ingested]}
    return pl.DataFrame(rows)


NO_DAYS = pl.DataFrame(schema={"day": pl.Date, "n": pl.Int64})


def test_without_rows_and_files_there_is_no_statement():
    assert takeaways.ingested(files(0, 0)).startswith("*Not applicable: no row was delivered.*")
    assert takeaways.ingested(files(0, 0).clear()) == "*Not applicable: no row was delivered.*"
    assert takeaways.verified([]) == "*Not applicable: the lake has no file.*"
    assert (
        takeaways.verified([SimpleNamespace(verified=Verified(0, 0, 0))]) == "*Not applicable: the lake has no file.*"
    )


@pytest.mark.parametrize(
    ("delivered", "n_ingested", "far", "expected"),
    [
        (0, 0, (), ""),
        (1000, 1000, (), ""),
        (1000, 995, (), ""),
        (1000, 994, (), "6 rows of 1,000 (0.6 %) could not be read."),
        (10, 10, (3,), "3 rows lie decades from all others."),
        (10, 9, (1,), "1 row of 10 (10 %) could not be read. 1 row lies decades from all others."),
    ],
)
def test_what_warns_of_a_delivery(delivered, n_ingested, far, expected):
    far_days = pl.DataFrame({"day": [date(1970, 1, 1)] * len(far), "n": far}, {"day": pl.Date, "n": pl.Int64})
    assert takeaways.warning(files(delivered, n_ingested), far_days, "") == expected


def test_gaps_warn_of_a_delivery():
    assert takeaways.warning(files(9, 9), NO_DAYS, "2 days have no event.") == "2 days have no event."
