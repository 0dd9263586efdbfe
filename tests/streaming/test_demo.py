"""The demo: generated events go through the embedded broker, each is durable once, and the watched user is shown."""

from __future__ import annotations

import polars as pl

from recomart.project.params import Params
from recomart.streaming import demo
from recomart_lib.core.schemas import EVENTS

ITEMS = pl.DataFrame({"item_id": ["a", "b", "c"], "price": [1.0, 2.0, 3.0]})
USERS = pl.Series("user_id", ["u1", "u2", "u3"])


def test_events_depend_on_the_seed_and_the_watched_user_acts_every_two_seconds():
    first, again = (demo.generate(ITEMS, USERS, "w", 100, 10, seed=1) for _ in range(2))
    assert first.schema == EVENTS
    assert first.drop("event_id", "timestamp").equals(again.drop("event_id", "timestamp"))
    assert first["event_id"].n_unique() == 100
    assert first.with_row_index().filter(user_id="w")["index"].to_list() == [19, 39, 59, 79, 99]
    duration = first["timestamp"][-1] - first["timestamp"][0]
    assert duration.total_seconds() == 9.9


def test_sent_events_are_durable_once_and_followed():
    events, followed = demo.generate(ITEMS, USERS, "w", 300, 150, seed=1), []
    snapshots = list(demo.run(events, "w", 150, Params(), follow=followed.append))
    assert [snapshot.ended for snapshot in snapshots] == [False] * (len(snapshots) - 1) + [True]
    assert snapshots[-1].n_events == 300
    assert snapshots[-1].watched.equals(events.filter(user_id="w"))
    assert sorted(pl.concat(followed)["event_id"]) == sorted(events["event_id"])
    assert snapshots[-1].latency["p50"] > 0
