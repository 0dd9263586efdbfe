"""Names of time zones in delivered times (%Z): only names that mean one offset."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import polars as pl

HOURS = {"UTC": 0, "GMT": 0, "UT": 0, "Z": 0}  # ahead of UTC
# RFC 2822 (mail and HTTP) without Central time, as CST is China's time as well; and Europe's
HOURS |= {"EST": -5, "EDT": -4, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
HOURS |= {"WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3}
YEARS = range(1990, 2038)


@cache
def offsets(zone: str) -> dict[str, str]:
    """Zone name -> offset like +0530. The names that the shop's own zone uses come before the common meaning."""
    own: dict[str, set[timedelta]] = {}
    for moment in (datetime(year, month, 1, tzinfo=ZoneInfo(zone)) for year in YEARS for month in range(1, 13)):
        own.setdefault(moment.tzname(), set()).add(moment.utcoffset())
    single = {name: seconds.pop() for name, seconds in own.items() if name.isalpha() and len(seconds) == 1}
    several = own.keys() - single.keys()
    common = {name: timedelta(hours=hours) for name, hours in HOURS.items() if name not in several}
    return {name: _text(offset) for name, offset in {**common, **single}.items()}


def _text(offset: timedelta) -> str:
    minutes = int(offset / timedelta(minutes=1))
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


def with_offsets(text: pl.Expr, zone: str) -> pl.Expr:
    """The times with an offset in place of the zone's name; null where there is none, or one of several meanings."""
    names = offsets(zone)
    # \b does not separate the name from a digit before it
    parts = text.str.extract_groups(rf"^(?:(.*[^A-Za-z]))?({'|'.join(names)})(?:([^A-Za-z].*))?$")
    before, name, after = (parts.struct[number] for number in range(3))
    offset = name.replace_strict(names, default=None, return_dtype=pl.String)
    return pl.concat_str(before.fill_null(""), offset, after.fill_null(""))
