"""Kafka clients: their properties, and their errors as one sentence in which no secret is."""

from __future__ import annotations

import itertools
import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import ClusterMetadata

from recomart.project import client_properties
from recomart.project.params import Stream
from recomart_lib.core import redaction
from recomart_lib.core.config import expand_env
from recomart_lib.core.errors import UserError
from recomart_lib.core.redaction import MASK

log = logging.getLogger(__name__)

Client = TypeVar("Client")

NAMED = re.compile(r'property:? "([^"]+)"')
REPEAT_S = 60  # between two log lines of one kind
MAX_KIND = 300  # characters by which kinds of log lines differ
RETRY_S = 0.1  # between two tries to reach the cluster
MIN_PART = 8  # characters of a secret that librdkafka cut off are recognised from this length on


def client(settings: Stream, *more: Mapping[str, Any]) -> dict[str, Any]:
    """Client properties for the cluster in params.yaml; later mappings in `more` override earlier ones.

    `${NAME}` is replaced by the environment variable, so that secrets stay out of the file.

    Raises
    ------
    UserError
        If no cluster is configured, a `${NAME}` is not set, or its value is none that a property may have.
    """
    if not settings.bootstrap_servers:
        raise UserError(
            "params.yaml: stream.bootstrap_servers is empty: there is no Kafka to connect to. Start one with "
            "`make kafka` and enter localhost:9092, or try `recomart stream demo`, which needs none."
        )
    properties = {name: value for part in (settings.client, *more) for name, value in part.items()}
    expanded = {name: expand_env(value, _place(settings, name)) for name, value in properties.items()}
    for name, value in expanded.items():
        if sentence := client_properties.mistake(name, value):
            raise UserError(f"{_place(settings, name)}: {sentence}.")
    return {**expanded, "bootstrap.servers": settings.bootstrap_servers}


def create(kind: Callable[..., Client], settings: Stream, *more: Mapping[str, Any], **arguments: Any) -> Client:
    """A `Consumer`, `Producer` or `AdminClient` with the properties of `client`; it logs without secrets.

    Raises
    ------
    UserError
        Naming file, key and librdkafka's reason, if it refuses a property or a value.
    """
    properties = client(settings, *more)
    try:
        return kind(properties, logger=_Log(settings), **arguments)
    except (KafkaException, TypeError, ValueError, AttributeError) as problem:
        sentence = _refusal(settings, problem)
    raise UserError(sentence)  # here, not above: the original error, with its values, is no part of this one


def metadata(kafka: Any, topic: str = "", timeout_s: float = 30) -> ClusterMetadata:
    """What the cluster of a `Consumer` or `Producer` says about a topic, or about all topics.

    librdkafka gives up when the first connection breaks; this asks again until `timeout_s` seconds have passed.

    Raises
    ------
    KafkaException
        If no broker answers in that time, or refuses to.
    """
    end = time.monotonic() + timeout_s
    while True:
        try:
            return kafka.list_topics(*([topic] if topic else []), timeout=end - time.monotonic())
        except KafkaException as problem:
            if problem.args[0].code() != KafkaError._TRANSPORT or time.monotonic() > end - 2 * RETRY_S:
                raise
        time.sleep(RETRY_S)


def reason(settings: Stream, problem: KafkaException | KafkaError) -> str:
    """What is wrong with the cluster or a message, as one sentence without secrets."""
    error = problem.args[0] if isinstance(problem, KafkaException) else problem
    return f"Kafka at {settings.bootstrap_servers}: {redacted(settings, error.str().strip())}."


def redacted(settings: Stream, text: str) -> str:
    """The text without the values of environment variables that the properties name, nor a long beginning of one."""
    for secret in sorted(_secrets(settings), key=len, reverse=True):
        if len(secret) >= MIN_PART:
            text = _without(text, secret)
        else:  # a word such as 1 or true is masked where it stands alone
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", MASK, text)
    return text


def _without(text: str, secret: str) -> str:
    """Mask each part of the text that begins as the secret does, as far as they are equal: librdkafka cuts errors."""
    begin, place = secret[:MIN_PART], 0
    while (place := text.find(begin, place)) >= 0:
        pairs = zip(text[place:], secret, strict=False)
        n = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        text = text[:place] + MASK + text[place + n :]
        place += len(MASK)
    return text


def _secrets(settings: Stream) -> set[str]:
    """The values of all environment variables that the properties name, and their lines."""
    values = [value for part in _parts(settings).values() for value in part.values() if isinstance(value, str)]
    names = set().union(*map(redaction.variables, values))
    secrets = {os.environ.get(name, "") for name in names}
    return {text for secret in secrets for text in (secret, *secret.splitlines()) if text.strip()}


def _parts(settings: Stream) -> dict[str, Mapping[str, Any]]:
    return {part: getattr(settings, part) for part in client_properties.CLIENTS}


def _place(settings: Stream, name: str) -> str:
    """Where a property is set: file and key."""
    part = next((part for part, properties in _parts(settings).items() if name in properties), None)
    return f"params.yaml: stream.{part}.{name}" if part else f"params.yaml: stream: {name}"


def _refusal(settings: Stream, problem: Exception) -> str:
    """Which property librdkafka refuses, and why; its value is not shown if it comes from the environment."""
    error = problem.args[0] if problem.args else problem
    text = redacted(settings, (error.str() if isinstance(error, KafkaError) else str(problem)).strip())
    names = _named(text, [name for part in _parts(settings).values() for name in part])
    place = _place(settings, names[0]) if names else "params.yaml: the properties in section stream"
    return f"{place}: librdkafka refuses this: {text.rstrip('.')}."


def _named(text: str, names: Iterable[str]) -> list[str]:
    """The properties of params.yaml that an error names, the surest first."""
    quoted = NAMED.findall(text)
    return [name for name in names if name in quoted] + sorted((n for n in names if n in text), key=len, reverse=True)


class _Log:
    """Logs what librdkafka says, as the client's `logger`, without secrets; its lines may quote properties.

    Of a broker that cannot be reached, librdkafka writes a line several times per second. Of lines that differ in
    numbers only, one per `REPEAT_S` is logged.
    """

    _logged_at: ClassVar[dict[str, float]] = {}  # of all clients: a session that fails makes new ones

    def __init__(self, settings: Stream) -> None:
        self._settings = settings

    def log(self, level: int, message: str, *arguments: object) -> None:
        text = redacted(self._settings, message % arguments if arguments else message)
        kind, now = re.sub(r"\d+", "", text)[:MAX_KIND], time.monotonic()
        if level >= logging.WARNING:
            if now - self._logged_at.get(kind, -math.inf) < REPEAT_S:
                return
            self._logged_at[kind] = now
        log.log(level, "%s", text)


def put(producer: Producer, topic: str, value: bytes | None, key: bytes | str | None, **more: Any) -> None:
    """Pass a message to the producer, and wait if its queue is full; `more`: arguments of `Producer.produce`."""
    while True:
        try:
            producer.produce(topic, value, key, **more)
            return
        except BufferError:  # the queue is full: wait for the broker
            producer.poll(0.1)
