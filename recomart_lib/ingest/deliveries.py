"""From which day does a delivered file hold? Its name says it, else the day on which it came first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

FIRST_DAY = date(1990, 1, 1)  # before it, digits in a name are no day
AHEAD = timedelta(days=366)  # a price list may come before it holds, but not by more than this

# A day or a month: digits of a longer number are none, except those of a time that follows (20250301T120000).
WITH_SEPARATORS = r"(?<!\d)(?P<y1>\d{4})(?P<sep>[-_./])(?P<m1>\d\d)(?:(?P=sep)(?P<d1>\d\d))?(?!\d)"
HIVE = r"year=(?P<y2>\d{4})/month=(?P<m2>\d\d?)(?:/day=(?P<d2>\d\d?))?(?!\d)"
COMPACT = r"(?<!\d)(?P<y3>\d{4})(?P<m3>\d\d)(?P<d3>\d\d)(?:T?\d{4}(?:\d\d)?)?(?!\d)"
DAY_FIRST = r"(?<!\d)(?P<d4>\d\d)\.(?P<m4>\d\d)\.(?P<y4>\d{4})(?!\d)"  # with points; elsewhere the month may be first
DAY = re.compile(f"{HIVE}|{DAY_FIRST}|{WITH_SEPARATORS}|{COMPACT}")


def day_in_name(name: str, ingested: date) -> date | None:
    """The last plausible day in a file's name (its path in the source folder); a month means its first day.

    Plausible is a day of the calendar from `FIRST_DAY` to a year after the file was ingested for the first time.
    """
    plausible = [day for day in _days(name) if FIRST_DAY <= day <= ingested + AHEAD]
    return plausible[-1] if plausible else None


def _days(name: str) -> Iterator[date]:
    for match in DAY.finditer(name):
        parts = [match[f"{part}{n}"] for n in (1, 2, 3, 4) for part in "ymd" if match[f"y{n}"]]
        try:
            yield date(*(int(part or 1) for part in parts))
        except ValueError:  # digits that are no day, such as 2025-13
            continue
