"""Streaming with nothing to install: an embedded broker, a producer and a consumer, and one user who is watched."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from recomart.project.params import Params
from recomart.streaming import consumer, embedded_broker, producer
from recomart_lib.core.schemas import EVENTS, TIMESTAMP
from recomart_lib.stream import commit_log
from recomart_lib.stream_report import sessions

KINDS = {"view": 0.7, "cart": 0.2, "purchase": 0.1}
WATCHED_EVERY_S = 2  # the watched user does something so often
SILENT_S = 10  # when all was sent and for so long nothing came, it ends


class Seen(NamedTuple):
    """How things are at a moment: seconds since the start, events that are durable, latencies in ms, and the watched
    user's newest events (`schemas.EVENTS`), oldest first; `ended` with the last one."""

    second: float
    n_events: int
    late: dict[str, float | None]
    watched: pl.DataFrame
    ended: bool


def invent(items: pl.DataFrame, users: pl.Series, watched: str, n: int, rate: float, seed: int) -> pl.DataFrame:
    """Events of a shop that starts now: `rate` per second, in the order of time (columns of `schemas.EVENTS`)."""
    rng, start = np.random.default_rng(seed), datetime.now(UTC)
    item = rng.integers(0, items.height, n)
    every = max(1, round(rate * WATCHED_EVERY_S))
    user = users.gather(rng.integers(0, users.len(), n))
    events = items.select("item_id", "price")[item].with_columns(
        user_id=pl.when(pl.int_range(pl.len()) % every == every - 1).then(pl.lit(watched)).otherwise(user),
        event_id=pl.format("demo-{}-{}", pl.lit(int(start.timestamp())), pl.int_range(pl.len())),
        event_type=pl.Series(rng.choice(list(KINDS), n, p=list(KINDS.values()))),
        timestamp=pl.Series([start + timedelta(seconds=place / rate) for place in range(n)], dtype=TIMESTAMP),
        quantity=pl.lit(1, pl.Int64),
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
) -> Iterator[Seen]:
    """Send events through an embedded broker into a zone that is thrown away; once per second, how things are.

    Parameters
    ----------
    follow
        Told of the events of each batch when they are durable.
    """
    mine: list[pl.DataFrame] = [pl.DataFrame(schema=EVENTS)]
    done, start = threading.Event(), time.monotonic()

    def told(rows: pl.DataFrame) -> None:
        mine.append(rows.filter(pl.col("user_id") == watched).select(list(EVENTS)))
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
        sent = threads.submit(producer.produce, events, settings, rate, stopped)
        stop = _idle(done, zone, sent.done, events.height)
        kept = threads.submit(consumer.run, zone, settings, params.validate_, stop, None, told)
        kept.add_done_callback(lambda _: done.set())
        while not done.wait(1):
            yield _seen(zone, start, mine, ended=False)
        sent.result()
        kept.result()
        yield _seen(zone, start, mine, ended=True)


def _idle(done: threading.Event, zone: commit_log.Zone, sent: Callable[[], bool], n: int) -> Callable[[], bool]:
    """True once all that was sent is durable, or nothing more of it has come for some seconds."""
    last = {"n": 0, "at": time.monotonic()}

    def stop() -> bool:
        if done.is_set() or not sent():
            return done.is_set()
        now = sessions.ever(zone)["n_messages"]
        if now != last["n"]:
            last.update(n=now, at=time.monotonic())
        return now >= n or time.monotonic() - last["at"] > SILENT_S

    return stop


def _seen(zone: commit_log.Zone, start: float, mine: list[pl.DataFrame], ended: bool) -> Seen:
    found = sessions.ever(zone)
    late = {name: found[name] for name in ("p50", "p99")}
    watched = pl.concat(mine).sort("timestamp")
    return Seen(time.monotonic() - start, found["n_events"], late, watched, ended)
