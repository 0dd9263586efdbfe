"""The id of a topic: a real broker gives one, which a recreated topic does not have; the embedded one gives none."""

from __future__ import annotations

import logging
import time

import pytest
from brokers import recreate
from confluent_kafka import Consumer
from stream_data import events, stream_of

from recomart.streaming.producer import produce
from recomart.streaming.topic_ids import TopicIds, answer


def test_the_embedded_broker_gives_no_id_and_that_is_logged_once(embedded_broker, caplog):
    stream = stream_of(embedded_broker)
    produce(events(1), stream)
    consumer, topic_ids = Consumer({"bootstrap.servers": embedded_broker, "group.id": stream.group}), TopicIds(stream)
    with caplog.at_level(logging.INFO):
        assert [topic_ids.get(consumer), topic_ids.get(consumer)] == [None, None]
    assert topic_ids.request() is None  # nothing to wait for
    assert caplog.text.count("the broker gives no topic id") == 1
    consumer.close()


@pytest.mark.slow
def test_a_recreated_topic_has_another_id(kafka):
    stream = stream_of(kafka.address)
    kafka.make(stream.topic, 1)
    consumer, topic_ids = Consumer({"bootstrap.servers": kafka.address, "group.id": stream.group}), TopicIds(stream)
    first = topic_ids.get(consumer)
    assert first
    assert answer(topic_ids.request()) == first
    recreate(kafka.address, stream.topic, 1)
    until = time.monotonic() + 60
    while (second := topic_ids.get(consumer)) is None and time.monotonic() < until:
        time.sleep(0.1)  # until the broker shows the new topic
    assert second not in (None, first)
    consumer.close()


@pytest.mark.slow
def test_a_topic_that_does_not_exist_has_none_and_is_not_created(kafka):
    stream = stream_of(kafka.address)
    consumer, topic_ids = Consumer({"bootstrap.servers": kafka.address, "group.id": stream.group}), TopicIds(stream)
    assert topic_ids.get(consumer) is None
    assert stream.topic not in consumer.list_topics(timeout=30).topics
    consumer.close()
