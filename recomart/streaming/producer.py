"""Produce events to a topic: keyed by user, idempotent, as fast as possible or at a fixed rate."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
from confluent_kafka import KafkaException, Message, Producer

from recomart.project.params import Stream
from recomart.streaming import messages
from recomart.streaming.client import create, metadata, put, reason, redacted
from recomart_lib.core import clock
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import TIMESTAMP

SETTINGS = {"linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 500_000}
TIMEOUT_S = 30  # until the broker answers
BATCH_SIZE = 10_000  # events serialized together


def produce(
    events: pl.DataFrame,
    settings: Stream,
    rate: float | None = None,
    stopped: Callable[[], bool] = lambda: False,
    speed_up: float | None = None,
    live: bool = False,
) -> int:
    """Write events (columns of `schemas.EVENTS`) to the topic in their order.

    Parameters
    ----------
    rate
        Events per second; None: as fast as the broker accepts them.
    speed_up
        Replay the time between events this many times faster; the events must be sorted by time.
    live
        Each event gets the current time and a new id, as if it happened now.

    Returns
    -------
    int
        The number of events that the broker accepted.

    Raises
    ------
    UserError
        If the broker does not answer, or did not accept some events.
    """
    failed: list[str] = []

    def delivered(error: Any, message: Message) -> None:
        if error is not None:
            failed.append(redacted(settings, error.str()))

    own = {"enable.idempotence": True}
    producer = create(Producer, settings, SETTINGS, settings.producer, own, on_delivery=delivered)
    try:
        metadata(producer, timeout_s=TIMEOUT_S)
    except KafkaException as problem:
        raise UserError(reason(settings, problem)) from None
    n, run = 0, uuid.uuid4().hex[:12]
    for part in _paced(events, rate, speed_up):
        if stopped():
            break
        if live:
            ids = pl.format("live-{}-{}", pl.lit(run), pl.int_range(pl.len()) + n)
            part = part.with_columns(event_id=ids, timestamp=pl.lit(clock.now(), TIMESTAMP))
        for key, message in zip(part["user_id"].to_list(), messages.write(part, clock.now()), strict=True):
            try:
                put(producer, settings.topic, message, key)
            except KafkaException as problem:
                sentence = f"The event could not be written to {settings.topic}. {reason(settings, problem)}"
                raise UserError(sentence) from None
        n += part.height
        producer.poll(0)
    n_unsent = producer.flush(60)
    if failed or n_unsent:
        raise UserError(
            f"{len(failed) + n_unsent} of {n} events were not accepted by the broker: "
            f"{failed[0] if failed else 'no answer'}."
        )
    return n


def _paced(events: pl.DataFrame, rate: float | None, speed_up: float | None) -> Iterator[pl.DataFrame]:
    """The events in parts, each when it is due; checks every hundredth of a second."""
    if rate is None and speed_up is None:
        yield from events.iter_slices(BATCH_SIZE)
        return
    times = events.get_column("timestamp").dt.epoch("us").to_numpy()
    start, done = time.monotonic(), 0
    while done < events.height:
        elapsed = time.monotonic() - start
        if rate is not None:
            due = min(events.height, int(elapsed * rate) + 1)
        else:
            due = int(np.searchsorted(times, times[0] + elapsed * speed_up * 1e6, side="right"))
        yield from events.slice(done, due - done).iter_slices(BATCH_SIZE)
        done = max(done, due)
        time.sleep(0.01)
