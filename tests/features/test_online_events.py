"""What a user did since: in the features at once, each event once, and old as soon as the tables know it."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from math import log

import polars as pl
import pytest
from conftest import utc

from recomart_lib import models
from recomart_lib.core import paths
from recomart_lib.core.schemas import INTERACTIONS
from recomart_lib.features import online_events
from recomart_lib.models import base
from recomart_lib.models.base import TrainData
from recomart_lib.prepare.settings import Prepare
from recomart_lib.recommend import live_lists
from recomart_lib.stream import commit_log, feature_latency, fresh_file, latency

AS_OF = utc(2024, 3, 1)
BASE = {
    "event_id": "e",
    "user_id": "u",
    "item_id": "a",
    "event_type": "view",
    "timestamp": utc(2024, 3, 2),
    "topic": "t",
    "partition": 0,
    "offset": 0,
}


def rows(*events: dict) -> pl.DataFrame:
    """Durable events; each at an offset of its own."""
    records = [
        dict.fromkeys(commit_log.ROWS) | BASE | {"event_id": f"e{n}", "offset": n} | one for n, one in enumerate(events)
    ]
    return pl.DataFrame(records, schema=commit_log.ROWS)


@pytest.fixture
def root(tmp_path):
    (tmp_path / paths.FEATURES).mkdir(parents=True)
    pl.DataFrame({"event_timestamp": [AS_OF]}).write_parquet(tmp_path / paths.FEATURES / "user.parquet")
    return tmp_path


@pytest.fixture
def fresh(root):
    opened = online_events.Fresh(root, "tiny", Prepare(), has_purchases=True)
    yield opened
    opened.close()


def test_an_event_is_there_once_however_often_it_is_told(fresh, root):
    for _ in range(2):
        fresh.add(rows({}, {"item_id": "b", "event_type": "purchase", "quantity": 2}))
    found = online_events.events_of("u", root)
    assert found.get_column("event_id").to_list() == ["e0", "e1"]
    assert found.get_column("weight").to_list() == pytest.approx([1.0, 5 * (1 + log(2))])
    assert found.schema == pl.Schema(online_events.FRESH)
    assert online_events.events_of("v", root).is_empty()


def test_a_file_of_an_earlier_version_with_whole_quantities_is_read_and_written(root):
    (root / online_events.FILE).parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(root / online_events.FILE)) as db:
        db.executescript(fresh_file.TABLE.replace("quantity real", "quantity integer"))
    fresh = online_events.Fresh(root, "tiny", Prepare(), has_purchases=True)
    fresh.add(rows({"quantity": 2}, {"quantity": 0.53}))
    fresh.close()
    assert online_events.events_of("u", root).get_column("quantity").to_list() == [2.0, 0.53]


def test_fresh_sums_are_those_of_the_next_run_to_the_last_bit(fresh, root):
    """One after the other, 0.1 + 0.2 + ... ends in a different last digit than in another order."""
    lines = [{"event_type": "purchase", "quantity": n / 10, "price": 0.1, "order_id": "o"} for n in range(1, 40)]
    fresh.add(rows(*lines))
    events = online_events.events_of("u", root)
    known = {"spend": 0.3, "rating_count": 0, "average_rating": None, "implicit_score": 0.1, "as_of": AS_OF}
    for order in (events, events.reverse()):
        assert online_events.user_with(known, order)["spend"] == (0.3 * 1e4 + 78_000) / 1e4
    scores = [
        online_events.pair_with({"implicit_score": 0.1}, order, AS_OF, AS_OF, 30.0) for order in (events, events[::-1])
    ]
    assert scores[0] == scores[1]


def test_what_the_tables_know_is_not_fresh(fresh, root):
    fresh.add(rows({"timestamp": AS_OF}, {"timestamp": AS_OF + timedelta(microseconds=1)}))
    assert online_events.events_of("u", root).get_column("event_id").to_list() == ["e1"]
    assert online_events.events_of("u", root, utc(2024, 3, 5)).is_empty()


def test_a_new_run_of_the_features_makes_events_old_and_another_shop_has_none_of_them(fresh, root):
    fresh.add(rows({}, {"timestamp": utc(2024, 3, 9)}))
    pl.DataFrame({"event_timestamp": [utc(2024, 3, 5)]}).write_parquet(root / paths.FEATURES / "user.parquet")
    online_events.Fresh(root, "tiny", Prepare(), True).close()
    assert online_events.events_of("u", root).height == 1
    online_events.Fresh(root, "other", Prepare(), True).close()
    assert online_events.events_of("u", root).is_empty()


def test_nothing_is_fresh_where_no_stream_ever_was(tmp_path):
    assert online_events.events_of("u", tmp_path).is_empty()


def test_several_consumers_write_at_the_same_time(root):
    def work(partition: int) -> None:
        mine = online_events.Fresh(root, "tiny", Prepare(), True)
        for n in range(20):
            mine.add(rows({"partition": partition, "offset": n, "event_id": f"{partition}-{n}"}))
        mine.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    _ = [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert online_events.events_of("u", root).height == 60


def test_a_consumer_that_starts_keeps_what_another_is_writing(root):
    """Both find no shop yet; the second waits for the first, and must then see its shop, not delete its event."""
    online_events.Fresh(root, "another", Prepare(), True).close()
    with closing(sqlite3.connect(root / online_events.FILE)) as first:
        first.execute("begin immediate")
        second = threading.Thread(target=lambda: online_events.Fresh(root, "tiny", Prepare(), True).close())
        second.start()
        second.join(0.3)  # it waits for the lock now; were it slower, the test would only be easier to pass
        assert second.is_alive()
        first.execute("update shop set name = 'tiny'")
        event = {"topic": "t", "partition": 0, "offset": 0, "user_id": "u", "timestamp": 2**52}
        first.execute(f"insert into fresh ({', '.join(event)}) values (?, ?, ?, ?, ?)", tuple(event.values()))
        first.commit()
        second.join()
        assert first.execute("select count(*) from fresh").fetchone() == (1,)


def test_a_user_with_fresh_events(fresh, root):
    fresh.add(
        rows(
            {},
            {"event_type": "purchase", "quantity": 2, "price": 3.0, "timestamp": utc(2024, 3, 3)},
            {"event_type": "rating", "rating": 5.0, "timestamp": utc(2024, 3, 4)},
        )
    )
    known = {
        "activity_count": 4,
        "tenure_days": 10.0,
        "days_since_last_event": 2.0,
        "rating_count": 1,
        "average_rating": 2.0,
        "order_count": 1,
        "days_since_last_order": 7.0,
        "spend": 10.0,
        "country": "DE",
        "as_of": AS_OF,
    }
    assert online_events.user_with(known, online_events.events_of("u", root)) == {
        "activity_count": 7,
        "tenure_days": 13.0,
        "days_since_last_event": 0.0,
        "rating_count": 2,
        "average_rating": 3.5,
        "order_count": 2,
        "days_since_last_order": 1.0,
        "spend": 16.0,
        "country": "DE",
        "as_of": utc(2024, 3, 4),
    }
    assert online_events.user_with(known, pl.DataFrame(schema=online_events.FRESH)) == known


def test_a_pair_with_fresh_events(fresh, root):
    fresh.add(rows({}, {"event_type": "cart", "timestamp": utc(2024, 3, 3)}))
    known = {
        "implicit_score": 2.0,
        "recency_weight": 0.5,
        "days_since_last_event": 30.0,
        "view_count": 2,
        "cart_count": None,
        "days_since_last_order": None,
        "affinity": 0.3,
    }
    events, now = online_events.events_of("u", root), utc(2024, 3, 4)
    found = online_events.pair_with(known, events, now, AS_OF, 30.0)
    assert found == {
        "implicit_score": 6.0,
        "recency_weight": pytest.approx(0.5 ** (1 / 30)),
        "days_since_last_event": 1.0,
        "view_count": 3,
        "cart_count": 1,
        "days_since_last_order": None,
        "affinity": 0.3,
    }
    untouched = online_events.pair_with(known, events.clear(), now, AS_OF, 30.0)
    assert untouched["days_since_last_event"] == 33.0
    assert untouched["recency_weight"] == pytest.approx(0.5 ** (33 / 30))


def live_model() -> tuple[base.ArrayModel, pl.DataFrame]:
    """Four users: a and b were taken together, c and d were taken together; d alone is the most popular."""
    taken = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (2, 3), (3, 3)]
    pairs = pl.DataFrame(
        [
            {
                "user_idx": u,
                "item_idx": i,
                "weight": 1.0,
                "n_events": 1,
                "n_relevant": 1,
                "n_orders": 1,
                "last_timestamp": AS_OF,
                "last_relevant_timestamp": AS_OF,
                "rating": None,
            }
            for u, i in taken
        ],
        schema=INTERACTIONS,
    )
    items = pl.DataFrame({"item_id": list("abcd"), "item_idx": pl.Series(range(4), dtype=pl.Int32)})
    data = TrainData(interactions=pairs, n_users=4, n_items=4, cut=AS_OF)
    return models.create("item_knn", n_neighbours=4).fit(data), items


def ranked(fresh, root, user_idx: int | None, protocol: str = "all") -> pl.DataFrame:
    model, items = live_model()
    return live_lists.rank(model, user_idx, online_events.events_of("u", root), items, Prepare(), protocol, 4)


def test_a_fresh_event_changes_the_list_and_is_named_as_its_cause(fresh, root):
    fresh.add(rows({"item_id": "c", "event_type": "purchase"}))
    found = ranked(fresh, root, None)
    assert found.get_column("item_id").to_list()[:2] == ["c", "d"]
    assert found.row(1, named=True)["because"] == "c"
    assert found.row(1, named=True)["event_type"] == "purchase"
    assert found.get_column("because").to_list()[2:] == [None, None]


def test_a_fresh_event_adds_to_the_history_that_is_known(fresh, root):
    fresh.add(rows({"item_id": "c"}))
    found = ranked(fresh, root, 0)
    assert set(found.get_column("item_id").to_list()[:2]) == {"a", "b"}  # a view says less than purchases
    assert found.get_column("item_id").to_list()[2:] == ["c", "d"]
    assert found.get_column("event_type").to_list() == [None, None, "view", "view"]


def test_novel_lists_leave_out_what_was_bought_and_keep_what_was_viewed(fresh, root):
    fresh.add(rows({"item_id": "c", "event_type": "purchase"}, {"item_id": "d"}))
    assert "c" not in ranked(fresh, root, None, "novel").get_column("item_id")
    assert "d" in ranked(fresh, root, None, "novel").get_column("item_id")


def test_a_product_that_the_model_does_not_know_changes_nothing(fresh, root):
    fresh.add(rows({"item_id": "new", "event_type": "purchase"}))
    found = ranked(fresh, root, 0)
    assert set(found.get_column("item_id").to_list()[:2]) == {"a", "b"}
    assert found.get_column("event_type").null_count() == found.height


def test_the_moment_of_the_online_features_is_exact_though_feast_keeps_seconds(root):
    last = AS_OF + timedelta(microseconds=900_000)
    pl.DataFrame({"event_timestamp": [last]}).write_parquet(root / paths.FEATURES / "user.parquet")
    assert online_events.exact(AS_OF, root) == last
    older = AS_OF - timedelta(days=1)
    assert online_events.exact(older, root) == older


def test_how_late_events_were_is_kept_for_a_day(fresh, root):
    now = datetime.now(UTC)
    sent = [now - timedelta(seconds=seconds) for seconds in (1, 2, 3)]
    records = rows(*[{"timestamp": now}] * 3).with_columns(
        produced_at=pl.Series(sent, dtype=commit_log.ROWS["timestamp"])
    )
    assert feature_latency.quantiles(root, now)["p99"] is None
    fresh.add(records)
    found = feature_latency.quantiles(root, now)
    assert 2_000 <= found["p50"] <= 2_500 * latency.STEP
    assert 3_000 <= found["max"] <= 3_500 * latency.STEP
    assert feature_latency.quantiles(root, now + timedelta(minutes=2))["p99"] is None
    with closing(sqlite3.connect(root / feature_latency.FILE)) as db, db:
        db.execute("update late set minute = ?", (f"{now - timedelta(days=2):{latency.MINUTE}}",))
    online_events.Fresh(root, "tiny", Prepare(), True).close()
    assert feature_latency.quantiles(root, now - timedelta(days=9))["p99"] is None
