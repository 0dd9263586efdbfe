"""Send dead letters to their topic exactly once: in one transaction with the group's offset of their partition.

The group's offset of a partition therefore says which of its dead letters are on the topic, even after a crash.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import zip_longest
from typing import Any, NamedTuple

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from recomart.project.params import Stream
from recomart.streaming.client import create, metadata, put, reason
from recomart_lib.core.errors import UserError

TRANSACTION_S = 20  # the broker aborts a transaction that takes longer; it checks every ten seconds
HANGS_S = 3 * TRANSACTION_S  # each step of a transaction has its own timeout; this is longer than all of them
BATCH_BYTES = 10_000_000  # of dead letters in one transaction
OVERHEAD_BYTES = 4_000  # reserved in a message for everything except its value
MAX_TEXT = 1_000  # bytes of a key, and characters of a reason, that fit into a message
SETTINGS = {
    "transaction.timeout.ms": TRANSACTION_S * 1000,
    # without it librdkafka forgets the brokers when none answers, and a transaction that waits for one never ends
    # (its issue 5511)
    "metadata.recovery.strategy": "none",
}
HEADERS = ("reason", "topic", "partition", "offset")


class Unsent(NamedTuple):
    """Dead letters of a partition (`commit_log.DEAD`); once sent, all before offset `end` are on the topic.

    `log` is the name of the partition's log: the group's offset carries it, as a recreated topic counts from 0 again.
    """

    log: str
    partition: int
    dead_letters: pl.DataFrame
    end: int


class Batch(NamedTuple):
    """Dead letters of a partition that are sent in one transaction, and the offset up to which they reach."""

    log: str
    partition: int
    dead_letters: list[dict[str, Any]]
    end: int


class DeadLetterSender:
    """Transactional producers, one for each partition that the consumer owns.

    The transactional id belongs to the partition. So the next owner fences the previous one: the broker aborts the
    transaction that a killed consumer left open, and readers of the topic do not wait until it times out.
    """

    def __init__(self, settings: Stream, consumer: Consumer) -> None:
        self._settings, self._consumer = settings, consumer
        self._producers: dict[int, Producer] = {}

    def own(self, partitions: Iterable[int]) -> None:
        """Prepare for transactions of these partitions, and fence previous owners.

        Raises
        ------
        KafkaException
            If the broker is not ready.
        """
        for partition in partitions:
            name = {"transactional.id": transactional_id(self._settings, partition)}
            self._producers[partition] = _producer(self._settings, {**SETTINGS, **name})
            self._producers[partition].init_transactions(TRANSACTION_S)

    def release(self, partitions: Iterable[int]) -> None:
        """Forget the producers of partitions that now belong to another consumer."""
        for partition in partitions:
            self._producers.pop(partition, None)

    def send(self, unsent: Iterable[Unsent]) -> Iterator[dict[int, int]]:
        """Send dead letters; one transaction per partition at a time, partitions in parallel.

        Yields
        ------
        dict
            Partition -> offset before which all dead letters are on the topic.

        Raises
        ------
        KafkaException
            If the outcome for the rest is a failure or unknown.
        UserError
            If the topic does not accept dead letters of the size in params.yaml.
        """
        for batches in zip_longest(*(_batches(each, self._settings.dead_letter_max_bytes) for each in unsent)):
            transactions = [(batch, self._start(batch)) for batch in batches if batch]
            deadline, ends, problems = time.monotonic() + HANGS_S, {}, []
            for batch, outcome in transactions:
                try:
                    _result(outcome, deadline)
                    ends[batch.partition] = batch.end
                except (KafkaException, UserError) as problem:
                    problems.append(problem)
            if ends:
                yield ends
            if problems:
                raise problems[0]

    def _start(self, batch: Batch) -> Future[None]:
        """Start a transaction in a thread of its own.

        If it hangs, its thread and producer are abandoned. Should they resume later, the broker rejects them: the next
        session has fenced them.
        """
        outcome: Future[None] = Future()
        group = self._consumer.consumer_group_metadata()  # only the consumer's thread may call this

        def work() -> None:
            try:
                outcome.set_result(self._transact(batch, group))
            except BaseException as problem:
                outcome.set_exception(problem)

        threading.Thread(target=work, name="dead letters", daemon=True).start()
        return outcome

    def _transact(self, batch: Batch, group: Any) -> None:
        producer, refused = self._producers[batch.partition], []
        offset = TopicPartition(self._settings.topic, batch.partition, batch.end, metadata=batch.log)
        producer.begin_transaction()
        try:
            for dead_letter in batch.dead_letters:
                self._put(producer, dead_letter, refused)
            self._require_accepted(producer, refused)
            producer.send_offsets_to_transaction([offset], group, TRANSACTION_S)
            producer.commit_transaction(TRANSACTION_S)
        except KafkaException as problem:
            # an unknown outcome is not aborted: the next session asks the broker for the group's offsets
            if problem.args[0].txn_requires_abort():
                producer.abort_transaction(TRANSACTION_S)
            raise

    def _require_accepted(self, producer: Producer, refused: list[KafkaError]) -> None:
        """Wait until the dead letters are on the topic, or one of them is refused."""
        while len(producer) and not refused:
            producer.poll(0.1)
        if refused:
            raise _refusal(self._settings, refused[0])

    def _put(self, producer: Producer, dead_letter: dict[str, Any], refused: list[KafkaError]) -> None:
        _put(producer, self._settings.dead_letter_topic, dead_letter, refused)


def send(settings: Stream, dead_letters: pl.DataFrame) -> None:
    """Send dead letters (`commit_log.DEAD`) outside of a consumer's transactions.

    Raises
    ------
    UserError
        If no broker is configured, it does not answer, or the topic does not accept a dead letter.
    """
    refused: list[KafkaError] = []
    producer = _producer(settings, {"enable.idempotence": True, "log_level": 0})
    try:
        metadata(producer, timeout_s=TRANSACTION_S)  # KafkaException if no broker answers
        for dead_letter in dead_letters.iter_rows(named=True):
            _put(producer, settings.dead_letter_topic, _truncated(dead_letter, settings.dead_letter_max_bytes), refused)
        if producer.flush(HANGS_S):
            refused.append(KafkaError(KafkaError._TIMED_OUT))
        if refused:
            raise _refusal(settings, refused[0])
    except KafkaException as problem:
        raise UserError(reason(settings, problem)) from None


def _producer(settings: Stream, more: dict[str, Any]) -> Producer:
    size = dict.fromkeys(("message.max.bytes", "batch.size"), settings.dead_letter_max_bytes)
    return create(Producer, settings, settings.producer, size, more)


def _put(producer: Producer, topic: str, dead_letter: dict[str, Any], refused: list[KafkaError]) -> None:
    """Pass a dead letter to the producer; the topic's error is added to `refused` if it is not accepted."""

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            refused.append(error)

    headers = {name: str(dead_letter[name]) for name in HEADERS}
    put(producer, topic, dead_letter["value"], dead_letter["key"], headers=headers, on_delivery=delivered)
    producer.poll(0)


def _refusal(settings: Stream, error: KafkaError) -> Exception:
    """Why the topic did not accept a dead letter."""
    if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
        return KafkaException(error)
    return UserError(
        f"The topic {settings.dead_letter_topic} does not accept dead letters of {settings.dead_letter_max_bytes:,} "
        "bytes: lower params.yaml: stream.dead_letter_max_bytes (longer ones are truncated), or raise the topic's "
        "max.message.bytes. Nothing is lost: the streaming zone has all dead letters."
    )


def transactional_id(settings: Stream, partition: int) -> str:
    """The same for every owner of the partition: it starts with the group's name."""
    return f"{settings.group}-{settings.topic}-{partition}"


def _result(outcome: Future[None], deadline: float) -> None:
    try:
        outcome.result(max(0, deadline - time.monotonic()))
    except TimeoutError:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "a transaction hangs")) from None


def _batches(unsent: Unsent, max_bytes: int) -> Iterator[Batch]:
    """The dead letters of a partition in batches for one transaction each; the last one reaches `unsent.end`."""
    batch: list[dict[str, Any]] = []
    size = 0
    for dead_letter in unsent.dead_letters.iter_rows(named=True):
        if size > BATCH_BYTES:
            yield Batch(unsent.log, unsent.partition, batch, min(batch[-1]["offset"] + 1, unsent.end))
            batch, size = [], 0
        batch.append(_truncated(dead_letter, max_bytes))
        size += 500 + len(dead_letter["value"] or b"")
    if batch:
        yield Batch(unsent.log, unsent.partition, batch, unsent.end)


def _truncated(dead_letter: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """A dead letter that fits into a message; the streaming zone keeps it whole."""
    value, key, reason = dead_letter["value"] or b"", dead_letter["key"], dead_letter["reason"][:MAX_TEXT]
    if len(value) > max_bytes - OVERHEAD_BYTES:
        reason = f"{reason} (truncated, of {len(value)} bytes)"
    return dead_letter | {
        "value": dead_letter["value"] and value[: max_bytes - OVERHEAD_BYTES],
        "key": key and key[:MAX_TEXT],
        "reason": reason,
    }
