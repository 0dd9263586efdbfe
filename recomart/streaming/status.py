"""How the stream is: per partition, what is durable and what waits at the broker."""

from __future__ import annotations

import polars as pl
from confluent_kafka import Consumer, KafkaException, TopicPartition

from recomart.project.params import Stream
from recomart.streaming.client import client
from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log
from recomart_lib.stream.commit_log import COUNTS, Zone

PATIENCE_S = 10
# One row: a partition. `next`: the first offset that is not durable; `end`: the broker's; `lag`: messages between them
# (both null: the broker was not asked, or does not know the partition). n_messages = n_events + n_dead + n_duplicates;
# `absent`: offsets below `next` that held no message (removed by the broker, or marks of transactions).
PARTITIONS = {
    "partition": pl.String,
    "next": pl.Int64,
    "end": pl.Int64,
    "lag": pl.Int64,
    **dict.fromkeys(COUNTS, pl.Int64),
    "absent": pl.Int64,
}


def partitions(zone: Zone, ends: dict[str, int] | None = None) -> pl.DataFrame:
    """One row per partition (`PARTITIONS`); `ends`: see `broker_ends`."""
    counted = commit_log.counts(zone)
    rows = []
    for name in sorted({*counted, *(ends or {})}):
        held = counted.get(name, {"next": 0, **dict.fromkeys(COUNTS, 0)})
        end = (ends or {}).get(name)
        lag = None if end is None else max(0, end - held["next"])
        rows.append({"partition": name, **held, "end": end, "lag": lag, "absent": held["next"] - held["n_messages"]})
    return pl.DataFrame(rows, schema=PARTITIONS)


def broker_ends(settings: Stream) -> dict[str, int]:
    """Partition -> the offset that its next message gets.

    Raises
    ------
    UserError
        If the broker does not answer.
    """
    consumer = Consumer(client(settings, settings.consumer, {"group.id": settings.group, "log_level": 0}))
    try:
        known = consumer.list_topics(settings.topic, timeout=PATIENCE_S).topics[settings.topic]
        if known.error:
            raise KafkaException(known.error)
        parts = [TopicPartition(settings.topic, number) for number in known.partitions]
        asked = {part: consumer.get_watermark_offsets(part, timeout=PATIENCE_S) for part in parts}
        return {f"{part.topic}-{part.partition}": marks[1] for part, marks in asked.items()}
    except KafkaException as problem:
        raise UserError(f"Kafka at {settings.bootstrap_servers}: {problem.args[0].str()}.") from None
    finally:
        consumer.close()
