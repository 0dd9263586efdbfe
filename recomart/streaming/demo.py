"""The streaming demo, without installation: an embedded broker, a producer, a consumer, and one watched user."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from recomart.project.params import Params
from recomart.streaming import consumer, embedded_broker, producer
from recomart_lib.core import clock
from recomart_lib.core.schemas import EVENTS, TIMESTAMP
from recomart_lib.stream import commit_log
from recomart_lib.stream_report import sessions

KINDS = {"view": 0.7, "cart": 0.2, "purchase": 0.1}
WATCHED_EVERY_S = 2  # seconds between two events of the watched user
SILENT_S = 10  # ends if no message arrives for this long after all were sent


class Snapshot(NamedTuple):
    """The state at a moment: seconds since the start, durable events, latencies in ms, and the watched user's events
    (`schemas.EVENTS`), oldest first; `ended` is true for the last snapshot."""

    second: float
    n_events: int
    latency: dict[str, float | None]
    watched: pl.DataFrame
    ended: bool


def generate(items: pl.DataFrame, users: pl.Series, watched: str, n: int, rate: float, seed: int) -> pl.DataFrame:
    """Random events from now on: `rate` per second, in the order of time (columns of `schemas.EVENTS`)."""
    rng, start = np.random.default_rng(seed), clock.now()
    item = rng.integers(0, items.height, n)
    every = max(1, round(rate * WATCHED_EVERY_S))
    user = users.gather(rng.integers(0, users.len(), n))
    events = items.select("item_id", "price")[item].with_columns(
        user_id=pl.when(pl.int_range(pl.len()) % every == every - 1).then(pl.lit(watched)).otherwise(user),
        event_id=pl.format("demo-{}-{}", pl.lit(int(start.timestamp())), pl.int_range(pl.len())),
        event_type=pl.Series(rng.choice(list(KINDS), n, p=list(KINDS.values()))),
        timestamp=pl.Series([start + timedelta(seconds=number / rate) for number in range(n)], dtype=TIMESTAMP),
        quantity=pl.lit(1.0),
        rating=pl.lit(None, pl.Float64),
        order_id=pl.lit(None, pl.String),
    )
    return events.select(list(EVENTS)).cast(EVENTS)


def run(
    events: pl.DataFrame,
    watched: str,
    rate: float,
    params: Params,
    stopped: Callable[[], bool] = lambda: False,
    follow: Callable[[pl.DataFrame], None] = lambda _: None,
) -> Iterator[Snapshot]:
    """Send events through an embedded broker into a temporary zone; yields a snapshot per second.

    Parameters
    ----------
    follow
        Called with the events of each batch once they are durable.
    """
    watched_events: list[pl.DataFrame] = [pl.DataFrame(schema=EVENTS)]
    done, start = threading.Event(), time.monotonic()

    def on_commit(rows: pl.DataFrame) -> None:
        watched_events.append(rows.filter(pl.col("user_id") == watched).select(list(EVENTS)))
        follow(rows)

    with (
        embedded_broker.embedded() as address,
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(2) as threads,
    ):
        zone = commit_log.Zone(Path(folder), "demo", "UTC")
        settings = params.stream.model_copy(
            update={"bootstrap_servers": address, "client": {"log_level": 0}, "consumer": {}, "producer": {}}
        )
        producing = threads.submit(producer.produce, events, settings, rate, stopped)
        stop = _idle(done, zone, producing.done, events.height)
        consuming = threads.submit(consumer.run, zone, settings, params.validate_, stop, None, on_commit)
        consuming.add_done_callback(lambda _: done.set())
        while not done.wait(1):
            yield _snapshot(zone, start, watched_events, ended=False)
        producing.result()
        consuming.result()
        yield _snapshot(zone, start, watched_events, ended=True)


def _idle(done: threading.Event, zone: commit_log.Zone, all_sent: Callable[[], bool], n: int) -> Callable[[], bool]:
    """True once all sent events are durable, or none has arrived for `SILENT_S` seconds."""
    last = {"n": 0, "at": time.monotonic()}

    def stop() -> bool:
        if done.is_set() or not all_sent():
            return done.is_set()
        now = sessions.totals(zone)["n_messages"]
        if now != last["n"]:
            last.update(n=now, at=time.monotonic())
        return now >= n or time.monotonic() - last["at"] > SILENT_S

    return stop


def _snapshot(zone: commit_log.Zone, start: float, watched_events: list[pl.DataFrame], ended: bool) -> Snapshot:
    totals = sessions.totals(zone)
    latency = {name: totals[name] for name in ("p50", "p99")}
    watched = pl.concat(watched_events).sort("timestamp")
    return Snapshot(time.monotonic() - start, totals["n_events"], latency, watched, ended)
