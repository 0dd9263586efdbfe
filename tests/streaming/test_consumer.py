"""From the topic into the lake, each event once: poison, duplicates, kills, zombies, rebalances, restarts, slow disks.

The rule behind all of them: what was produced is in the lake or among the dead letters, once; and what is on the
dead-letter topic is what the zone holds as dead letters, once.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from brokers import ends
from confluent_kafka import Consumer, Producer, TopicPartition

from recomart.project.params import Stream
from recomart.streaming import dead_letters
from recomart.streaming.consumer import run
from recomart.streaming.producer import produce
from recomart_lib.core.errors import UserError
from recomart_lib.core.schemas import EVENTS
from recomart_lib.stream import commit_log, compaction
from recomart_lib.stream_report import sessions
from recomart_lib.validate.settings import Validate

NAMES = map("topic-{}".format, itertools.count())
CONSUME = """
import json, logging, signal, sys, threading
from pathlib import Path
from recomart.streaming import consumer
from recomart_lib.stream import commit_log
from recomart.project.params import Stream
from recomart_lib.validate.settings import Validate
logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
told = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: told.set())
zone = commit_log.Zone(Path(sys.argv[1]), "s", "UTC")
print("ready", flush=True)
consumer.run(zone, Stream(**json.loads(sys.argv[2])), Validate(), told.is_set)
"""
PATIENCE_S = 60


def events(n: int, first: int = 0, **columns: object) -> pl.DataFrame:
    """Views of a product by forty users; `columns` overwrites some."""
    numbers = range(first, first + n)
    told = {"event_id": [f"e{i}" for i in numbers], "user_id": [f"u{i % 40}" for i in numbers]}
    told |= {"item_id": ["a"] * n, "event_type": ["view"] * n, "timestamp": [datetime(2026, 1, 1, tzinfo=UTC)] * n}
    told |= {name: [None] * n for name in EVENTS if name not in told}
    return pl.DataFrame(told | {name: [value] * n for name, value in columns.items()}, schema=EVENTS)


def stream_of(address: str, **settings: object) -> Stream:
    """A stream of its own; the embedded broker makes who joins wait for a second less than the session's timeout."""
    topic = next(NAMES)
    told = {"topic": topic, "dead_letter_topic": f"{topic}.dead", "group": f"{topic}-lake", "batch_max_ms": 20}
    return Stream(bootstrap_servers=address, **{**told, "consumer": {"session.timeout.ms": 4_000}, **settings})


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path, "s", "UTC")


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


def letters(stream: Stream) -> list[tuple[bytes | None, dict[str, str]]]:
    """What is on the dead-letter topic and was committed: value and headers."""
    told = ends(stream.bootstrap_servers, stream.dead_letter_topic)
    settings = {"bootstrap.servers": stream.bootstrap_servers, "group.id": "letters", "enable.partition.eof": True}
    consumer, found, open_parts = Consumer({**settings, "isolation.level": "read_committed"}), [], len(told)
    consumer.assign([TopicPartition(stream.dead_letter_topic, part, 0) for part in told])
    while open_parts:
        for message in consumer.consume(1_000, 1):
            if message.error():
                open_parts -= 1
            else:
                found.append((message.value(), {name: value.decode() for name, value in message.headers()}))
    consumer.close()
    return found


def require_once(zone: commit_log.Zone, stream: Stream, ids: list[str], n_dead: int = 0, n_again: int = 0) -> None:
    """All accounted for: these events in the lake, once each; so many dead letters, here and on their topic."""
    assert Counter(commit_log.read(zone).get_column("event_id")) == Counter(ids)
    dead = commit_log.dead_letters(zone)
    places = ["topic", "partition", "offset"]
    assert dead.height == dead.unique(places).height == n_dead
    if n_dead:
        sent = Counter(tuple(headers[place] for place in places) for _, headers in letters(stream))
        assert sent == Counter(dead.select(pl.col(places).cast(pl.String)).rows())
    total = sessions.ever(zone)
    assert (total["n_events"], total["n_dead"], total["n_duplicates"]) == (len(ids), n_dead, n_again)
    assert total["n_messages"] == len(ids) + n_dead + n_again


class Process:
    """A consumer in a process of its own."""

    def __init__(self, zone: commit_log.Zone, stream: Stream) -> None:
        command = [sys.executable, "-c", CONSUME, str(zone.folder), json.dumps(stream.model_dump())]
        with (zone.folder / "said.log").open("a") as said:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said)
        assert self.process.stdout.readline() == b"ready\n"

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def until(condition, what: str) -> None:
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < PATIENCE_S, what
        time.sleep(0.05)


def n_messages(zone: commit_log.Zone) -> int:
    return sum(one["n_messages"] for one in commit_log.counts(zone).values())


def message(**changes: object) -> bytes:
    told = {
        "schema_version": 1,
        "event_id": "x",
        "user_id": "u",
        "item_id": "a",
        "event_type": "view",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    return json.dumps({**told, **changes}).encode()


FAR = (datetime.now(UTC) + timedelta(days=2)).isoformat()
POISON = {
    "not JSON": (b"u", b"\xff{"),
    "not an object": (b"u", b"[1]"),
    "nothing": (b"u", None),
    "of a version that is not known": (b"u", message(schema_version=2)),
    "without a version": (b"u", b'{"event_id": "x"}'),
    "without a key": (None, message()),
    "of another key": (b"v", message()),
    "of a wrong type": (b"u", message(quantity="two")),
    "without a user": (b"u", message(user_id=None)),
    "of an unknown type": (b"u", message(event_type="hover")),
    "of a bad price": (b"u", message(event_type="purchase", price=-1)),
    "from the future": (b"u", message(timestamp=FAR)),
    "without a zone": (b"u", message(timestamp="2026-01-01T00:00:00")),
}


def test_poison_goes_to_the_dead_letters_and_good_events_around_it_into_the_lake(embedded_broker, zone):
    stream = stream_of(embedded_broker)
    produce(events(100), stream)
    put(stream, *POISON.values())
    produce(events(100, 100), stream)
    assert consume(zone, stream) == 200
    require_once(zone, stream, [f"e{i}" for i in range(200)], len(POISON))
    assert Counter(value for value, _ in letters(stream)) == Counter(value for _, value in POISON.values())
    assert all(headers["reason"] for _, headers in letters(stream))


def test_an_event_that_is_delivered_again_counts_as_a_duplicate(embedded_broker, zone):
    stream = stream_of(embedded_broker)
    produce(events(50), stream)
    produce(events(60), stream)
    consume(zone, stream)
    compaction.compact(zone)  # what is remembered is found in compacted files, too
    produce(events(70), stream)
    consume(zone, stream)
    require_once(zone, stream, [f"e{i}" for i in range(70)], n_again=110)


@pytest.mark.parametrize("compacted", [False, True])
def test_a_second_start_goes_on_where_the_zone_ends_whatever_the_group_says(embedded_broker, zone, compacted):
    """Nor are letters sent again when the broker has forgotten the group, as it does after some days."""
    stream = stream_of(embedded_broker)
    put(stream, *POISON.values())
    consume(zone, stream)
    produce(events(50), stream)
    consume(zone, stream)
    if compacted:
        compaction.compact(zone)
    produce(events(50, 50), stream)
    assert consume(zone, stream.model_copy(update={"group": f"{stream.group}-another"})) == 50
    require_once(zone, stream, [f"e{i}" for i in range(100)], len(POISON))


def test_letters_that_a_killed_consumer_did_not_send_are_sent_by_the_next(embedded_broker, zone, monkeypatch):
    stream = stream_of(embedded_broker)
    put(stream, *POISON.values())

    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(dead_letters.Letters, "_transact", killed)
        with pytest.raises(KilledError):
            consume(zone, stream)
    assert commit_log.dead_letters(zone).height
    compaction.compact(zone)
    consume(zone, stream)
    consume(zone, stream)
    require_once(zone, stream, [], len(POISON))


def test_a_transaction_that_hangs_is_left_to_itself(embedded_broker, zone, monkeypatch):
    stream, transact, hung, awake = stream_of(embedded_broker), dead_letters.Letters._transact, [], threading.Event()

    def hangs(*arguments: object) -> None:
        if hung:
            return transact(*arguments)
        hung.append(arguments)
        awake.wait()
        return None

    put(stream, *POISON.values())
    monkeypatch.setattr(dead_letters, "HANGS_S", 1)
    monkeypatch.setattr(dead_letters.Letters, "_transact", hangs)
    consume(zone, stream)
    awake.set()
    require_once(zone, stream, [], len(POISON))


def test_two_that_hold_the_same_partition_commit_each_offset_once(zone):
    """A zombie: it believes that it holds what another has gone on with."""
    batch = events(10).with_columns(topic=pl.lit("t"), partition=pl.lit(0, pl.Int32), offset=pl.int_range(10))
    dead, facts = (
        pl.DataFrame(schema=commit_log.DEAD),
        lambda: {"n_messages": 10, "n_duplicates": 0, "latency": {}, "sent": 0},
    )
    commit_log.commit(zone, "t-0", 0, 10, batch, dead, facts)
    with pytest.raises(commit_log.TakenError):
        commit_log.commit(zone, "t-0", 0, 5, batch.head(5), dead, facts)
    assert commit_log.read(zone).height == 10
    assert len(list(zone.root.glob("segments/*/*"))) == 1


def test_a_consumer_whose_offsets_were_taken_joins_anew(embedded_broker, zone, monkeypatch):
    stream, commit, calls = stream_of(embedded_broker), commit_log.commit, []

    def overtaken(*arguments: object) -> dict:
        calls.append(arguments)
        if len(calls) == 1:
            commit(*arguments)  # the other one's, for the same offsets
        return commit(*arguments)

    produce(events(80), stream)
    monkeypatch.setattr(commit_log, "commit", overtaken)
    consume(zone, stream, 4)
    require_once(zone, stream, [f"e{i}" for i in range(80)])


def test_a_topic_that_was_made_anew_is_refused(embedded_broker, zone):
    stream = stream_of(embedded_broker)
    dead, facts = (
        pl.DataFrame(schema=commit_log.DEAD),
        lambda: {"n_messages": 0, "n_duplicates": 0, "latency": {}, "sent": 0},
    )
    for number in range(4):
        none = pl.DataFrame(schema=commit_log.ROWS)
        commit_log.commit(zone, f"{stream.topic}-{number}", 0, 100, none, dead, facts)
    produce(events(10), stream)
    with pytest.raises(UserError, match="made anew"):
        consume(zone, stream)


def test_without_a_cluster_it_says_how_to_get_one(zone):
    with pytest.raises(UserError, match="make kafka"):
        consume(zone, Stream())


def test_a_zone_that_cannot_be_written_is_one_sentence(embedded_broker, zone, monkeypatch):
    stream = stream_of(embedded_broker)
    produce(events(10), stream)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="No space left"):
            consume(zone, stream)
    consume(zone, stream)
    require_once(zone, stream, [f"e{i}" for i in range(10)])


def test_a_slow_disk_makes_it_late_and_loses_nothing(embedded_broker, zone, monkeypatch):
    stream, sync = stream_of(embedded_broker), os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (time.sleep(0.1), sync(number))[1])
    sender = threading.Thread(target=produce, args=(events(2_000), stream, 1_000))
    sender.start()
    consume(zone, stream, 4)
    sender.join()
    require_once(zone, stream, [f"e{i}" for i in range(2_000)])
    assert sessions.ever(zone)["p50"] >= 100


def test_a_consumer_that_is_asked_to_end_commits_what_it_read(embedded_broker, zone):
    stream = stream_of(embedded_broker)
    produce(events(500), stream)
    process = Process(zone, stream)
    until(lambda: n_messages(zone), "nothing was committed")
    assert process.end(signal.SIGTERM) == 0
    consume(zone, stream)
    require_once(zone, stream, [f"e{i}" for i in range(500)])


class Load:
    """Events at a rate, with poison between them, in a thread until it is ended."""

    def __init__(self, stream: Stream, rate: int, poison_every: int = 100) -> None:
        self.n_events = self.n_dead = 0
        self._stream, self._rate, self._every, self._ended = stream, rate, poison_every, threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._ended.is_set():
            produce(events(self._rate, self.n_events), self._stream, self._rate)
            self.n_events += self._rate
            numbers = range(0, self._rate, self._every)
            put(self._stream, *[(b"u", f"poison {self.n_dead + n}".encode()) for n in range(len(numbers))])
            self.n_dead += len(numbers)

    def end(self) -> None:
        self._ended.set()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    @property
    def ids(self) -> list[str]:
        return [f"e{i}" for i in range(self.n_events)]


def real(kafka, partitions: int) -> Stream:
    """A topic and its dead-letter topic on the real broker; a dead consumer is missed after six seconds."""
    stream = stream_of(kafka.address, consumer={"session.timeout.ms": 6_000})
    for topic in (stream.topic, stream.dead_letter_topic):
        kafka.make(topic, partitions)
    return stream


def goes_on(zone: commit_log.Zone, n: int = 0) -> None:
    before = n_messages(zone)
    until(lambda: n_messages(zone) > before + n, "nothing more is committed")


@pytest.mark.parametrize("n_kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_under_load_loses_and_doubles_nothing(kafka, zone, n_kills):
    stream, chance = real(kafka, 4), random.Random(n_kills)
    load = Load(stream, 2_000)
    for _ in range(n_kills):
        process = Process(zone, stream)
        goes_on(zone)
        time.sleep(chance.uniform(0, 0.5))
        process.end(signal.SIGKILL)
        if chance.random() < 0.3:
            compaction.compact(zone)
    load.end()
    consume(zone, stream)
    require_once(zone, stream, load.ids, load.n_dead)


def test_three_consumers_share_and_one_dies(kafka, zone):
    stream = real(kafka, 6)
    load, processes = Load(stream, 1_000, 200), []
    for _ in range(3):
        processes.append(Process(zone, stream))
        goes_on(zone, 1_000)
    processes.pop(0).end(signal.SIGKILL)
    goes_on(zone, 4_000)
    load.end()
    until(lambda: n_messages(zone) == load.n_events + load.n_dead, "not all came")
    assert [process.end(signal.SIGTERM) for process in processes] == [0, 0]
    consume(zone, stream)
    require_once(zone, stream, load.ids, load.n_dead)


def test_a_zombie_that_wakes_up_doubles_neither_events_nor_letters(kafka, zone):
    stream = real(kafka, 2)
    load, sleeper = Load(stream, 1_000, 50), Process(zone, stream)
    goes_on(zone, 500)
    sleeper.process.send_signal(signal.SIGSTOP)
    other = Process(zone, stream)
    goes_on(zone)
    sleeper.process.send_signal(signal.SIGCONT)
    goes_on(zone, 2_000)
    load.end()
    until(lambda: n_messages(zone) == load.n_events + load.n_dead, "not all came")
    assert [other.end(signal.SIGTERM), sleeper.end(signal.SIGTERM)] == [0, 0]
    consume(zone, stream)
    require_once(zone, stream, load.ids, load.n_dead)


@pytest.mark.slow
def test_a_broker_that_is_killed_and_started_again_holds_nobody_up_for_ever(kafka, zone):
    stream = real(kafka, 4)
    process, load = Process(zone, stream), Load(stream, 1_000)
    for stop in (kafka.kill, kafka.stop):
        goes_on(zone, 2_000)
        stop()
        kafka.start()
    goes_on(zone, 2_000)
    load.end()
    until(lambda: n_messages(zone) >= load.n_events + load.n_dead, "not all came")
    assert process.end(signal.SIGTERM) == 0
    consume(zone, stream)
    require_once(zone, stream, load.ids, load.n_dead)


def test_a_letter_of_5_megabytes_is_whole_in_the_zone_and_cut_on_the_topic(kafka, zone):
    stream = stream_of(kafka.address, consumer={})
    kafka.make(stream.topic, 1, max_message_bytes="8000000")
    kafka.make(stream.dead_letter_topic, 1)
    produce(events(10), stream)
    put(stream, (b"u", b"x" * 5_000_000), (b"u", b"short"))
    produce(events(10, 10), stream)
    consume(zone, stream)
    require_once(zone, stream, [f"e{i}" for i in range(20)], 2)
    assert sorted(map(len, commit_log.dead_letters(zone).get_column("value"))) == [5, 5_000_000]
    told = {len(value): headers["reason"] for value, headers in letters(stream)}
    assert sorted(told) == [5, stream.dead_letter_max_bytes - dead_letters.ROOM_BYTES]
    assert "cut, of 5000000 bytes" in told[max(told)]


def test_a_topic_that_takes_no_such_letters_is_told_and_they_are_sent_when_it_does(kafka, zone):
    stream = stream_of(kafka.address, consumer={})
    kafka.make(stream.topic, 1)
    kafka.make(stream.dead_letter_topic, 1, max_message_bytes="20000")
    put(stream, (b"u", b"x" * 50_000), (b"u", b"short"))
    with pytest.raises(UserError, match="takes no dead letters of 1,000,000 bytes"):
        consume(zone, stream)
    consume(zone, stream.model_copy(update={"dead_letter_max_bytes": 10_000}))
    require_once(zone, stream, [], 2)


def test_a_session_that_the_broker_finds_too_short_is_one_sentence(kafka, zone):
    stream = stream_of(kafka.address)
    kafka.make(stream.topic, 1)
    with pytest.raises(UserError, match="Invalid session timeout"):
        consume(zone, stream)
