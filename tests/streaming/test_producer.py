"""Producing events: at their rate, with secrets from the environment, and clear errors."""

from __future__ import annotations

import time
from datetime import timedelta

import polars as pl
import pytest
from conftest import utc

from recomart.project.params import Stream
from recomart.streaming import client, producer
from recomart_lib.core.errors import UserError

EVENTS = pl.DataFrame({"timestamp": [utc(2026, 1, 1) + timedelta(seconds=n) for n in range(30)]})


@pytest.fixture
def clock(monkeypatch):
    """A clock that advances only when the code sleeps."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


@pytest.mark.parametrize(("rate", "speed_up", "seconds"), [(10, None, 2.9), (None, 10, 2.9), (None, 1, 29)])
def test_events_are_sent_when_they_are_due(clock, rate, speed_up, seconds):
    parts = [(clock[0], part) for part in producer._paced(EVENTS, rate, speed_up) if part.height]
    assert pl.concat([part for _, part in parts]).equals(EVENTS)
    assert parts[-1][0] == pytest.approx(seconds, abs=0.02)


def test_without_a_rate_all_are_sent_immediately(clock):
    assert [part.height for part in producer._paced(EVENTS, None, None)] == [30]
    assert clock[0] == 0


def test_secrets_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("KAFKA_PASSWORD", "s3cret")
    stream = Stream(bootstrap_servers="k:9092", client={"sasl.password": "${KAFKA_PASSWORD}", "linger.ms": 3})
    properties = client.client(stream, {"acks": "all"})
    assert properties == {"sasl.password": "s3cret", "linger.ms": 3, "acks": "all", "bootstrap.servers": "k:9092"}
    monkeypatch.delenv("KAFKA_PASSWORD")
    with pytest.raises(UserError, match="KAFKA_PASSWORD is not set"):
        client.client(stream)
