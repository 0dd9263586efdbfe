"""Ingesting a shop: every file once, every version kept, mistakes reported before anything is lost."""

from __future__ import annotations

import copy
import json
import logging
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from conftest import DECLARED, EVENTS, USERS, utc

from recomart.project.params import Simulate
from recomart.simulator import api
from recomart.simulator.shop import simulate
from recomart_lib.core import shops
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import ITEMS
from recomart_lib.ingest import ingestion, lake, manifests, takeaways
from recomart_lib.ingest.settings import Ingest
from recomart_lib.ingest.sources import reader, rest_session

HEAD = EVENTS.splitlines()[0] + "\n"


@pytest.fixture
def tiny(tmp_path, tiny_shop):
    return tiny_shop(tmp_path)


@pytest.fixture
def ingest(tiny, tmp_path):
    """Ingest the tiny shop: file -> state."""

    def states(max_rejected: float = 0.2) -> dict[str, str]:
        files = ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest(max_rejected=max_rejected))
        return dict(files.select("file", "state").iter_rows())

    return states


@pytest.fixture
def event_ids(tmp_path):
    """The event ids that a reader of the lake sees."""
    return lambda: lake.read(tmp_path / "raw", "tiny", "events")["event_id"].to_list()


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_all_files_are_ingested_and_counted(tiny, tmp_path):
    files = ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest())
    counted = files.select("table", "file", "rows_delivered", "rows_ingested", "rows_rejected", "state").rows()
    assert counted == [
        ("users", "users.csv", 3, 3, 0, "new"),
        ("items", "items.csv", 3, 3, 0, "new"),
        ("events", "events.csv", 5, 5, 0, "new"),
    ]
    summary = ingestion.summary(files).row(2, named=True)
    assert (summary["files"], summary["ingested"], summary["first_day"]) == (1, 5, date(2024, 2, 1))


def test_as_many_files_are_read_at_a_time_as_there_are_cores(tiny, tmp_path, monkeypatch):
    for n in range(8):
        (tiny.source / f"events-{n}.csv").write_text(HEAD)
    chunks, active, most = reader.chunks, [], []

    def counted(*args, **keys):
        active.append(1)
        most.append(len(active))
        yield from chunks(*args, **keys)
        active.pop()

    monkeypatch.setattr(reader, "chunks", counted)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest()).height == 11
    assert len(most) == 11
    assert max(most) == 1


def test_a_second_run_changes_nothing(ingest, tmp_path):
    ingest()
    before = snapshot(tmp_path / "raw")
    assert set(ingest().values()) == {"unchanged"}
    assert snapshot(tmp_path / "raw") == before


def test_a_changed_file_is_a_new_version_and_going_back_is_another(ingest, tiny, event_ids, tmp_path):
    ingest()
    (tiny.source / "events.csv").write_text(EVENTS + "e6,u1,a,view,2024-02-05 10:00:00,,,,\n")
    assert ingest() == {"users.csv": "unchanged", "items.csv": "unchanged", "events.csv": "new version"}
    assert event_ids() == ["e1", "e2", "e3", "e4", "e5", "e6"]
    (tiny.source / "events.csv").write_text(EVENTS)
    assert ingest()["events.csv"] == "new version"
    assert event_ids() == ["e1", "e2", "e3", "e4", "e5"]
    assert ingest()["events.csv"] == "unchanged"
    assert len({manifest["sha256"] for manifest in manifests.versions(tmp_path / "raw", "tiny", "events")}) == 2


def test_a_touched_file_is_unchanged(ingest, tiny):
    ingest()
    (tiny.source / "users.csv").touch()
    assert ingest()["users.csv"] == "unchanged"


def with_other_prices(path: Path) -> None:
    pl.read_parquet(path).with_columns(price=pl.lit(0.01)).write_parquet(path)


DAMAGES = {
    "changed": with_other_prices,
    "empty": lambda path: path.write_bytes(b""),  # as a loss of power leaves it
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_is_damaged_in_the_lake_is_ingested_again(ingest, tmp_path, damage, caplog):
    ingest()
    before = lake.read(tmp_path / "raw", "tiny", "events")
    (events,) = (tmp_path / "raw").rglob("type=events/**/*.parquet")
    DAMAGES[damage](events)
    with caplog.at_level(logging.WARNING):
        assert ingest() == {"users.csv": "unchanged", "items.csv": "unchanged", "events.csv": "restored"}
    assert damage in caplog.text
    assert lake.read(tmp_path / "raw", "tiny", "events").equals(before)
    assert lake.verify(tmp_path / "raw").is_empty()
    assert set(ingest().values()) == {"unchanged"}


def test_a_file_that_is_damaged_and_no_longer_delivered_stops_its_readers(ingest, tiny, tmp_path):
    (tiny.source / "events-2.csv").write_text(HEAD + "e9,u1,a,view,2024-02-09 10:00:00,,,,\n")
    ingest()
    (tiny.source / "events-2.csv").unlink()
    manifest = lake.newest(tmp_path / "raw", "tiny", "events")["events-2.csv"]
    with_other_prices(tmp_path / "raw" / manifest["path"])
    ingest()
    with pytest.raises(UserError, match=r"which holds events-2\.csv .* was changed after its ingestion"):
        lake.table(tmp_path / "raw", "tiny", "events")


def test_a_changed_declaration_reads_the_same_bytes_again(ingest, tiny, tmp_path):
    ingest()
    london = tiny.shop.model_copy(update={"time_zone": "Europe/London"})
    assert set(ingestion.ingest(london, tiny.source, tmp_path / "raw", Ingest())["state"]) == {"new version"}


@pytest.mark.parametrize("key", [{"skip_lines": 1, "header": HEAD.strip().split(",")}, {"currency_sign": "$"}])
def test_keys_about_lines_and_prices_read_the_files_of_their_table_again(ingest, tiny, tmp_path, key):
    ingest()
    changed = tiny.shop.tables | {"events": tiny.shop.table("events").model_copy(update=key)}
    shop = tiny.shop.model_copy(update={"tables": changed})
    files = ingestion.ingest(shop, tiny.source, tmp_path / "raw", Ingest())
    assert files.filter(state="new version")["file"].to_list() == ["events.csv"]


def test_equal_files_are_all_ingested_once(ingest, tiny):
    for day in ("01", "02", "03"):
        (tiny.source / f"events-{day}.csv").write_text(HEAD)
    assert set(ingest().values()) == {"new"}
    assert set(ingest().values()) == {"unchanged"}


def test_files_with_the_same_name_in_two_folders_are_two_files(tmp_path, tiny_shop):
    tables = DECLARED["tables"] | {"events": DECLARED["tables"]["events"] | {"path": "day=*/part.csv"}}
    tiny = tiny_shop(tmp_path, tables=tables)
    for day, line in enumerate(EVENTS.splitlines()[1:3]):
        (tiny.source / f"day={day}").mkdir()
        (tiny.source / f"day={day}" / "part.csv").write_text(HEAD + line + "\n")
    for expected in ("new", "unchanged"):
        files = ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest())
        assert files["file"].to_list()[2:] == ["day=0/part.csv", "day=1/part.csv"]
        assert set(files["state"]) == {expected}
    assert lake.read(tmp_path / "raw", "tiny", "events")["event_id"].to_list() == ["e1", "e2"]
    assert ingestion.no_longer_delivered(tiny.shop, tiny.source, tmp_path / "raw") == []


def test_a_file_that_is_no_longer_delivered_stays_and_is_reported(ingest, tiny, event_ids, tmp_path):
    (tiny.source / "events-2.csv").write_text(HEAD + "e9,u1,a,view,2024-02-09 10:00:00,,,,\n")
    ingest()
    (tiny.source / "events-2.csv").unlink()
    ingest()
    assert "e9" in event_ids()
    assert ingestion.no_longer_delivered(tiny.shop, tiny.source, tmp_path / "raw") == ["events/events-2.csv"]


def test_unreadable_lines_are_kept_up_to_a_share_and_refused_above_it(ingest, tiny, tmp_path, event_ids):
    (tiny.source / "events.csv").write_text(EVENTS + "broken\n")
    with pytest.raises(
        UserError, match=r"events.csv: 1 of 6 lines could not be read, more than ingest.max_rejected = 0.1"
    ):
        ingest(max_rejected=0.1)
    assert ingest(max_rejected=0.2)["events.csv"] == "new"
    assert lake.table(tmp_path / "raw", "tiny", "events").unreadable.row(0)[:3] == ("events.csv", 7, "broken")
    assert len(event_ids()) == 5


def test_a_refused_version_leaves_the_old_one(ingest, tiny, event_ids):
    ingest()
    (tiny.source / "events.csv").write_text(HEAD + "broken\n")
    with pytest.raises(UserError, match=r"First: line 2, 1 cells where the header has 9"):
        ingest()
    assert len(event_ids()) == 5


@pytest.mark.parametrize("text", ["", HEAD])
def test_an_empty_file_is_ingested_without_rows(ingest, tiny, event_ids, text):
    (tiny.source / "events-empty.csv").write_text(text)
    ingestion.check(tiny.shop, tiny.source)
    assert ingest()["events-empty.csv"] == "new"
    assert len(event_ids()) == 5


def test_check_finds_a_missing_column_before_ingestion(tiny, tmp_path):
    (tiny.source / "users.csv").write_text(USERS.replace("joined", "joinde"))
    with pytest.raises(
        UserError, match=r"users.csv lacks 1 column.*'joined' \(for signup_date\). Did you mean 'joinde'\?"
    ):
        ingestion.check(tiny.shop, tiny.source)


def test_check_finds_a_missing_file(tiny):
    (tiny.source / "items.csv").unlink()
    with pytest.raises(UserError, match=r"tables.items.path 'items.csv' matches no file"):
        ingestion.check(tiny.shop, tiny.source)


def test_days_without_a_delivery_count_as_zero(tiny, tmp_path):
    (tiny.source / "events.csv").write_text(HEAD + "e1,u1,a,view,2024-02-01 10:00:00,,,,\n")
    (tiny.source / "events-2.csv").write_text(HEAD + "e2,u1,a,view,2024-02-04 10:00:00,,,,\n")
    days = ingestion.per_day(ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest()))
    assert days.rows() == [(date(2024, 2, n), count) for n, count in ((1, 1), (2, 0), (3, 0), (4, 1))]


@pytest.mark.parametrize("year", ["0001", "1970", "9999"])
def test_a_file_of_impossible_days_is_not_in_the_calendar(tiny, tmp_path, year):
    (tiny.source / "events.csv").write_text(HEAD + "".join(f"e{n},u1,a,view,2024-02-01 10:00:00,,,,\n" for n in (1, 3)))
    (tiny.source / "events-2.csv").write_text(HEAD + f"e2,u1,a,view,{year}-06-01 10:00:00,,,,\n")
    files = ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest())
    assert ingestion.per_day(files).rows() == [(date(2024, 2, 1), 2)]
    assert ingestion.far_days(files).rows() == [(date(int(year), 6, 1), 1)]
    assert f"the first is {year}-06-01" in takeaways.far_days(ingestion.far_days(files))
    assert takeaways.far_days(ingestion.far_days(files).clear()) == ""


def test_a_shop_without_a_single_row_has_no_days(tmp_path, tiny):
    (tiny.source / "events.csv").write_text(HEAD)
    files = ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest())
    assert ingestion.per_day(files).is_empty()
    assert ingestion.far_days(files).is_empty()


def test_two_shops_share_a_lake(ingest, tiny, tmp_path):
    ingest()
    other = shops.Shop.model_validate({**tiny.shop.model_dump(), "name": "other"})
    assert set(ingestion.ingest(other, tiny.source, tmp_path / "raw", Ingest())["state"]) == {"new"}


SMALL = Simulate(n_users=60, n_items=40, n_orders=200, n_days=30)


def test_an_api_gives_the_same_tables_as_the_files(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOMART_API_TOKEN", "secret")
    (tmp_path / "files").mkdir()
    simulate(SMALL, 1, tmp_path / "files")
    raw = tmp_path / "raw"
    ingestion.ingest(shops.load("simulated"), tmp_path / "files", raw, Ingest())
    server = api.serve(tmp_path / "files", "127.0.0.1", 0, "secret", {"busy": 0.1, "drop": 0.1}, 1)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(rest_session, "_sleep", lambda seconds: None)
    shop = shops.load("simulated_api")
    shop = shop.model_copy(
        update={"api": shop.api.model_copy(update={"url": f"http://127.0.0.1:{server.server_port}"})}
    )
    ingestion.check(shop, tmp_path / "fetched")
    fetched = ingestion.fetch(shop, tmp_path / "fetched", Ingest())
    server.shutdown()
    assert fetched["table"].to_list() == ["users", "items", "events"]
    ingestion.ingest(shop, tmp_path / "fetched", raw, Ingest())
    for table in shop.delivered:
        one, other = (lake.table(raw, name, table) for name in ("simulated", "simulated_api"))
        assert one.read().drop(lake.PLACE).equals(other.read().drop(lake.PLACE))
        assert one.unreadable["reason"].to_list() == other.unreadable["reason"].to_list()
        assert one.height > 30


def test_check_asks_for_the_secret_before_anything_else(tmp_path, monkeypatch):
    monkeypatch.delenv("RECOMART_API_TOKEN", raising=False)
    with pytest.raises(UserError, match="RECOMART_API_TOKEN"):
        ingestion.check(shops.load("simulated_api"), tmp_path)


def monthly(tiny_shop, folder, **columns: str):
    """A shop that delivers its items in two files; `columns`: more mapped columns."""
    tables = copy.deepcopy(DECLARED["tables"])
    tables["items"] |= {"path": "items*.csv", "columns": tables["items"]["columns"] | columns}
    tiny = tiny_shop(folder, items="id,title,kind,maker,price,since\na,Anvil,tools,Acme,10,2024-01-01\n", tables=tables)
    (tiny.source / "items_2024-02.csv").write_text(
        "id,title,kind,maker,price,since\na,Anvil,tools,Acme,12,2024-02-15 12:00\n"
    )
    return tiny


def test_a_file_holds_from_the_day_in_its_name_or_of_its_first_ingestion(tiny_shop, tmp_path):
    tiny, raw = monthly(tiny_shop, tmp_path), tmp_path / "raw"
    files = ingestion.ingest(tiny.shop, tiny.source, raw, Ingest())
    days = dict(files.filter(pl.col("table") == "items").select("file", "valid_from").iter_rows())
    assert days == {"items.csv": datetime.now(UTC).date(), "items_2024-02.csv": date(2024, 2, 1)}
    assert "items: 2 files are 2 deliveries" in takeaways.deliveries(files)
    assert "1 file of them (the first: items.csv) without a day in the name" in takeaways.deliveries(files)
    assert "users" not in takeaways.deliveries(files)


def test_a_file_that_is_read_in_another_way_keeps_its_day(tiny_shop, tmp_path):
    tiny, raw = monthly(tiny_shop, tmp_path), tmp_path / "raw"
    ingestion.ingest(tiny.shop, tiny.source, raw, Ingest())
    manifest = lake.newest(raw, "tiny", "items")["items.csv"]
    path = (raw / manifest["path"]).with_suffix(".json")
    path.write_text(json.dumps(manifests.sealed(manifest | {"valid_from": "2024-01-05"})))
    tables = tiny.shop.tables | {"items": tiny.shop.tables["items"].model_copy(update={"nulls": ["none"]})}
    ingestion.ingest(tiny.shop.model_copy(update={"tables": tables}), tiny.source, raw, Ingest())
    again = lake.newest(raw, "tiny", "items")["items.csv"]
    assert (again["sequence"], again["valid_from"]) == (2, "2024-01-05")


def test_a_mapped_column_says_from_when_each_row_holds(tiny_shop, tmp_path):
    tiny, raw = monthly(tiny_shop, tmp_path, valid_from="since"), tmp_path / "raw"
    ingestion.ingest(tiny.shop, tiny.source, raw, Ingest())
    items = lake.read(raw, "tiny", "items")
    assert items["valid_from"].to_list() == [utc(2024, 1, 1), utc(2024, 2, 15, 12)]
    assert items.columns == [*ITEMS, "valid_from", "source_file", "source_line"]


def test_lines_without_an_id_that_equal_each_other_are_counted(tiny_shop, tmp_path):
    tables = copy.deepcopy(DECLARED["tables"])
    del tables["events"]["columns"]["event_id"]
    line = EVENTS.splitlines()[2]
    tiny = tiny_shop(tmp_path, events=f"{HEAD}{line}\n{line}\n{line}\n{line[:-1]}9\n", tables=tables)
    files = ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest())
    assert files["rows_equal"].to_list() == [None, None, 2]
    assert ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest())["rows_equal"].to_list() == [
        None,
        None,
        2,
    ]
    text = takeaways.equal_lines(files, tiny.shop)
    assert "2 events (50 %) in 1 file have no id and equal an earlier line of the same file" in text
    assert "02 takes them for different sales" in text
    events = tiny.shop.tables["events"].model_copy(update={"equal_lines": "repeats"})
    repeats = tiny.shop.model_copy(update={"tables": tiny.shop.tables | {"events": events}})
    assert "02 takes them for repeats, as the shop file says" in takeaways.equal_lines(files, repeats)
    # the key does not say how a file is read: nothing is ingested again
    assert set(ingestion.ingest(repeats, tiny.source, tmp_path / "raw", Ingest())["state"]) == {"unchanged"}


def test_lines_with_ids_are_not_compared(tiny, tmp_path):
    files = ingestion.ingest(tiny.shop, tiny.source, tmp_path / "raw", Ingest())
    assert files["rows_equal"].to_list() == [None, None, None]
    assert takeaways.equal_lines(files, tiny.shop) == ""
