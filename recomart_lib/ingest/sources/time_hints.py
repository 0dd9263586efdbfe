"""What a cell that is no time of the declared form looks like, and the `timestamp_format` that reads it."""

from __future__ import annotations

import re
from functools import lru_cache

import polars as pl

from recomart_lib.core.shop_tables import Table
from recomart_lib.core.time_formats import EPOCHS, has_zone_name_only, specifiers
from recomart_lib.ingest.sources import timestamps

EPOCH_DIGITS = {10: "epoch_s", 13: "epoch_ms", 16: "epoch_us", 19: "epoch_ns"}  # digits of a whole number of our time
SCIENTIFIC = re.compile(r"[+-]?\d+([.,]\d+)?[eE][+-]?\d+")
NO_TIME = re.compile(r"(000[01]-01-01|0000-00-00|9999-12-31)(\D|$)")  # Go, .NET; MySQL; the end of the calendar
MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# Forms of a day, with one entry per possible meaning.
DAYS = {
    r"\d{4}(?P<mark>[-/.])\d\d?(?P=mark)\d\d?": ["%Y{mark}%m{mark}%d"],
    r"\d\d?\.\d\d?\.\d{4}": ["%d.%m.%Y"],
    r"\d\d?\.\d\d?\.\d\d": ["%d.%m.%y"],
    r"\d\d?(?P<mark>[-/])\d\d?(?P=mark)\d{4}": ["%d{mark}%m{mark}%Y", "%m{mark}%d{mark}%Y"],
    r"\d\d?(?P<mark>[-/])\d\d?(?P=mark)\d\d": ["%d{mark}%m{mark}%y", "%m{mark}%d{mark}%y"],
    rf"(?:[A-Z][a-z]{{2}}, )?\d\d?(?P<mark>[-/ ]){MONTH}(?P=mark)\d{{4}}": ["{week}%d{mark}%b{mark}%Y"],
    rf"{MONTH} \d\d?, \d{{4}}": ["%b %d, %Y"],
    r"\d{8}": ["%Y%m%d"],
}
CLOCK = re.compile(
    r"(?P<gap>T|, | +|:|)(?P<hour>\d\d?)(?P<colon>:?)\d\d(?P<second>:?\d\d)?(?P<fraction>[.,]\d+)?"
    r"(?P<half> ?[AaPp][Mm])?(?P<offset> ?(?:Z|[+-]\d\d(?::?\d\d)?))?(?P<name> ?[A-Z]{2,5})?"
)
MAX_LENGTH = 60  # of a time
UNKNOWN_ZONE = "XYZ"
ZONE_NAME = r"(?<![A-Za-z])(?!(?:UTC|GMT|AM|PM)(?![A-Za-z]))[A-Z]{2,5}(?![A-Za-z])"
KNOWN_WORD = re.compile(
    r"[TZWtz]|[AaPp][Mm]|[A-Z]{2,5}|Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?"
    r"|Sun(?:day)?|January|February|March|April|June|July|August|September|October|November|December|" + MONTH
)
WORDS = {"a", "A", "b", "B", "h"}  # specifiers of names
ENGLISH = "; names of months and weekdays are English (Dec, December)"
EXCEL_DAY = re.compile(r"[3-6]\d{4}([.,]\d+)?")  # days since 1899-12-30, from 1982 to 2091
UNIX_DATE = re.compile(rf"[A-Z][a-z]{{2}} {MONTH} +\d\d? \d\d:\d\d:\d\d (?P<name>[A-Z]{{2,5}}) \d{{4}}")


def reason(cell: str, time_format: str | None) -> str:
    """The end of the sentence "timestamp: '<cell>' ...", with the format that reads the cell if there is one."""
    text = cell.strip()
    if SCIENTIFIC.fullmatch(text):
        return "has lost digits (scientific notation, as Excel writes it): deliver all digits"
    if NO_TIME.match(text):
        return "stands for no time in some programs: correct it, or list it in `nulls` to read it as missing"
    return f"is not a time of the form {time_format or 'ISO 8601'}{_advice(text, time_format)}"


def _advice(text: str, time_format: str | None) -> str:
    shape = _shape(text)
    if shape is None:
        return ENGLISH if WORDS & set(specifiers(time_format or "")) else ""
    if EXCEL_DAY.fullmatch(text):
        return "; it looks like a day as Excel counts them: deliver the workbook (kind: xlsx), or dates as text"
    if has_zone_name_only(time_format or "") and UNKNOWN_ZONE in shape:
        return (
            ": does it name a zone with one offset? (UTC, EST and CET are; CST and IST have several meanings, unless "
            "they belong to the shop's time_zone)"
        )
    if time_format not in EPOCHS and _is_time(shape, time_format):
        return ": there is no such day or time"
    if time_format and _is_time(shape, None):
        return "; it looks like ISO 8601: leave timestamp_format out"
    formats = [form for form in suggestions(shape) if form != time_format]
    if len(formats) > 1:
        formats = _without_impossible(text, formats)
    return "; it looks like timestamp_format: " + " or ".join(f"'{form}'" for form in formats) if formats else ""


def _shape(text: str) -> str | None:
    """A text with 1 for each digit, a valid time of the same form; None if it has words that no time has.

    Texts have few shapes, however many there are. Names of zones become `UNKNOWN_ZONE`.
    """
    if len(text) > MAX_LENGTH or not all(KNOWN_WORD.fullmatch(word) for word in re.findall(r"[^\W\d_]+", text)):
        return None
    return re.sub(r"\d", "1", re.sub(ZONE_NAME, UNKNOWN_ZONE, text))


def _without_impossible(text: str, formats: list[str]) -> list[str]:
    """The formats with the day first, and with the month first: a number above 12 is the day."""
    first, second = (int(number) > 12 for number in re.findall(r"\d+", text)[:2])
    return formats[:1] if first and not second else formats[1:] if second and not first else formats


@lru_cache(maxsize=1_000)
def _is_time(text: str, time_format: str | None) -> bool:
    spec = Table(kind="csv", path="*", timestamp_format=time_format)
    return timestamps.days(pl.Series([text]), spec, "UTC")[0] is not None


@lru_cache(maxsize=1_000)
def suggestions(text: str) -> list[str]:
    """The formats that may read a text: several where day and month are in doubt."""
    number = re.fullmatch(r"(\d+)(?:[.,]\d+)?", text)
    if number and len(number[1]) in EPOCH_DIGITS:
        return [EPOCH_DIGITS[len(number[1])]]
    if UNIX_DATE.fullmatch(text):
        return ["%a %b %d %H:%M:%S %Z %Y"]
    for pattern, days in DAYS.items():
        if day := re.match(pattern, text):
            clock = CLOCK.fullmatch(text, day.end())
            if clock or day.end() == len(text):
                time = _clock(clock) if clock else ""
                mark, week = day.groupdict().get("mark", ""), "%a, " if "," in day[0] else ""
                return [form.format(mark=mark, week=week) + time for form in days]
    return []


def _clock(part: re.Match[str]) -> str:
    """The format of the time of day."""
    colon, second, fraction = part["colon"], part["second"] or "", part["fraction"] or ""
    hour, half = ("%I", f"{' ' if part['half'].startswith(' ') else ''}%p") if part["half"] else ("%H", "")
    seconds = ("%S" if not second.startswith(":") else ":%S") if second else ""
    if fraction.startswith(","):
        seconds += f",%{len(fraction) - 1}f"
    elif fraction:
        seconds += "%.f"
    offset, name = part["offset"] or "", part["name"] or ""
    zone = (" " if offset.startswith(" ") else "") + "%#z" if offset else ""
    zone += (" " if name.startswith(" ") else "") + "%Z" if name else ""
    return f"{part['gap']}{hour}{colon}%M{seconds}{half}{zone}"
