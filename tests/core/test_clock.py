"""The clock: asked in one place, and refused where it is certainly wrong."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recomart_lib.core import clock
from recomart_lib.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


class Fake(datetime):
    """A machine whose battery was empty."""

    @classmethod
    def now(cls, tz: object = None) -> datetime:
        return datetime(1970, 1, 1, 0, 7, tzinfo=UTC)


def test_the_time_is_in_utc():
    assert clock.now().tzinfo is UTC


def test_a_clock_without_a_date_is_refused(monkeypatch):
    monkeypatch.setattr(clock, "datetime", Fake)
    with pytest.raises(UserError, match="The clock of this machine shows 1970-01-01 00:07 UTC, which cannot be right"):
        clock.now()


def test_only_one_place_asks_for_the_time():
    """So that a test can set it, and a wrong clock is refused everywhere."""
    asks = re.compile(r"datetime\.(now|utcnow|today)\(|date\.today\(")
    files = [path for package in ("recomart", "recomart_lib") for path in (ROOT / package).rglob("*.py")]
    notebooks = list((ROOT / "notebooks").glob("*.ipynb"))
    places = {path.name for path in [*files, *notebooks] if asks.search(path.read_text(encoding="utf-8"))}
    assert places == {"clock.py"}
