"""Properties of a Kafka client, and sending a message when the send queue is full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confluent_kafka import Producer

from recomart.project.params import Stream
from recomart_lib.core.config import expand_env
from recomart_lib.core.errors import UserError


def client(settings: Stream, *more: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a client of the cluster in params.yaml; of `more`, the later win. Secrets: the environment's.

    Raises
    ------
    UserError
        If no cluster is named, or a `${NAME}` is not set.
    """
    if not settings.bootstrap_servers:
        raise UserError(
            "params.yaml: stream.bootstrap_servers is empty: there is no Kafka to talk to. Start one by `make kafka` "
            "and write localhost:9092, or try `recomart stream demo`, which needs none."
        )
    given = {name: value for part in (settings.client, *more) for name, value in part.items()}
    told = {name: expand_env(value, f"params.yaml: stream: {name}") for name, value in given.items()}
    return {**told, "bootstrap.servers": settings.bootstrap_servers}


def put(producer: Producer, topic: str, value: bytes | None, key: bytes | str | None, **more: Any) -> None:
    """Hand a message to the producer, when its queue has room; `more`: as of `Producer.produce`."""
    while True:
        try:
            producer.produce(topic, value, key, **more)
            return
        except BufferError:  # the queue is full: wait for the broker
            producer.poll(0.1)
