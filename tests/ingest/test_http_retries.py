"""How long a server asks to wait."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from conftest import utc

from recomart_lib.core import clock
from recomart_lib.ingest.sources import http_retries

NOW = utc(2026, 6, 15, 12)


def response(**headers: str) -> httpx.Response:
    return httpx.Response(503, headers={name.replace("_", "-"): text for name, text in headers.items()})


@pytest.mark.parametrize("wrong_by", [-400, 0, 3])
def test_a_moment_to_wait_for_is_read_by_the_clock_of_the_server(monkeypatch, wrong_by):
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=wrong_by))
    until = format_datetime(NOW + timedelta(seconds=40), usegmt=True)
    assert http_retries.retry_after(response(retry_after=until, date=format_datetime(NOW, usegmt=True))) == 40


def test_without_a_date_the_clock_of_this_machine_counts(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    until = format_datetime(NOW + timedelta(seconds=40), usegmt=True)
    assert http_retries.retry_after(response(retry_after=until)) == 40
    assert http_retries.retry_after(response(retry_after=until, date="today")) == 40
