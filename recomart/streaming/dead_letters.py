"""Dead letters onto their topic, each once: in one transaction with the group's offsets.

So the group's offset of a partition says up to where its letters are on the topic, and no crash can tear the two apart.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from recomart.project.params import Stream
from recomart.streaming.client import client, put
from recomart_lib.core.errors import UserError

log = logging.getLogger(__name__)

TRANSACTION_S = 20  # the broker gives up a transaction that takes longer; it looks every ten seconds
HANGS_S = 3 * TRANSACTION_S  # each of a transaction's steps has its own patience; longer than all of them
PORTION_BYTES = 10_000_000  # of dead letters, in one transaction
ROOM_BYTES = 4_000  # for all of a message that is not its value
SHORT = 1_000  # bytes of a key and letters of a reason that a message has room for
SETTINGS = {
    "transaction.timeout.ms": TRANSACTION_S * 1000,
    # else librdkafka forgets the brokers when none answers, and a transaction that waits for one waits for ever
    # (its issue 5511)
    "metadata.recovery.strategy": "none",
}
HEADERS = ("reason", "topic", "partition", "offset")


class Waiting(NamedTuple):
    """Dead letters of a partition (`stream_log.DEAD`); with them, all before offset `upto` is on the topic."""

    partition: int
    letters: pl.DataFrame
    upto: int


class Letters:
    """A producer of dead letters for as long as a consumer is a member of its group."""

    def __init__(self, settings: Stream, consumer: Consumer) -> None:
        self._settings, self._consumer = settings, consumer
        # an id of its own: the group's generation, which goes with the offsets, keeps out who is no member any more
        name = f"{settings.group}-{uuid.uuid4().hex}"
        size = {"message.max.bytes": settings.dead_letter_max_bytes, "batch.size": settings.dead_letter_max_bytes}
        chosen = client(settings, settings.producer, SETTINGS, size, {"transactional.id": name})
        self._producer = Producer(chosen, logger=log)

    def start(self) -> None:
        """Make ready for transactions; KafkaException if the broker is not."""
        self._producer.init_transactions(TRANSACTION_S)

    def send(self, waiting: Iterable[Waiting]) -> Iterator[dict[int, int]]:
        """Send them; after each transaction, partition -> offset before which all letters are on the topic.

        Raises
        ------
        KafkaException
            If that cannot be said of the rest.
        UserError
            If the topic takes no letters of the size in params.yaml.
        """
        for letters, ends in _portions(waiting):
            self._in_time([_cut(letter, self._settings.dead_letter_max_bytes) for letter in letters], ends)
            yield ends

    def _in_time(self, letters: list[dict[str, Any]], ends: dict[int, int]) -> None:
        """One transaction, or KafkaException when it hangs: then its thread and its producer are left to themselves.

        Should they wake up, the broker refuses what they say: the group has gone on without them.
        """
        outcome: Future[None] = Future()
        members = self._consumer.consumer_group_metadata()  # only the thread that consumes may ask for it

        def work() -> None:
            try:
                outcome.set_result(self._transact(letters, ends, members))
            except BaseException as problem:
                outcome.set_exception(problem)

        threading.Thread(target=work, name="dead letters", daemon=True).start()
        try:
            outcome.result(HANGS_S)
        except TimeoutError:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "a transaction hangs")) from None

    def _transact(self, letters: list[dict[str, Any]], ends: dict[int, int], members: Any) -> None:
        refused: list[KafkaError] = []
        offsets = [TopicPartition(self._settings.topic, partition, end) for partition, end in ends.items()]
        self._producer.begin_transaction()
        try:
            for letter in letters:
                self._put(letter, refused)
            self._require_taken(refused)
            self._producer.send_offsets_to_transaction(offsets, members, TRANSACTION_S)
            self._producer.commit_transaction(TRANSACTION_S)
        except KafkaException as problem:
            # an outcome that nobody knows is not aborted: the next session asks the broker for the group's offsets
            if problem.args[0].txn_requires_abort():
                self._producer.abort_transaction(TRANSACTION_S)
            raise

    def _require_taken(self, refused: list[KafkaError]) -> None:
        """Wait until the letters are on the topic, or one of them is refused."""
        while len(self._producer) and not refused:
            self._producer.poll(0.1)
        if refused and refused[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
            topic = self._settings.dead_letter_topic
            raise UserError(
                f"The topic {topic} takes no dead letters of {self._settings.dead_letter_max_bytes:,} bytes: lower "
                "params.yaml: stream.dead_letter_max_bytes (longer ones are cut there), or raise the topic's "
                "max.message.bytes. Nothing is lost: all letters are in the zone."
            )
        if refused:
            raise KafkaException(refused[0])

    def _put(self, letter: dict[str, Any], refused: list[KafkaError]) -> None:
        topic, headers = self._settings.dead_letter_topic, {name: str(letter[name]) for name in HEADERS}

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                refused.append(error)

        put(self._producer, topic, letter["value"], letter["key"], headers=headers, on_delivery=delivered)
        self._producer.poll(0)


def _portions(waiting: Iterable[Waiting]) -> Iterator[tuple[list[dict[str, Any]], dict[int, int]]]:
    """Letters for one transaction each, and up to where they reach in each partition."""
    letters: list[dict[str, Any]] = []
    ends: dict[int, int] = {}
    size = 0
    for partition, table, upto in waiting:
        for letter in table.iter_rows(named=True):
            letters.append(letter)
            ends[partition] = letter["offset"] + 1
            size += 500 + len(letter["value"] or b"")
            if size > PORTION_BYTES:
                yield letters, ends
                letters, ends, size = [], {}, 0
        ends[partition] = upto
    if letters:
        yield letters, ends


def _cut(letter: dict[str, Any], max_bytes: int) -> dict[str, Any]:
    """A letter that fits into a message; the zone has all of it."""
    value, key, reason = letter["value"] or b"", letter["key"], letter["reason"][:SHORT]
    if len(value) > max_bytes - ROOM_BYTES:
        reason = f"{reason} (cut, of {len(value)} bytes)"
    return letter | {
        "value": letter["value"] and value[: max_bytes - ROOM_BYTES],
        "key": key and key[:SHORT],
        "reason": reason,
    }
