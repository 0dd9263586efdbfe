"""Events onto a topic: keyed by user, idempotent, as fast as possible or at a set rate."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from confluent_kafka import KafkaException, Message, Producer

from recomart_lib import stream_schema
from recomart_lib.config import filled
from recomart_lib.errors import UserError
from recomart_lib.params import Stream
from recomart_lib.schemas import TIMESTAMP

log = logging.getLogger(__name__)

SETTINGS = {"linger.ms": 5, "compression.type": "lz4", "queue.buffering.max.messages": 500_000}
AT_ONCE = 10_000  # events that are made into messages in one go


def client(settings: Stream, *more: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a client of the cluster in params.yaml; of `more`, the later win. Secrets: the environment's.

    Raises
    ------
    UserError
        If no cluster is named, or a `${NAME}` is not set.
    """
    if not settings.bootstrap_servers:
        raise UserError(
            "params.yaml: stream.bootstrap_servers is empty: there is no Kafka to talk to. Start one by `make kafka` "
            "and write localhost:9092, or try `recomart stream demo`, which needs none."
        )
    given = {name: value for part in (settings.client, *more) for name, value in part.items()}
    told = {name: filled(value, f"params.yaml: stream: {name}") for name, value in given.items()}
    return {**told, "bootstrap.servers": settings.bootstrap_servers}


def produce(
    events: pl.DataFrame,
    settings: Stream,
    rate: float | None = None,
    stopped: Callable[[], bool] = lambda: False,
    speed_up: float | None = None,
    live: bool = False,
) -> int:
    """Write events (columns of `schemas.EVENTS`) to the topic in their order; returns how many the broker has.

    Parameters
    ----------
    rate
        Events per second; None: as fast as the broker takes them.
    speed_up
        Keep the time between the events, so many times shorter; they are sorted by it then.
    live
        The events happen now: each gets the present time and an id of its own, as if a shop were open.

    Raises
    ------
    UserError
        If the broker did not take some of them.
    """
    failed: list[str] = []

    def delivered(error: Any, message: Message) -> None:
        if error is not None:
            failed.append(str(error))

    producer = Producer(
        client(settings, SETTINGS, settings.producer, {"enable.idempotence": True}), on_delivery=delivered, logger=log
    )
    n, run = 0, uuid.uuid4().hex[:12]
    for part in _paced(events, rate, speed_up):
        if stopped():
            break
        if live:
            ids = pl.format("live-{}-{}", pl.lit(run), pl.int_range(pl.len()) + n)
            part = part.with_columns(event_id=ids, timestamp=pl.lit(datetime.now(UTC), TIMESTAMP))
        for key, message in zip(part["user_id"].to_list(), stream_schema.write(part, datetime.now(UTC)), strict=True):
            try:
                put(producer, settings.topic, message, key)
            except KafkaException as problem:
                raise UserError(f"The event could not be written to {settings.topic}: {problem}.") from None
        n += part.height
        producer.poll(0)
    left = producer.flush(60)
    if failed or left:
        raise UserError(f"{len(failed) + left} of {n} events were not taken: {failed[0] if failed else 'no answer'}.")
    return n


def put(producer: Producer, topic: str, value: bytes | None, key: bytes | str | None, **more: Any) -> None:
    """Hand a message to the producer, when its queue has room; `more`: as of `Producer.produce`."""
    while True:
        try:
            producer.produce(topic, value, key, **more)
            return
        except BufferError:  # the queue is full: wait for the broker
            producer.poll(0.1)


def _paced(events: pl.DataFrame, rate: float | None, speed_up: float | None) -> Iterator[pl.DataFrame]:
    """The events in parts, each when its time has come: looked at every hundredth of a second."""
    if rate is None and speed_up is None:
        yield from events.iter_slices(AT_ONCE)
        return
    moments = events.get_column("timestamp").dt.epoch("us").to_numpy()
    start, done = time.monotonic(), 0
    while done < events.height:
        passed = time.monotonic() - start
        if rate is not None:
            due = min(events.height, int(passed * rate) + 1)
        else:
            due = int(np.searchsorted(moments, moments[0] + passed * speed_up * 1e6, side="right"))
        yield from events.slice(done, due - done).iter_slices(AT_ONCE)
        done = max(done, due)
        time.sleep(0.01)
