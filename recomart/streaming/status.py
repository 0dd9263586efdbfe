"""Status of the stream: per partition, what is durable and what is waiting at the broker."""

from __future__ import annotations

import polars as pl
from confluent_kafka import Consumer, KafkaException, TopicPartition

from recomart.project.params import Stream
from recomart.streaming.client import create, metadata, reason
from recomart.streaming.topic_ids import TopicIds
from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, generations
from recomart_lib.stream.commit_log import COUNTS, Zone

TIMEOUT_S = 10
# One row: a partition. `next`: the first offset that is not durable; `end`: the broker's; `lag`: messages between them
# (both null: the broker was not queried, or has no such partition). n_messages = n_events + n_dead + n_duplicates;
# `absent`: offsets below `next` without a message (removed by the broker, or transaction markers).
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
    counts = commit_log.counts(zone)
    rows = []
    for name in sorted({*counts, *(ends or {})}):
        committed = counts.get(name, {"next": 0, **dict.fromkeys(COUNTS, 0)})
        end = (ends or {}).get(name)
        lag = None if end is None else max(0, end - committed["next"])
        rows.append(
            {
                "partition": name,
                **committed,
                "end": end,
                "lag": lag,
                "absent": committed["next"] - committed["n_messages"],
            }
        )
    return pl.DataFrame(rows, schema=PARTITIONS)


def broker_ends(zone: Zone, settings: Stream) -> dict[str, int]:
    """Partition -> the offset of its next message; the partitions of a recreated topic are those of a new generation.

    Raises
    ------
    UserError
        If the broker does not answer.
    """
    consumer = create(Consumer, settings, settings.consumer, {"group.id": settings.group, "log_level": 0})
    try:
        topic = metadata(consumer, settings.topic, TIMEOUT_S).topics[settings.topic]
        if topic.error:
            raise KafkaException(topic.error)
        topic_id, ends = TopicIds(settings).get(consumer), {}
        for number in topic.partitions:
            name = generations.log_of(zone, settings.topic, number, topic_id)
            part = TopicPartition(settings.topic, number)
            ends[name] = consumer.get_watermark_offsets(part, timeout=TIMEOUT_S)[1]
        return ends
    except KafkaException as problem:
        raise UserError(reason(settings, problem)) from None
    finally:
        consumer.close()
