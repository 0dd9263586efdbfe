"""Properties of a Kafka client, and sending messages while the send queue is full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Producer

from recomart.project.params import Stream
from recomart_lib.core.config import expand_env
from recomart_lib.core.errors import UserError


def client(settings: Stream, *more: Mapping[str, Any]) -> dict[str, Any]:
    """Client properties for the cluster in params.yaml; later mappings in `more` override earlier ones.

    `${NAME}` is replaced by the environment variable, so that secrets stay out of the file.

    Raises
    ------
    UserError
        If no cluster is configured, or a `${NAME}` is not set.
    """
    if not settings.bootstrap_servers:
        raise UserError(
            "params.yaml: stream.bootstrap_servers is empty: there is no Kafka to connect to. Start one with "
            "`make kafka` and enter localhost:9092, or try `recomart stream demo`, which needs none."
        )
    properties = {name: value for part in (settings.client, *more) for name, value in part.items()}
    expanded = {name: expand_env(value, f"params.yaml: stream: {name}") for name, value in properties.items()}
    return {**expanded, "bootstrap.servers": settings.bootstrap_servers}


def put(producer: Producer, topic: str, value: bytes | None, key: bytes | str | None, **more: Any) -> None:
    """Pass a message to the producer, and wait if its queue is full; `more`: arguments of `Producer.produce`."""
    while True:
        try:
            producer.produce(topic, value, key, **more)
            return
        except BufferError:  # the queue is full: wait for the broker
            producer.poll(0.1)
