"""Events and topics for the tests of streaming, and what they need to consume and read them back."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime

import polars as pl
from brokers import ends
from confluent_kafka import Consumer, Producer, TopicPartition

from recomart.project.params import Stream
from recomart.streaming.consumer import run
from recomart_lib.core.schemas import EVENTS
from recomart_lib.stream import commit_log
from recomart_lib.validate.settings import Validate

NAMES = map("topic-{}".format, itertools.count())
PATIENCE_S = 60


def events(n: int, first: int = 0, **columns: object) -> pl.DataFrame:
    """Views of a product by forty users; `columns` overwrites some."""
    numbers = range(first, first + n)
    values = {"event_id": [f"e{i}" for i in numbers], "user_id": [f"u{i % 40}" for i in numbers]}
    values |= {"item_id": ["a"] * n, "event_type": ["view"] * n, "timestamp": [datetime(2026, 1, 1, tzinfo=UTC)] * n}
    values |= {name: [None] * n for name in EVENTS if name not in values}
    return pl.DataFrame(values | {name: [value] * n for name, value in columns.items()}, schema=EVENTS)


def stream_of(address: str, **settings: object) -> Stream:
    """A topic of its own; the embedded broker delays joining by a second less than the session timeout."""
    topic = next(NAMES)
    defaults = {"topic": topic, "dead_letter_topic": f"{topic}.dead", "group": f"{topic}-lake", "batch_max_ms": 20}
    return Stream(bootstrap_servers=address, **{**defaults, "consumer": {"session.timeout.ms": 4_000}, **settings})


def consume(zone: commit_log.Zone, stream: Stream, idle_s: float = 2, **more: object) -> int:
    return run(zone, stream, Validate(), lambda: False, idle_s, **more)


def put(stream: Stream, *messages: tuple[bytes | None, bytes | None]) -> None:
    """Write (key, value) messages as they are."""
    producer = Producer(
        {"bootstrap.servers": stream.bootstrap_servers, "message.max.bytes": 9_000_000, "enable.idempotence": True}
    )
    for key, value in messages:
        producer.produce(stream.topic, value, key)
    assert producer.flush(30) == 0


def sent_dead_letters(stream: Stream) -> list[tuple[bytes | None, dict[str, str]]]:
    """Everything committed to the dead-letter topic: value and headers.

    It reads each partition to its known end. While a transaction is open, a partition ends earlier for this reader, so
    an "end of partition" event alone does not mean that everything was read.
    """
    unread = ends(stream.bootstrap_servers, stream.dead_letter_topic)
    settings = {"bootstrap.servers": stream.bootstrap_servers, "group.id": "dead-letters"}
    consumer = Consumer({**settings, "isolation.level": "read_committed", "enable.partition.eof": True})
    consumer.assign([TopicPartition(stream.dead_letter_topic, part, 0) for part in unread])
    sent, start = [], time.monotonic()
    while unread:
        assert time.monotonic() - start < PATIENCE_S, f"not read to the ends {unread}: is a transaction still open?"
        for message in consumer.consume(1_000, 0.2):
            if not message.error():
                sent.append((message.value(), {name: value.decode() for name, value in message.headers()}))
            elif message.offset() >= unread.get(message.partition(), 0):
                unread.pop(message.partition(), None)
    consumer.close()
    return sent
