"""From the topic into the zone, exactly once: bad messages, duplicates, kills, zombies, restarts, slow disks.

All tests check the same invariant: each produced event is in the zone or among the dead letters, once; and the
dead-letter topic has each dead letter of the zone, once.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import polars as pl
import pytest
from brokers import recreate
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from stream_data import PATIENCE_S, consume, events, put, sent_dead_letters, stream_of

from recomart.project.params import Stream
from recomart.streaming import dead_letters, status
from recomart.streaming.producer import produce
from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, compaction
from recomart_lib.stream_report import sessions

CONSUME = """
import json, logging, signal, sys, threading
from pathlib import Path
from recomart.streaming import consumer
from recomart_lib.stream import commit_log
from recomart.project.params import Stream
from recomart_lib.validate.settings import Validate
logging.basicConfig(level="INFO", format="%(asctime)s %(message)s")
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
zone = commit_log.Zone(Path(sys.argv[1]), "s", "UTC")
print("ready", flush=True)
consumer.run(zone, Stream(**json.loads(sys.argv[2])), Validate(), stopped.is_set)
"""


@pytest.fixture
def zone(tmp_path):
    return commit_log.Zone(tmp_path, "s", "UTC")


def require_once(zone: commit_log.Zone, stream: Stream, ids: list[str], n_dead: int = 0, n_duplicates: int = 0) -> None:
    """These events are in the zone, once each; `n_dead` dead letters are there and on their topic, once each."""
    assert Counter(commit_log.read(zone).get_column("event_id")) == Counter(ids)
    dead = commit_log.dead_letters(zone)
    places = ["topic", "partition", "offset"]
    assert dead.height == dead.unique(places).height == n_dead
    if n_dead:
        sent = Counter(tuple(headers[place] for place in places) for _, headers in sent_dead_letters(stream))
        assert sent == Counter(dead.select(pl.col(places).cast(pl.String)).rows())
    total = sessions.totals(zone)
    assert (total["n_events"], total["n_dead"], total["n_duplicates"]) == (len(ids), n_dead, n_duplicates)
    assert total["n_messages"] == len(ids) + n_dead + n_duplicates


class Process:
    """A consumer in a process of its own."""

    def __init__(self, zone: commit_log.Zone, stream: Stream) -> None:
        command = [sys.executable, "-c", CONSUME, str(zone.folder), json.dumps(stream.model_dump())]
        with (zone.folder / "consumer.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
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
    return sum(counts["n_messages"] for counts in commit_log.counts(zone).values())


def message(**changes: object) -> bytes:
    fields = {
        "schema_version": 1,
        "event_id": "x",
        "user_id": "u",
        "item_id": "a",
        "event_type": "view",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    return json.dumps({**fields, **changes}).encode()


POISON = {
    "not JSON": (b"u", b"\xff{"),
    "not an object": (b"u", b"[1]"),
    "empty": (b"u", None),
    "of an unknown version": (b"u", message(schema_version=2)),
    "without a version": (b"u", b'{"event_id": "x"}'),
    "without a key": (None, message()),
    "of another key": (b"v", message()),
    "of a wrong type": (b"u", message(quantity="two")),
    "without a user": (b"u", message(user_id=None)),
    "of an unknown type": (b"u", message(event_type="hover")),
    "of a bad price": (b"u", message(event_type="purchase", price=-1)),
    "from the future": (b"u", message(timestamp="2099-01-01T00:00:00Z")),
    "without a zone": (b"u", message(timestamp="2026-01-01T00:00:00")),
    "of no time": (b"u", message(timestamp="0001-01-01T00:00:00Z")),
}


def test_bad_messages_become_dead_letters_and_good_events_around_them_reach_the_zone(embedded_broker, zone):
    stream = stream_of(embedded_broker)
    produce(events(100), stream)
    put(stream, *POISON.values())
    produce(events(100, 100), stream)
    assert consume(zone, stream) == 200
    require_once(zone, stream, [f"e{i}" for i in range(200)], len(POISON))
    assert Counter(value for value, _ in sent_dead_letters(stream)) == Counter(value for _, value in POISON.values())
    assert all(headers["reason"] for _, headers in sent_dead_letters(stream))


def test_an_event_delivered_twice_counts_as_a_duplicate(embedded_broker, zone):
    stream = stream_of(embedded_broker)
    produce(events(50), stream)
    produce(events(60), stream)
    consume(zone, stream)
    compaction.compact(zone)  # ids are remembered from compacted files, too
    produce(events(70), stream)
    consume(zone, stream)
    require_once(zone, stream, [f"e{i}" for i in range(70)], n_duplicates=110)


@pytest.mark.parametrize("compacted", [False, True])
def test_a_restart_resumes_at_the_end_of_the_zone_whatever_the_group_says(embedded_broker, zone, compacted):
    """Nor does it send dead letters again when the broker has forgotten the group, as it does after some days."""
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


def consume_until_killed(zone, stream, monkeypatch) -> None:
    """A consumer that is killed after it committed a batch, and before it sent the dead letters."""

    class KilledError(Exception):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(dead_letters.DeadLetterSender, "_transact", killed)
        with pytest.raises(KilledError):
            consume(zone, stream)


def test_dead_letters_that_a_killed_consumer_did_not_send_are_sent_by_the_next(embedded_broker, zone, monkeypatch):
    stream = stream_of(embedded_broker)
    put(stream, *POISON.values())
    consume_until_killed(zone, stream, monkeypatch)
    assert commit_log.dead_letters(zone).height
    compaction.compact(zone)
    consume(zone, stream)
    consume(zone, stream)
    require_once(zone, stream, [], len(POISON))


def test_a_transaction_that_hangs_is_abandoned(embedded_broker, zone, monkeypatch):
    stream, transact = stream_of(embedded_broker), dead_letters.DeadLetterSender._transact
    session, awake = [], threading.Event()

    def hangs(*arguments: object) -> None:
        if not session or session[0] is not arguments[0]:
            if session:
                return transact(*arguments)
            session.append(arguments[0])
        awake.wait()
        return None

    put(stream, *POISON.values())
    monkeypatch.setattr(dead_letters, "HANGS_S", 1)
    monkeypatch.setattr(dead_letters.DeadLetterSender, "_transact", hangs)
    consume(zone, stream)
    awake.set()
    require_once(zone, stream, [], len(POISON))


def test_two_owners_of_the_same_partition_commit_each_offset_once(zone):
    """A zombie still believes that it owns a partition that another consumer has taken over."""
    batch = events(10).with_columns(topic=pl.lit("t"), partition=pl.lit(0, pl.Int32), offset=pl.int_range(10))
    dead, facts = (
        pl.DataFrame(schema=commit_log.DEAD),
        lambda: {"n_messages": 10, "n_duplicates": 0, "latency": {}, "sent": 0},
    )
    commit_log.commit(zone, "t-0", 0, 10, batch, dead, facts)
    with pytest.raises(commit_log.CommitConflictError):
        commit_log.commit(zone, "t-0", 0, 5, batch.head(5), dead, facts)
    assert commit_log.read(zone).height == 10
    assert len(list(zone.root.glob("segments/*/*"))) == 1


def test_a_consumer_whose_offsets_were_taken_rejoins(embedded_broker, zone, monkeypatch):
    stream, commit, calls = stream_of(embedded_broker), commit_log.commit, []

    def overtaken(*arguments: object) -> dict:
        calls.append(arguments)
        if len(calls) == 1:
            commit(*arguments)  # by the other consumer, for the same offsets
        return commit(*arguments)

    produce(events(80), stream)
    monkeypatch.setattr(commit_log, "commit", overtaken)
    consume(zone, stream, 4)
    require_once(zone, stream, [f"e{i}" for i in range(80)])


def test_a_recreated_topic_is_refused(embedded_broker, zone):
    stream = stream_of(embedded_broker)
    dead, facts = (
        pl.DataFrame(schema=commit_log.DEAD),
        lambda: {"n_messages": 0, "n_duplicates": 0, "latency": {}, "sent": 0},
    )
    for number in range(4):
        none = pl.DataFrame(schema=commit_log.ROWS)
        commit_log.commit(zone, f"{stream.topic}-{number}", 0, 100, none, dead, facts)
    produce(events(10), stream)
    with pytest.raises(UserError, match="recreated"):
        consume(zone, stream)


def test_without_a_cluster_the_error_says_how_to_get_one(zone):
    with pytest.raises(UserError, match="make kafka"):
        consume(zone, Stream())


def test_a_zone_that_cannot_be_written_is_one_error_message(embedded_broker, zone, monkeypatch):
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


def test_a_slow_disk_delays_events_and_loses_nothing(embedded_broker, zone, monkeypatch):
    stream, sync = stream_of(embedded_broker), os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (time.sleep(0.1), sync(number))[1])
    sender = threading.Thread(target=produce, args=(events(2_000), stream, 1_000))
    sender.start()
    consume(zone, stream, 4)
    sender.join()
    require_once(zone, stream, [f"e{i}" for i in range(2_000)])
    assert sessions.totals(zone)["p50"] >= 100


def test_a_terminated_consumer_commits_what_it_read(embedded_broker, zone):
    stream = stream_of(embedded_broker)
    produce(events(500), stream)
    process = Process(zone, stream)
    until(lambda: n_messages(zone), "nothing was committed")
    assert process.end(signal.SIGTERM) == 0
    consume(zone, stream)
    require_once(zone, stream, [f"e{i}" for i in range(500)])


class Load:
    """Sends events at a rate, with bad messages between them, in a thread until `end`."""

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


def real_stream(kafka, partitions: int) -> Stream:
    """A topic and its dead-letter topic on the real broker; a dead consumer is noticed after six seconds."""
    stream = stream_of(kafka.address, consumer={"session.timeout.ms": 6_000})
    for topic in (stream.topic, stream.dead_letter_topic):
        kafka.make(topic, partitions)
    return stream


def wait_for_commits(zone: commit_log.Zone, n: int = 0) -> None:
    before = n_messages(zone)
    until(lambda: n_messages(zone) > before + n, "no further commit")


@pytest.mark.parametrize("n_kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_under_load_loses_and_duplicates_nothing(kafka, zone, n_kills):
    stream, rng = real_stream(kafka, 4), random.Random(n_kills)
    load = Load(stream, 2_000)
    for _ in range(n_kills):
        process = Process(zone, stream)
        wait_for_commits(zone)
        time.sleep(rng.uniform(0, 0.5))
        process.end(signal.SIGKILL)
        if rng.random() < 0.3:
            compaction.compact(zone)
    load.end()
    consume(zone, stream)
    require_once(zone, stream, load.ids, load.n_dead)


def test_the_next_owner_aborts_the_transaction_that_a_killed_consumer_left_open(kafka, zone, monkeypatch):
    """Neither it nor readers of the dead-letter topic wait until the transaction times out."""
    stream, killed = real_stream(kafka, 1), []

    class KilledError(Exception):
        pass

    def killed_in_the_middle(sender, batch, group) -> None:
        producer = sender._producers[batch.partition]
        producer.begin_transaction()
        for dead_letter in batch.dead_letters:
            sender._put(producer, dead_letter, [])
        producer.flush(30)
        offset = TopicPartition(stream.topic, batch.partition, batch.end)
        producer.send_offsets_to_transaction([offset], group, 30)
        killed.append(producer)  # it is not closed, as if its process were gone
        raise KilledError

    put(stream, *POISON.values())
    with monkeypatch.context() as patch:
        patch.setattr(dead_letters.DeadLetterSender, "_transact", killed_in_the_middle)
        with pytest.raises(KilledError):
            consume(zone, stream)
    assert len(killed) == 1
    start = time.monotonic()
    assert consume(zone, stream, 1) == 0
    require_once(zone, stream, [], len(POISON))
    assert time.monotonic() - start < dead_letters.TRANSACTION_S - 5


def test_offsets_are_not_committed_before_the_dead_letters_of_their_partition_are_sent(kafka, zone, monkeypatch):
    """Two partitions have dead letters, and the transaction of one of them fails: the next session sends them."""
    stream, transact, failed = real_stream(kafka, 2), dead_letters.DeadLetterSender._transact, []

    def fails(sender, batch, group) -> None:
        if batch.partition == 0 and not failed:
            failed.append(batch)
            raise KafkaException(KafkaError(KafkaError._FAIL, "on purpose"))
        transact(sender, batch, group)

    put(stream, *[(f"u{number}".encode(), b"poison") for number in range(40)])
    monkeypatch.setattr(dead_letters.DeadLetterSender, "_transact", fails)
    consume(zone, stream)
    assert len(failed) == 1
    require_once(zone, stream, [], 40)


def test_three_consumers_share_and_one_dies(kafka, zone):
    stream = real_stream(kafka, 6)
    load, processes = Load(stream, 1_000, 200), []
    for _ in range(3):
        processes.append(Process(zone, stream))
        wait_for_commits(zone, 1_000)
    processes.pop(0).end(signal.SIGKILL)
    wait_for_commits(zone, 4_000)
    load.end()
    until(lambda: n_messages(zone) == load.n_events + load.n_dead, "not all messages were committed")
    assert [process.end(signal.SIGTERM) for process in processes] == [0, 0]
    consume(zone, stream)
    require_once(zone, stream, load.ids, load.n_dead)


def test_a_zombie_that_wakes_up_duplicates_neither_events_nor_dead_letters(kafka, zone):
    stream = real_stream(kafka, 2)
    load, sleeper = Load(stream, 1_000, 50), Process(zone, stream)
    wait_for_commits(zone, 500)
    sleeper.process.send_signal(signal.SIGSTOP)
    other = Process(zone, stream)
    wait_for_commits(zone)
    sleeper.process.send_signal(signal.SIGCONT)
    wait_for_commits(zone, 2_000)
    load.end()
    until(lambda: n_messages(zone) == load.n_events + load.n_dead, "not all messages were committed")
    assert [other.end(signal.SIGTERM), sleeper.end(signal.SIGTERM)] == [0, 0]
    consume(zone, stream)
    require_once(zone, stream, load.ids, load.n_dead)


@pytest.mark.slow
def test_consumers_resume_after_the_broker_is_killed_and_restarted(kafka, zone):
    stream = real_stream(kafka, 4)
    process, load = Process(zone, stream), Load(stream, 1_000)
    for stop in (kafka.kill, kafka.stop):
        wait_for_commits(zone, 2_000)
        stop()
        kafka.start()
    wait_for_commits(zone, 2_000)
    load.end()
    until(lambda: n_messages(zone) >= load.n_events + load.n_dead, "not all messages were committed")
    assert process.end(signal.SIGTERM) == 0
    consume(zone, stream)
    require_once(zone, stream, load.ids, load.n_dead)


def test_a_dead_letter_of_5_megabytes_is_whole_in_the_zone_and_truncated_on_the_topic(kafka, zone):
    stream = stream_of(kafka.address, consumer={})
    kafka.make(stream.topic, 1, max_message_bytes="8000000")
    kafka.make(stream.dead_letter_topic, 1)
    produce(events(10), stream)
    put(stream, (b"u", b"x" * 5_000_000), (b"u", b"short"))
    produce(events(10, 10), stream)
    consume(zone, stream)
    require_once(zone, stream, [f"e{i}" for i in range(20)], 2)
    assert sorted(map(len, commit_log.dead_letters(zone).get_column("value"))) == [5, 5_000_000]
    reasons = {len(value): headers["reason"] for value, headers in sent_dead_letters(stream)}
    assert sorted(reasons) == [5, stream.dead_letter_max_bytes - dead_letters.OVERHEAD_BYTES]
    assert "truncated, of 5000000 bytes" in reasons[max(reasons)]


def test_dead_letters_too_large_for_the_topic_are_reported_and_sent_after_a_change(kafka, zone):
    stream = stream_of(kafka.address, consumer={})
    kafka.make(stream.topic, 1)
    kafka.make(stream.dead_letter_topic, 1, max_message_bytes="20000")
    put(stream, (b"u", b"x" * 50_000), (b"u", b"short"))
    with pytest.raises(UserError, match="does not accept dead letters of 1,000,000 bytes"):
        consume(zone, stream)
    consume(zone, stream.model_copy(update={"dead_letter_max_bytes": 10_000}))
    require_once(zone, stream, [], 2)


def test_a_session_timeout_that_the_broker_rejects_is_one_error_message(kafka, zone):
    stream = stream_of(kafka.address)
    kafka.make(stream.topic, 1)
    with pytest.raises(UserError, match="Invalid session timeout"):
        consume(zone, stream)


@pytest.mark.slow
@pytest.mark.parametrize("compacted", [False, True])
def test_a_recreated_topic_is_read_from_the_beginning_however_far_it_has_grown(kafka, zone, caplog, compacted):
    stream = real_stream(kafka, 2)
    produce(events(200), stream)
    put(stream, (b"u", b"bad"))
    consume(zone, stream)
    if compacted:
        compaction.compact(zone)
    recreate(kafka.address, stream.topic, 2)
    produce(events(600, 200), stream)
    produce(events(10, 195), stream)  # recognised, whether from the old topic or the new one
    put(stream, (b"u", b"bad again"))
    waiting = status.partitions(zone, status.broker_ends(zone, stream))
    assert waiting["lag"].sum() == 611
    assert set(waiting.drop_nulls("lag")["partition"]) == {f"{stream.topic}@2-0", f"{stream.topic}@2-1"}
    assert consume(zone, stream) == 600
    assert "was recreated: reading it from the beginning" in caplog.text
    produce(events(50, 800), stream)
    assert consume(zone, stream) == 50
    compaction.compact(zone)
    require_once(zone, stream, [f"e{i}" for i in range(850)], 2, 10)
    assert status.partitions(zone, status.broker_ends(zone, stream))["lag"].sum() == 0


@pytest.mark.slow
@pytest.mark.parametrize("n_new", [5, 100, 600])
def test_a_topic_that_is_recreated_under_a_running_consumer_is_read_from_the_beginning(kafka, zone, n_new):
    """The new topic is shorter, as long or longer than the old one."""
    stream = real_stream(kafka, 1)
    produce(events(100), stream)
    process = Process(zone, stream)
    until(lambda: n_messages(zone) == 100, "the first topic was not read")
    recreate(kafka.address, stream.topic, 1)
    produce(events(n_new, 100), stream)
    until(lambda: n_messages(zone) >= 100 + n_new, "the second topic was not read")
    assert process.end(signal.SIGTERM) == 0
    require_once(zone, stream, [f"e{i}" for i in range(100 + n_new)])


@pytest.mark.slow
def test_a_zone_without_a_topic_id_adopts_that_of_the_topic(kafka, zone):
    stream = real_stream(kafka, 1)
    produce(events(100), stream)
    consume(zone, stream)
    for path in zone.root.glob("log/*/*.json"):  # as an earlier version wrote them
        commit = json.loads(path.read_text())
        path.write_text(
            json.dumps({name: value for name, value in commit.items() if name not in ("topic_id", "check")})
        )
    produce(events(100, 100), stream)
    consume(zone, stream)
    assert commit_log.position(zone, f"{stream.topic}-0").topic_id
    recreate(kafka.address, stream.topic, 1)
    produce(events(300, 200), stream)
    consume(zone, stream)
    require_once(zone, stream, [f"e{i}" for i in range(500)])


@pytest.mark.slow
def test_dead_letters_of_a_topic_that_was_recreated_before_they_were_sent_are_sent(kafka, zone, monkeypatch):
    stream = real_stream(kafka, 1)
    put(stream, *POISON.values())
    consume_until_killed(zone, stream, monkeypatch)
    recreate(kafka.address, stream.topic, 1)
    produce(events(10), stream)
    put(stream, *POISON.values())
    for _ in range(2):
        consume(zone, stream)
    require_once(zone, stream, [f"e{i}" for i in range(10)], 2 * len(POISON))
