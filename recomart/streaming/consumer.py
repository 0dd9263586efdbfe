"""Events from a topic into the streaming zone, each once, in small batches; what is bad becomes a dead letter.

A batch of a partition is committed to the zone's log with its offsets (see `stream_log`). Then its dead letters go to
the dead-letter topic in one transaction with the group's offsets: the group's offset says up to where they are there.
What a killed consumer left between the two is sent by the next one.

A consumer works in sessions. Whatever goes wrong with the broker, or with another consumer that holds the same
partition, ends a session; the next one joins the group anew and goes on from what the zone and the broker say.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from recomart.project.params import Stream
from recomart.streaming.client import client
from recomart.streaming.dead_letters import TRANSACTION_S, Letters, Waiting
from recomart.streaming.messages import read
from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, compaction, latency
from recomart_lib.stream.commit_log import Zone
from recomart_lib.validate.settings import Validate

log = logging.getLogger(__name__)

PATIENCE_S = 30
SIDE_BY_SIDE = 4  # partitions that are written at a time
AGAIN_S = 1  # between two sessions
OFFSETS_EVERY_S = 1  # where there are no dead letters, the group's offsets only tell people the lag
LARGEST_BYTES = 10_000_000  # of a message
SETTINGS = {  # params.yaml: stream.client and stream.consumer may say otherwise
    "partition.assignment.strategy": "range",
    "fetch.wait.max.ms": 20,
    "fetch.message.max.bytes": LARGEST_BYTES,
    "session.timeout.ms": 10_000,
    "topic.metadata.refresh.interval.ms": 10_000,  # a topic that is made later is noticed
    "reconnect.backoff.ms": 500,
}
EXACTLY_ONCE = {"enable.auto.commit": False, "auto.offset.reset": "earliest", "isolation.level": "read_committed"}
HOPELESS = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.INVALID_SESSION_TIMEOUT,
    KafkaError.INCONSISTENT_GROUP_PROTOCOL,
    KafkaError._INVALID_ARG,
}


class Held:
    """One partition that this consumer holds: where it goes on, and the ids of its last events."""

    def __init__(self, zone: Zone, topic: str, partition: int, remember: int) -> None:
        self.name, self.partition, self._remember = f"{topic}-{partition}", partition, remember
        self.next, self.sent = commit_log.position(zone, self.name)
        self.told = 0  # the group's offset; the embedded broker does not keep one that came in a transaction
        self._ids = dict.fromkeys(_hashes(commit_log.last_ids(zone, self.name, remember)))

    def unseen(self, ids: pl.Series) -> pl.Series:
        """Which of these events are new (booleans); `learn` tells it that they were committed."""
        known = map(self._ids.__contains__, _hashes(ids))
        return ~pl.Series(known, dtype=pl.Boolean) & ids.is_first_distinct()

    def learn(self, upto: int, ids: pl.Series) -> None:
        self.next = upto
        self._ids.update(dict.fromkeys(_hashes(ids)))
        for old in list(itertools.islice(self._ids, max(0, len(self._ids) - self._remember))):
            del self._ids[old]


def _hashes(ids: pl.Series | list[str]) -> list[int]:
    # 64 bits: among a million ids, the odds that any two meet are one in forty million
    return pl.Series(ids, dtype=pl.String).hash().to_list()


def run(
    zone: Zone,
    settings: Stream,
    rules: Validate,
    stopped: Callable[[], bool],
    idle_s: float | None = None,
    follow: Callable[[pl.DataFrame], None] | None = None,
) -> int:
    """Consume until `stopped()`, or until nothing has come for `idle_s`; returns how many events it committed.

    What was read is committed before it ends, and the group is left.

    Parameters
    ----------
    follow
        Told of the events of each batch when they are durable: `stream_log.ROWS` and produced_at. What was durable when
        a consumer was killed, it may not have been told of.

    Raises
    ------
    UserError
        If the broker holds less than the log has committed, refuses this client, or does not answer for `idle_s`; or if
        the zone cannot be written.
    """
    compaction.sweep(zone)
    n, held_at = 0, time.monotonic()
    while True:
        session = Session(zone, settings, rules, follow)
        try:
            session.run(stopped, idle_s)
            return n + session.n_events
        except (commit_log.TakenError, KafkaException) as problem:
            said = _sentence(problem, settings)
        except OSError as problem:
            raise UserError(f"The zone {zone.root} cannot be written: {problem}. Nothing is lost.") from problem
        finally:
            session.close()
        if stopped():
            return n + session.n_events
        n, held_at = n + session.n_events, time.monotonic() if session.joined else held_at
        if idle_s is not None and time.monotonic() - held_at > idle_s:
            raise UserError(said)
        log.warning("%s Joining the group anew.", said)
        time.sleep(AGAIN_S)


def _sentence(problem: Exception, settings: Stream) -> str:
    """What ended a session; UserError if another one would end so, too."""
    if not isinstance(problem, KafkaException):
        return f"{problem}."
    said = f"Kafka at {settings.bootstrap_servers}: {problem.args[0].str()}."
    if problem.args[0].code() in HOPELESS:
        raise UserError(said) from None
    return said


class Session:
    """One membership of the group, from joining it to leaving it; `n_events` were committed."""

    def __init__(
        self, zone: Zone, settings: Stream, rules: Validate, follow: Callable[[pl.DataFrame], None] | None
    ) -> None:
        self._zone, self._settings, self._rules, self._follow = zone, settings, rules, follow
        self._held: dict[int, Held] = {}
        self.n_events, self._offsets_at = 0, time.monotonic()
        self.joined: float | None = None  # since when the group has given it partitions, or told it that there are none
        self._threads = ThreadPoolExecutor(SIDE_BY_SIDE, "commit")
        chosen = client(settings, SETTINGS, settings.consumer, EXACTLY_ONCE, {"group.id": settings.group})
        self._consumer = Consumer(chosen, logger=log)
        self._letters = Letters(settings, self._consumer)

    def run(self, stopped: Callable[[], bool], idle_s: float | None) -> None:
        """Consume until it should end; KafkaException or `stream_log.TakenError` if it cannot go on."""
        self._letters.start()
        self._consumer.subscribe(
            [self._settings.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        heard = time.monotonic()
        while not stopped() and not self._idle(heard, idle_s):
            messages = self._consumer.consume(self._settings.batch_max_events, self._settings.batch_max_ms / 1000)
            if messages:
                self._commit(messages)
                heard = time.monotonic()
            self._commit_offsets()
        self._commit_offsets(at_once=True)

    def _idle(self, heard: float, idle_s: float | None) -> bool:
        """Whether nothing has come for that long since it joined the group."""
        return idle_s is not None and self.joined is not None and time.monotonic() - max(heard, self.joined) > idle_s

    def close(self) -> None:
        """Leave the group."""
        self._held = {}
        self._consumer.close()
        self._threads.shutdown()

    def _assigned(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        for part in assigned:
            held = Held(self._zone, self._settings.topic, part.partition, self._settings.remember_ids)
            low, high = consumer.get_watermark_offsets(part, timeout=PATIENCE_S)
            if held.next > high:
                raise UserError(
                    f"{held.name}: the zone holds offsets up to {held.next}, the broker only up to {high}: the topic "
                    "was made anew. Name another topic in params.yaml: stream.topic."
                )
            if low > held.next:
                log.warning("%s: offsets %d to %d are gone from the broker", held.name, held.next, low)
            part.offset = max(held.next, low)
            self._held[part.partition] = held
        consumer.assign(assigned)
        # read_committed: the answer waits for a transaction that a killed consumer left open
        for part in consumer.committed(assigned, PATIENCE_S + TRANSACTION_S) if assigned else []:
            self._held[part.partition].sent = max(part.offset, self._held[part.partition].sent)
        self._send([self._left(held) for held in self._held.values() if held.next > held.sent])
        self.joined = time.monotonic()
        log.info("holds partitions %s", sorted(self._held))

    def _left(self, held: Held) -> Waiting:
        """The letters that a consumer committed before it was killed, and may not have sent."""
        return Waiting(held.partition, commit_log.dead_letters(self._zone, held.name, held.sent), held.next)

    def _revoked(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self._commit_offsets(at_once=True)
        self._lost(consumer, revoked)

    def _lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        for part in lost:
            self._held.pop(part.partition, None)

    def _commit(self, messages: list[Message]) -> None:
        """Make a batch durable, its partitions side by side (disks take long to sync); then dead letters are sent."""
        rows = _going_on(_raw(messages), {number: held.next for number, held in self._held.items()})
        if not rows.height:
            return
        judged = read(rows, datetime.now(UTC), self._settings.max_future_s, self._rules)
        parts = judged.with_columns(topic=pl.lit(self._settings.topic)).partition_by(
            "partition", as_dict=True, maintain_order=True
        )
        jobs = [self._threads.submit(self._commit_part, self._held[n], part) for (n,), part in parts.items()]
        wait(jobs)
        done = [job.result() for job in jobs if job.exception() is None]
        self._tell([fresh for fresh, _ in done])
        if problems := [problem for job in jobs if (problem := job.exception())]:
            raise problems[0]
        self._send([waiting for _, waiting in done if waiting.letters.height])

    def _tell(self, done: list[pl.DataFrame]) -> None:
        """Whoever follows learns of the events that are durable now."""
        n = sum(fresh.height for fresh in done)
        self.n_events += n
        if self._follow and n:
            self._follow(pl.concat(done))

    def _commit_part(self, held: Held, rows: pl.DataFrame) -> tuple[pl.DataFrame, Waiting]:
        """Commit a batch of one partition; returns its new events (`stream_schema.ROWS`, `ORIGIN`) and dead letters."""
        is_dead = rows.get_column("reason").is_not_null()
        good, dead = rows.filter(~is_dead), rows.filter(is_dead).select(list(commit_log.DEAD))
        fresh = good.filter(held.unseen(good.get_column("event_id")))
        facts = {"n_messages": rows.height, "n_duplicates": good.height - fresh.height, "sent": held.sent}
        upto = rows.get_column("offset")[-1] + 1
        commit_log.commit(
            self._zone,
            held.name,
            held.next,
            upto,
            fresh.select(list(commit_log.ROWS)),
            dead,
            lambda: facts | {"latency": latency.late(fresh.get_column("produced_at"), datetime.now(UTC))},
        )
        held.learn(upto, fresh.get_column("event_id"))
        return fresh.drop("key", "value", "reason"), Waiting(held.partition, dead, upto)

    def _send(self, waiting: list[Waiting]) -> None:
        for ends in self._letters.send(waiting):
            for number, end in ends.items():
                self._held[number].sent = end
            self._commit_offsets(at_once=True)

    def _commit_offsets(self, at_once: bool = False) -> None:
        """The group's offsets, when all dead letters before them are on their topic."""
        if not at_once and time.monotonic() - self._offsets_at < OFFSETS_EVERY_S:
            return
        self._offsets_at = time.monotonic()
        ahead = [held for held in self._held.values() if held.next > held.told]
        if ahead:
            ends = [TopicPartition(self._settings.topic, held.partition, held.next) for held in ahead]
            self._consumer.commit(offsets=ends, asynchronous=False)
            for held in ahead:
                held.sent = held.told = held.next


def _raw(messages: list[Message]) -> pl.DataFrame:
    """Messages as rows: partition, offset, key, value; an error that mends itself is logged, another one raised."""
    for error in filter(None, [message.error() for message in messages]):
        if error.fatal() or error.code() in HOPELESS:
            raise KafkaException(error)
        log.warning("Kafka: %s", error.str())
    good = [message for message in messages if message.error() is None]
    return pl.DataFrame(
        [
            # lists of their own: a tuple for each message would keep the garbage collector busy
            pl.Series("partition", [message.partition() for message in good], pl.Int32),
            pl.Series("offset", [message.offset() for message in good], pl.Int64),
            pl.Series("key", [message.key() for message in good], pl.Binary),
            pl.Series("value", [message.value() for message in good], pl.Binary),
        ]
    )


def _going_on(rows: pl.DataFrame, next_of: dict[int, int]) -> pl.DataFrame:
    """Those of held partitions, each offset once and in order: a rebalance may bring some of them again."""
    begin = pl.col("partition").replace_strict(next_of, default=None, return_dtype=pl.Int64)
    before = pl.col("offset").cum_max().shift(1, fill_value=-1).over("partition")
    return rows.filter(pl.col("offset") >= begin, pl.col("offset") > before)
