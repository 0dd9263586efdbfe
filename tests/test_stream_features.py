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

from recomart_lib import models, paths, stream_features, stream_latency, stream_lists, stream_log
from recomart_lib.models.base import TrainData
from recomart_lib.params import Prepare
from recomart_lib.schemas import INTERACTIONS

AS_OF = utc(2024, 3, 1)
BASE = {"event_id": "e", "user_id": "u", "item_id": "a", "event_type": "view", "timestamp": utc(2024, 3, 2),
        "topic": "t", "partition": 0, "offset": 0}  # fmt: skip


def rows(*events: dict) -> pl.DataFrame:
    """Durable events; each at an offset of its own."""
    told = [dict.fromkeys(stream_log.ROWS) | BASE | {"event_id": f"e{n}", "offset": n} | one
            for n, one in enumerate(events)]  # fmt: skip
    return pl.DataFrame(told, schema=stream_log.ROWS)


@pytest.fixture
def root(tmp_path):
    (tmp_path / paths.FEATURES).mkdir(parents=True)
    pl.DataFrame({"event_timestamp": [AS_OF]}).write_parquet(tmp_path / paths.FEATURES / "user.parquet")
    return tmp_path


@pytest.fixture
def fresh(root):
    opened = stream_features.Fresh(root, "tiny", Prepare(), has_purchases=True)
    yield opened
    opened.close()


def test_an_event_is_there_once_however_often_it_is_told(fresh, root):
    for _ in range(2):
        fresh.add(rows({}, {"item_id": "b", "event_type": "purchase", "quantity": 2}))
    found = stream_features.events_of("u", root)
    assert found.get_column("event_id").to_list() == ["e0", "e1"]
    assert found.get_column("weight").to_list() == pytest.approx([1.0, 5 * (1 + log(2))])
    assert found.schema == pl.Schema(stream_features.FRESH)
    assert stream_features.events_of("v", root).is_empty()


def test_what_the_tables_know_is_not_fresh(fresh, root):
    fresh.add(rows({"timestamp": AS_OF}, {"timestamp": AS_OF + timedelta(microseconds=1)}))
    assert stream_features.events_of("u", root).get_column("event_id").to_list() == ["e1"]
    assert stream_features.events_of("u", root, utc(2024, 3, 5)).is_empty()


def test_a_new_run_of_the_features_makes_events_old_and_another_shop_has_none_of_them(fresh, root):
    fresh.add(rows({}, {"timestamp": utc(2024, 3, 9)}))
    pl.DataFrame({"event_timestamp": [utc(2024, 3, 5)]}).write_parquet(root / paths.FEATURES / "user.parquet")
    stream_features.Fresh(root, "tiny", Prepare(), True).close()
    assert stream_features.events_of("u", root).height == 1
    stream_features.Fresh(root, "other", Prepare(), True).close()
    assert stream_features.events_of("u", root).is_empty()


def test_nothing_is_fresh_where_no_stream_ever_was(tmp_path):
    assert stream_features.events_of("u", tmp_path).is_empty()


def test_several_consumers_write_at_the_same_time(root):
    def work(partition: int) -> None:
        mine = stream_features.Fresh(root, "tiny", Prepare(), True)
        for n in range(20):
            mine.add(rows({"partition": partition, "offset": n, "event_id": f"{partition}-{n}"}))
        mine.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    _ = [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert stream_features.events_of("u", root).height == 60


def test_a_user_with_fresh_events(fresh, root):
    fresh.add(rows({}, {"event_type": "purchase", "quantity": 2, "price": 3.0, "timestamp": utc(2024, 3, 3)},
                   {"event_type": "rating", "rating": 5.0, "timestamp": utc(2024, 3, 4)}))  # fmt: skip
    known = {"activity_count": 4, "tenure_days": 10.0, "days_since_last_event": 2.0, "rating_count": 1,
             "average_rating": 2.0, "order_count": 1, "days_since_last_order": 7.0, "spend": 10.0, "country": "DE",
             "as_of": AS_OF}  # fmt: skip
    assert stream_features.user_with(known, stream_features.events_of("u", root)) == {
        "activity_count": 7, "tenure_days": 13.0, "days_since_last_event": 0.0, "rating_count": 2,
        "average_rating": 3.5, "order_count": 2, "days_since_last_order": 1.0, "spend": 16.0, "country": "DE",
        "as_of": utc(2024, 3, 4),
    }  # fmt: skip
    assert stream_features.user_with(known, pl.DataFrame(schema=stream_features.FRESH)) == known


def test_a_pair_with_fresh_events(fresh, root):
    fresh.add(rows({}, {"event_type": "cart", "timestamp": utc(2024, 3, 3)}))
    known = {"implicit_score": 2.0, "recency_weight": 0.5, "days_since_last_event": 30.0, "view_count": 2,
             "cart_count": None, "days_since_last_order": None, "affinity": 0.3}  # fmt: skip
    events, now = stream_features.events_of("u", root), utc(2024, 3, 4)
    found = stream_features.pair_with(known, events, now, AS_OF, 30.0)
    assert found == {"implicit_score": 6.0, "recency_weight": pytest.approx(0.5 ** (1 / 30)),
                     "days_since_last_event": 1.0, "view_count": 3, "cart_count": 1, "days_since_last_order": None,
                     "affinity": 0.3}  # fmt: skip
    untouched = stream_features.pair_with(known, events.clear(), now, AS_OF, 30.0)
    assert untouched["days_since_last_event"] == 33.0
    assert untouched["recency_weight"] == pytest.approx(0.5 ** (33 / 30))


def live_model() -> tuple[models.ArrayModel, pl.DataFrame]:
    """Four users: a and b were taken together, c and d were taken together; d alone is the most popular."""
    taken = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (2, 3), (3, 3)]
    pairs = pl.DataFrame(
        [{"user_idx": u, "item_idx": i, "weight": 1.0, "n_events": 1, "n_relevant": 1, "n_orders": 1,
          "last_timestamp": AS_OF, "last_relevant_timestamp": AS_OF, "rating": None} for u, i in taken],
        schema=INTERACTIONS,
    )  # fmt: skip
    items = pl.DataFrame({"item_id": list("abcd"), "item_idx": pl.Series(range(4), dtype=pl.Int32)})
    data = TrainData(interactions=pairs, n_users=4, n_items=4, cut=AS_OF)
    return models.create("item_knn", n_neighbours=4).fit(data), items


def ranked(fresh, root, user_idx: int | None, protocol: str = "all") -> pl.DataFrame:
    model, items = live_model()
    return stream_lists.ranked(model, user_idx, stream_features.events_of("u", root), items, Prepare(), protocol, 4)


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
    assert stream_features.exact(AS_OF, root) == last
    older = AS_OF - timedelta(days=1)
    assert stream_features.exact(older, root) == older


def test_how_late_events_were_is_kept_for_a_day(fresh, root):
    now = datetime.now(UTC)
    sent = [now - timedelta(seconds=seconds) for seconds in (1, 2, 3)]
    told = rows(*[{"timestamp": now}] * 3).with_columns(produced_at=pl.Series(sent, dtype=stream_log.ROWS["timestamp"]))
    assert stream_features.lateness(root, now)["p99"] is None
    fresh.add(told)
    found = stream_features.lateness(root, now)
    assert 2_000 <= found["p50"] <= 2_500 * stream_latency.STEP
    assert 3_000 <= found["max"] <= 3_500 * stream_latency.STEP
    assert stream_features.lateness(root, now + timedelta(minutes=2))["p99"] is None
    with closing(sqlite3.connect(root / stream_features.FILE)) as db, db:
        db.execute("update late set minute = ?", (f"{now - timedelta(days=2):{stream_features.MINUTE}}",))
    stream_features.Fresh(root, "tiny", Prepare(), True).close()
    assert stream_features.lateness(root, now - timedelta(days=9))["p99"] is None
