"""Fixtures: the embedded broker, and a real Apache Kafka that can be stopped, killed and restarted."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from recomart.streaming.embedded_broker import embedded

SCRIPT = Path(__file__).resolve().parents[1] / "kafka" / "broker.sh"
STARTS_S = 120  # the first start downloads 43 MB of jars
# a broker that has just started answers before it leads its partitions: a busy machine shows it
NO_LEADER_YET = {KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE}


class Kafka:
    """One broker of Apache Kafka 4 on its own port; its data survives `stop` and `kill`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, _free_port()
        self.address = f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the broker, and wait until it responds."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "broker.log").open("a") as log:
            command = [SCRIPT, self.folder, str(self.port)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        client, start = AdminClient({"bootstrap.servers": self.address, "log_level": 0}), time.monotonic()
        while time.monotonic() - start < STARTS_S and self._process.poll() is None:
            try:
                if client.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                time.sleep(0.1)
        self.kill()
        output = (self.folder / "broker.log").read_text()[-2000:]
        raise RuntimeError(f"Apache Kafka did not start within {STARTS_S} s: {output}")

    def stop(self) -> None:
        """Shut the broker down cleanly."""
        self._process.terminate()
        self._process.wait(60)

    def kill(self) -> None:
        """Kill the broker, like a power failure."""
        self._process.kill()
        self._process.wait(60)

    def make(self, topic: str, partitions: int = 4, **settings: str) -> str:
        """Create a topic; returns its name. `settings`: Kafka's, with _ instead of . (`max_message_bytes`)."""
        make_topic(self.address, topic, partitions, {name.replace("_", "."): value for name, value in settings.items()})
        return topic


def make_topic(address: str, topic: str, partitions: int, settings: dict[str, str] | None = None) -> None:
    """Create a topic on a real broker, and wait until it exists."""
    client = AdminClient({"bootstrap.servers": address})
    client.create_topics([NewTopic(topic, partitions, 1, config=settings or {})])[topic].result(30)


def recreate(address: str, topic: str, partitions: int) -> None:
    """Delete a topic of a real broker, and create another one under its name."""
    client = AdminClient({"bootstrap.servers": address})
    client.delete_topics([topic], operation_timeout=30)[topic].result(30)
    start = time.monotonic()
    while topic in client.list_topics(timeout=30).topics:
        assert time.monotonic() - start < STARTS_S, f"{topic} still exists"
        time.sleep(0.1)
    make_topic(address, topic, partitions)


def ends(address: str, topic: str) -> dict[int, int]:
    """Partition -> offset of its next message."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "ends"})
    try:
        parts = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        return {part: _end(consumer, TopicPartition(topic, part)) for part in parts}
    finally:
        consumer.close()


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    """The offset of a partition's next message, once the broker leads it."""
    start = time.monotonic()
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=30)[1]
        except KafkaException as problem:
            if problem.args[0].code() not in NO_LEADER_YET or time.monotonic() - start > STARTS_S:
                raise
            time.sleep(0.1)


def _free_port() -> int:
    """A free port; the next one, for the controller, is free, too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def _missing() -> str | None:
    """What Apache Kafka needs and this machine lacks, if anything."""
    if not shutil.which("java"):
        return "Java 17 (there is no java)"
    java_version = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', java_version)
    if not version or int(version[1]) < 17:
        return f"Java 17 (found: {java_version.splitlines()[0] if java_version else 'nothing'})"
    if not shutil.which("mvn") and not (SCRIPT.parent / "jars" / ".complete").exists():
        return "Maven, to fetch Kafka's jars (there is no mvn)"
    return None


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[str]:
    """The address of a small broker in memory, available on every machine."""
    with embedded() as address:
        yield address


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A running Apache Kafka, shared by the tests of a session: each test creates its own topics."""
    if missing := _missing():
        pytest.skip(f"NO REAL KAFKA: the tests of streaming under load and restarts need {missing}.")
    broker = Kafka(tmp_path_factory.mktemp("kafka"))
    broker.start()
    yield broker
    broker.stop()
