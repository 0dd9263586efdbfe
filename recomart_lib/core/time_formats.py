"""Check a `timestamp_format`: only formats that are read exactly, so that no time silently changes its meaning.

A format consists of the specifiers of the Rust library chrono, which Polars uses. They are not quite those of Python.
"""

from __future__ import annotations

import re
import warnings
from datetime import UTC, datetime
from functools import cache

import polars as pl

EPOCHS = {"epoch_s": 10**9, "epoch_ms": 10**6, "epoch_us": 10**3, "epoch_ns": 1}  # nanoseconds per unit
EXAMPLE = "write it like '%Y-%m-%d %H:%M:%S', or leave it out for ISO 8601"
SPECIFIER = re.compile(r"%([-_0]?)(:{1,3}z|#z|\.\d?f|\.?\df|.|$)", re.DOTALL)
UTC_WRITTEN = re.compile(r"(?<![A-Za-z])(UTC|GMT|Z)(?![A-Za-z])")
OFFSET_WRITTEN = re.compile(r"(?<=\.)\s*[+-]\d\d(:?\d\d)?\s*$")
ZONES = {"z", ":z", "::z", ":::z", "#z", "+"}
# Specifiers that Polars accepts, but that do not read what people mean by them: what to write instead.
REFUSED = {
    "f": (
        "reads .12 as 12 nanoseconds; write %.f instead of .%f for a fraction of any length, or %3f (%6f) for exactly "
        "3 (6) digits after another mark"
    ),
    "s": "cannot stand beside other parts; for seconds since 1970 write timestamp_format: epoch_s",
    "x": "depends on the language; write day, month and year in their order, like %d.%m.%y or %m/%d/%y",
}
# Numeric specifiers -> digits.
WIDTHS = {
    "Y": 4,
    "G": 4,
    "y": 2,
    "g": 2,
    "C": 2,
    "m": 2,
    "d": 2,
    "H": 2,
    "I": 2,
    "M": 2,
    "S": 2,
    "U": 2,
    "W": 2,
    "V": 2,
}
WIDTHS |= {"j": 3, "u": 1, "w": 1, "3f": 3, "6f": 6, "9f": 9}
# Moments in which all parts of a time differ: leap days, both halves of a day, days whose week is of another year.
SAMPLE = [
    datetime(1999, 12, 31, 23, 59, 58, 987_654, UTC),
    datetime(2000, 2, 29, 0, 0, 0, 0, UTC),
    datetime(2021, 1, 3, 12, 0, 1, 120_000, UTC),
    datetime(2024, 12, 30, 11, 34, 56, 5_000, UTC),
    datetime(2025, 10, 9, 17, 8, 7, 60, UTC),
]
PRECISIONS = ("1us", "1ms", "1s", "1m", "1d")
OFFSET_ZONE = "Asia/Kolkata"  # +05:30: an offset that is ignored, or read in part, is noticed


def specifiers(time_format: str) -> list[str]:
    """The specifiers of a format without % and padding, such as Y, .f and :z; a literal % is `%`."""
    return [match[2] for match in SPECIFIER.finditer(time_format)]


def is_moment(time_format: str) -> bool:
    """Whether times of this format do not depend on the shop's time zone.

    They carry an offset or a zone's name, or the format itself says UTC, as in %H:%M:%SZ.
    """
    return not {*ZONES, "Z"}.isdisjoint(specifiers(time_format)) or bool(UTC_WRITTEN.search(_literals(time_format)))


def _literals(time_format: str) -> str:
    """The format with a point in place of each specifier."""
    return SPECIFIER.sub(".", time_format)


def has_zone_name_only(time_format: str) -> bool:
    """Whether a format names a zone (%Z), but has no offset."""
    parts = specifiers(time_format)
    return "Z" in parts and ZONES.isdisjoint(parts)


def canonical(time_format: str) -> str:
    """Seconds since 1970 by their own name: %s is epoch_s."""
    return "epoch_s" if time_format == "%s" else time_format


@cache
def strict_pattern(time_format: str) -> str | None:
    """The pattern of times with no marks between digits, or with years of two digits; None for other formats.

    Polars reads 10125 as %d%m%y too: the tenth of December 2005. With all digits, it is 010125.
    """
    matches = list(SPECIFIER.finditer(time_format))
    ends = {match.end() for match in matches if match[2] in WIDTHS}
    starts = {match.start() for match in matches if match[2] in WIDTHS}
    if not (ends & starts or {"y", "g"} & {match[2] for match in matches}):
        return None
    parts, position = [], 0
    for match in matches:
        parts.append(_literal(time_format[position : match.start()]))
        part, position = match[2], match.end()
        is_exact = part in {"y", "g"} or match.start() in ends or match.end() in starts
        digits = rf"\d{{{WIDTHS[part]}}}" if part in WIDTHS and is_exact else None
        parts.append(digits or ".*")
    return f"^{''.join(parts)}{_literal(time_format[position:])}$"


def _literal(text: str) -> str:
    """A pattern for what stands between the specifiers; Polars takes any white space for white space."""
    return r"\s*".join(map(re.escape, re.split(r"\s+", text)))


@cache
def problem(time_format: str) -> str | None:
    """Why times of this format cannot be read exactly, and what to write instead; None if they can be."""
    if canonical(time_format) in EPOCHS:
        return None
    parts = specifiers(time_format)
    if not parts:
        return f"it has no % specifier; {EXAMPLE}; numbers are {', '.join(EPOCHS)}"
    for part, reason in REFUSED.items():
        if part in parts:
            return f"%{part} {reason}"
    if parts.count("Z") > 1:
        return "%Z names the zone twice"
    if OFFSET_WRITTEN.search(_literals(time_format)):
        return "an offset is written out; write %#z in its place, which reads it"
    return _round_trip_problem(time_format)


def _round_trip_problem(time_format: str) -> str | None:
    """Write and read a sample of moments: what comes back must be the same, up to the precision of the format."""
    parts = specifiers(time_format)
    has_offset = not {*ZONES, "Z"}.isdisjoint(parts)
    local = pl.Series("moment", SAMPLE).dt.convert_time_zone(OFFSET_ZONE if has_offset else "UTC")
    if has_zone_name_only(time_format):  # names are translated to offsets
        time_format = time_format.replace("%Z", "%z")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = local.dt.strftime(time_format.replace("%#z", "%z"))
            aware = "UTC" if is_moment(time_format) else None
            back = text.str.to_datetime(time_format, time_unit="us", time_zone=aware, strict=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return _missing(parts)
    expected = (local.dt.truncate(precision).dt.convert_time_zone("UTC") for precision in PRECISIONS)
    if aware is None:
        expected = (moments.dt.replace_time_zone(None) for moments in expected)
    if any((back == moments).fill_null(False).all() for moments in expected):
        return None
    return _missing(parts)


def _missing(parts: list[str]) -> str:
    """Why a format does not determine the time, most probably."""
    have = set(parts)
    if not have & {"Y", "y", "G", "g", "F", "D", "c", "v", "+"}:
        return "it has no year (%Y)"
    day_of_week = bool(have & {"u", "w", "a", "A"}) and bool(have & {"V", "U", "W"})
    if not have & {"d", "e", "j", "F", "D", "c", "v", "+"} and not day_of_week:
        return "it has no day of the month (%d)"
    if not have & {"m", "b", "B", "h", "j", "F", "D", "c", "v", "+"} and not day_of_week:
        return "it has no month (%m)"
    if have & {"I", "l"} and not have & {"p", "P"}:
        return "%I counts 12 hours and needs AM or PM (%p); for 24 hours write %H"
    if have & {"H", "k"} and have & {"p", "P"}:
        return "%H counts 24 hours; with AM or PM (%p) write %I"
    if have & {"H", "k", "I", "l"} and "M" not in have:
        return "it has hours, but no minutes (%M)"
    return f"it cannot be read exactly; {EXAMPLE}"
