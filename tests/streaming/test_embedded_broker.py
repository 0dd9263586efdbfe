"""The two brokers of the tests: messages can be read back, and the real one keeps them when it is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import psutil
import pytest
from brokers import ends
from confluent_kafka import Consumer, Producer

from recomart.streaming import embedded_broker as streaming_embedded_broker
from recomart_lib.core.errors import UserError


def write(address: str, topic: str, messages: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "message.max.bytes": 8_000_000})
    for message in messages:
        producer.produce(topic, message, key=message[:8])
    assert producer.flush(30) == 0


def read(address: str, topic: str, n: int) -> list[bytes]:
    settings = {"bootstrap.servers": address, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    consumer, values = Consumer(settings), []
    consumer.subscribe([topic])
    while len(values) < n and (batch := consumer.consume(n, 20)):
        values += [message.value() for message in batch if not message.error()]
    consumer.close()
    return sorted(values)


def test_the_embedded_broker_returns_written_messages(embedded_broker):
    messages = sorted(f"{n:04d}".encode() for n in range(300))
    write(embedded_broker, "there-and-back", messages)
    assert read(embedded_broker, "there-and-back", 300) == messages


def test_the_embedded_broker_ends_with_its_block():
    with streaming_embedded_broker.embedded() as address:
        write(address, "t", [b"one"])
        host, port = address.split(":")
    listens = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    assert subprocess.run([sys.executable, "-c", listens, host, port], capture_output=True, check=False).returncode


def test_an_embedded_broker_that_cannot_start_is_an_error(monkeypatch):
    monkeypatch.setattr(streaming_embedded_broker.sys, "executable", "false")
    with pytest.raises(UserError, match="could not be started"), streaming_embedded_broker.embedded():
        pass


def test_an_embedded_broker_that_ended_too_early_is_an_error():
    with (
        pytest.raises(UserError, match="ended too early, with the exit status -9"),
        streaming_embedded_broker.embedded(),
    ):
        broker = max(psutil.Process().children(), key=psutil.Process.create_time)  # another may run for other tests
        broker.kill()
        os.waitid(os.P_PID, broker.pid, os.WEXITED | os.WNOWAIT)  # until all of its threads have ended


def test_a_real_kafka_keeps_messages_when_it_is_killed(kafka):
    topic = kafka.make("outlives", partitions=2, max_message_bytes="8000000")
    write(kafka.address, topic, [b"small", b"5" * 5_000_000])
    kafka.kill()
    kafka.start()
    assert sum(ends(kafka.address, topic).values()) == 2
    assert [len(message) for message in read(kafka.address, topic, 2)] == [5_000_000, 5]
