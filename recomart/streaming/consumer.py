"""Consume events from a topic into the streaming zone, exactly once, in small batches; bad ones become dead letters.

A batch of a partition is committed to the zone's log with its offsets (see `commit_log`). Then its dead letters go to
the dead-letter topic in one transaction with the group's offset, which says which dead letters are on the topic. If a
consumer is killed between the two steps, the next one sends them.

A consumer works in sessions. Any problem with the broker, or with another consumer that owns the same partition, ends
the session; the next one rejoins the group and resumes from what the zone and the broker have.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from recomart.project.params import Stream
from recomart.streaming.client import create, metadata, reason, redacted
from recomart.streaming.dead_letters import TRANSACTION_S, DeadLetterSender, Unsent
from recomart.streaming.messages import read
from recomart.streaming.owned_partition import OwnedPartition
from recomart.streaming.topic_ids import TopicIds, answer
from recomart_lib.core import clock
from recomart_lib.core.errors import UserError
from recomart_lib.stream import commit_log, compaction, generations, latency
from recomart_lib.stream.commit_log import Zone
from recomart_lib.validate.settings import Validate

log = logging.getLogger(__name__)

TIMEOUT_S = 30
MAX_THREADS = 4  # partitions that are written in parallel
RETRY_S = 1  # between two sessions
TOPIC_EVERY_S = 10  # how often an idle consumer asks whether its topic was recreated
OFFSETS_EVERY_S = 1  # without dead letters, the group's offsets only serve to display the lag
MAX_MESSAGE_BYTES = 10_000_000
SETTINGS = {  # params.yaml: stream.client and stream.consumer override these
    "partition.assignment.strategy": "range",
    "fetch.wait.max.ms": 20,
    "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
    "session.timeout.ms": 10_000,
    "topic.metadata.refresh.interval.ms": 10_000,  # so that a topic created later is noticed
    "reconnect.backoff.ms": 500,
}
# an offset that the broker no longer has ends the session: the next one says which offsets are gone
EXACTLY_ONCE = {"enable.auto.commit": False, "auto.offset.reset": "error", "isolation.level": "read_committed"}
FATAL = {
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


class TopicRecreatedError(Exception):
    """The topic is not the one from which this session started to read."""


def run(
    zone: Zone,
    settings: Stream,
    rules: Validate,
    stopped: Callable[[], bool],
    idle_s: float | None = None,
    follow: Callable[[pl.DataFrame], None] | None = None,
) -> int:
    """Consume until `stopped()`, or until no message has arrived for `idle_s` seconds.

    Before it returns, it commits what it has read and leaves the group.

    Parameters
    ----------
    follow
        Called with the events of each batch once they are durable: `commit_log.ROWS` and produced_at. If the consumer
        is killed, it may miss events that are already durable.

    Returns
    -------
    int
        The number of committed events.

    Raises
    ------
    UserError
        If the broker has fewer messages than the log has committed, rejects this client, or does not answer for
        `idle_s`; or if the zone cannot be written.
    """
    compaction.sweep(zone)
    n, joined_at, topic_ids = 0, time.monotonic(), TopicIds(settings)
    while True:
        session = Session(zone, settings, rules, follow, topic_ids)
        try:
            session.run(stopped, idle_s)
            return n + session.n_events
        except (commit_log.CommitConflictError, TopicRecreatedError, KafkaException) as problem:
            sentence = _sentence(problem, settings)
        except OSError as problem:
            raise UserError(f"The zone {zone.root} cannot be written: {problem}. Nothing is lost.") from problem
        finally:
            session.close()
        if stopped():
            return n + session.n_events
        n, joined_at = n + session.n_events, time.monotonic() if session.joined else joined_at
        if idle_s is not None and time.monotonic() - joined_at > idle_s:
            raise UserError(sentence)
        log.warning("%s Rejoining the group.", sentence)
        time.sleep(RETRY_S)


def _sentence(problem: Exception, settings: Stream) -> str:
    """Why a session ended; UserError if a new session would end for the same reason."""
    if not isinstance(problem, KafkaException):
        return f"{problem}."
    sentence = reason(settings, problem)
    if problem.args[0].code() in FATAL:
        raise UserError(sentence) from None
    return sentence


class Session:
    """One membership of the group, from joining it to leaving it; `n_events` were committed."""

    def __init__(
        self,
        zone: Zone,
        settings: Stream,
        rules: Validate,
        follow: Callable[[pl.DataFrame], None] | None,
        topic_ids: TopicIds,
    ) -> None:
        self._zone, self._settings, self._rules, self._follow = zone, settings, rules, follow
        self._topic_ids, self._topic_at = topic_ids, time.monotonic()
        self._topic_request: Future | None = None
        self._owned: dict[int, OwnedPartition] = {}
        self.n_events, self._offsets_at = 0, time.monotonic()
        self.joined: float | None = None  # when the group assigned partitions to it, or none
        self._threads = ThreadPoolExecutor(MAX_THREADS, "commit")
        own = EXACTLY_ONCE, {"group.id": settings.group}
        self._consumer = create(Consumer, settings, SETTINGS, settings.consumer, *own)
        self._dead_letters = DeadLetterSender(settings, self._consumer)

    def run(self, stopped: Callable[[], bool], idle_s: float | None) -> None:
        """Consume until it should end.

        KafkaException, `TopicRecreatedError` or `commit_log.CommitConflictError` if it cannot continue.
        """
        metadata(self._consumer, timeout_s=TRANSACTION_S)  # KafkaException if no broker answers
        self._consumer.subscribe(
            [self._settings.topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )
        last_message_at = time.monotonic()
        while not stopped() and not self._idle(last_message_at, idle_s):
            messages = self._consumer.consume(self._settings.batch_max_events, self._settings.batch_max_ms / 1000)
            if messages:
                self._commit(messages)
                last_message_at = time.monotonic()
            self._watch_topic()
            self._commit_offsets()
        self._commit_offsets(immediately=True)

    def _watch_topic(self) -> None:
        """Ask for the topic's id now and then, without waiting: no message may come from where the old one ended."""
        if self._topic_request and self._topic_request.done():
            self._require_same_topic(answer(self._topic_request), 0)
            self._topic_request = None
        elif not self._topic_request and time.monotonic() - self._topic_at > TOPIC_EVERY_S:
            self._topic_request, self._topic_at = self._topic_ids.request(), time.monotonic()

    def _idle(self, last_message_at: float, idle_s: float | None) -> bool:
        """Whether no message has arrived for `idle_s` seconds since it joined the group."""
        if idle_s is None or self.joined is None:
            return False
        return time.monotonic() - max(last_message_at, self.joined) > idle_s

    def close(self) -> None:
        """Leave the group."""
        self._owned = {}
        self._consumer.close()
        self._threads.shutdown()

    def _assigned(self, consumer: Consumer, assigned: list[TopicPartition]) -> None:
        topic_id = self._topic_ids.get(consumer) if assigned else None
        for part in assigned:
            owned = OwnedPartition(
                self._zone, self._settings.topic, part.partition, self._settings.remember_ids, topic_id
            )
            part.offset = self._start(owned, *consumer.get_watermark_offsets(part, timeout=TIMEOUT_S))
            self._owned[part.partition] = owned
        consumer.assign(assigned)
        self._dead_letters.own([part.partition for part in assigned])
        # read_committed: the answer waits until the transaction of a killed consumer, just fenced, is aborted
        offsets = consumer.committed(assigned, TIMEOUT_S + TRANSACTION_S) if assigned else []
        self._send([unsent for offset in offsets if (unsent := self._unsent(offset)).dead_letters.height])
        self.joined = time.monotonic()
        log.info("owns partitions %s", sorted(self._owned))

    def _start(self, owned: OwnedPartition, low: int, high: int) -> int:
        """The offset from which a partition is read, of those that the broker has, `low` to `high`."""
        if owned.next > high:
            raise UserError(
                f"{owned.name}: the zone has offsets up to {owned.next}, the broker only up to {high}: the topic "
                "was recreated, or lost messages. Name another topic in params.yaml: stream.topic."
            )
        if not owned.next and generations.previous_log(self._zone, owned.name):
            log.warning("%s: the topic was recreated: reading it from the beginning", owned.name)
        if low > owned.next:
            log.warning("%s: offsets %d to %d are gone from the broker", owned.name, owned.next, low)
        return max(owned.next, low)

    def _unsent(self, offset: TopicPartition) -> Unsent:
        """Dead letters that a consumer committed before it was killed, and may not have sent.

        Parameters
        ----------
        offset
            The group's, with the name of the log that it belongs to (none: the first of its partition).
        """
        owned, log_name = self._owned[offset.partition], offset.metadata or f"{offset.topic}-{offset.partition}"
        earlier = generations.previous_log(self._zone, owned.name)
        if log_name == owned.name:
            owned.sent = max(offset.offset, owned.sent)
        elif earlier and not owned.next:  # the topic was recreated before they were sent
            sent = commit_log.position(self._zone, earlier).sent
            sent = max(offset.offset, sent) if log_name == earlier else sent
            letters = commit_log.dead_letters(self._zone, earlier, sent, intact_only=True)
            return Unsent(owned.name, owned.partition, letters, 0)
        letters = commit_log.dead_letters(self._zone, owned.name, owned.sent, intact_only=True)
        return Unsent(owned.name, owned.partition, letters, owned.next)

    def _revoked(self, consumer: Consumer, revoked: list[TopicPartition]) -> None:
        self._commit_offsets(immediately=True)
        self._lost(consumer, revoked)

    def _lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        for part in lost:
            self._owned.pop(part.partition, None)
        self._dead_letters.release([part.partition for part in lost])

    def _commit(self, messages: list[Message]) -> None:
        """Make a batch durable, partitions in parallel (syncing a disk is slow); then send its dead letters."""
        request = self._topic_ids.request()  # after the messages came: its answer holds for them
        raw = _raw(messages, self._settings)
        rows = _not_consumed(raw, {number: owned.next for number, owned in self._owned.items()})
        checked = read(rows, clock.now(), self._settings.max_future_s, self._rules)
        if raw.height:
            self._require_same_topic(answer(request), raw.height)
        parts = checked.partition_by("partition", as_dict=True, maintain_order=True)
        jobs = [self._threads.submit(self._commit_part, self._owned[n], part) for (n,), part in parts.items()]
        wait(jobs)
        done = [job.result() for job in jobs if job.exception() is None]
        self._report([new_events for new_events, _ in done])
        if problems := [problem for job in jobs if (problem := job.exception())]:
            raise problems[0]
        self._send([unsent for _, unsent in done if unsent.dead_letters.height])

    def _require_same_topic(self, topic_id: str | None, n_messages: int) -> None:
        """Raise `TopicRecreatedError` if the topic has another id now: then nobody knows of which the messages are."""
        if topic_id and any(owned.topic_id not in (None, topic_id) for owned in self._owned.values()):
            unused = f": {n_messages} messages of unknown origin were not used" if n_messages else ""
            raise TopicRecreatedError(f"The topic {self._settings.topic} was recreated while it was read{unused}")

    def _report(self, new_events: list[pl.DataFrame]) -> None:
        """Count the events that are durable now, and pass them to `follow`."""
        n = sum(events.height for events in new_events)
        self.n_events += n
        if self._follow and n:
            self._follow(pl.concat(new_events))

    def _commit_part(self, owned: OwnedPartition, rows: pl.DataFrame) -> tuple[pl.DataFrame, Unsent]:
        """Commit a batch of one partition; returns its new events (`commit_log.ROWS`, produced_at) and dead letters."""
        rows = rows.with_columns(topic=pl.lit(owned.topic))
        is_dead = rows.get_column("reason").is_not_null()
        good, dead = rows.filter(~is_dead), rows.filter(is_dead).select(list(commit_log.DEAD))
        new_events = good.filter(owned.is_new(good.get_column("event_id")))
        counts = {"n_messages": rows.height, "n_duplicates": good.height - new_events.height}
        counts |= {"sent": owned.sent, "topic_id": owned.topic_id}
        end = rows.get_column("offset")[-1] + 1
        commit_log.commit(
            self._zone,
            owned.name,
            owned.next,
            end,
            new_events.select(list(commit_log.ROWS)),
            dead,
            lambda: counts | {"latency": latency.histogram_since(new_events.get_column("produced_at"), clock.now())},
        )
        owned.remember(end, new_events.get_column("event_id"))
        return new_events.drop("key", "value", "reason"), Unsent(owned.name, owned.partition, dead, end)

    def _send(self, unsent: list[Unsent]) -> None:
        for _, partition, _, end in unsent:
            self._owned[partition].send_until = end
        for ends in self._dead_letters.send(unsent):
            for number, end in ends.items():
                self._owned[number].sent = end
                commit_log.note_sent(self._zone, self._owned[number].name, end)
            self._commit_offsets(immediately=True)

    def _commit_offsets(self, immediately: bool = False) -> None:
        """Commit the group's offsets of the partitions whose dead letters before them are all on their topic."""
        if not immediately and time.monotonic() - self._offsets_at < OFFSETS_EVERY_S:
            return
        self._offsets_at = time.monotonic()
        ready = [owned for owned in self._owned.values() if owned.sent >= owned.send_until]
        ahead = [owned for owned in ready if owned.next > owned.committed]
        if ahead:
            topic = self._settings.topic
            ends = [TopicPartition(topic, owned.partition, owned.next, metadata=owned.name) for owned in ahead]
            self._consumer.commit(offsets=ends, asynchronous=False)
            for owned in ahead:
                owned.sent = owned.committed = owned.next


def _raw(messages: list[Message], settings: Stream) -> pl.DataFrame:
    """Messages as rows: partition, offset, key, value; temporary errors are logged, others raised."""
    for error in filter(None, [message.error() for message in messages]):
        if error.fatal() or error.code() in {*FATAL, KafkaError._AUTO_OFFSET_RESET}:
            raise KafkaException(error)
        log.warning("Kafka: %s", redacted(settings, error.str()))
    good = [message for message in messages if message.error() is None]
    return pl.DataFrame(
        [
            # one list per column: a tuple per message would keep the garbage collector busy
            pl.Series("partition", [message.partition() for message in good], pl.Int32),
            pl.Series("offset", [message.offset() for message in good], pl.Int64),
            pl.Series("key", [message.key() for message in good], pl.Binary),
            pl.Series("value", [message.value() for message in good], pl.Binary),
        ]
    )


def _not_consumed(rows: pl.DataFrame, next_of: dict[int, int]) -> pl.DataFrame:
    """The rows of owned partitions, each offset once and in order: a rebalance may deliver some of them again."""
    begin = pl.col("partition").replace_strict(next_of, default=None, return_dtype=pl.Int64)
    before = pl.col("offset").cum_max().shift(1, fill_value=-1).over("partition")
    return rows.filter(pl.col("offset") >= begin, pl.col("offset") > before)
