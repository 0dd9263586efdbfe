"""Read times in ISO 8601, whole: calendar, week and ordinal dates, basic and extended form, any offset.

Beyond the standard: a blank for the T, blanks before the offset, UTC or GMT for Z, and a zone in brackets after the
offset ([Europe/Berlin]), as Java writes it. Digits below a microsecond are cut off.
"""

from __future__ import annotations

from functools import cache

import polars as pl

from recomart_lib.core.schemas import TIMESTAMP

# Fast formats, the most usual first; the column that they fill.
FAST = (
    ("local", "%Y-%m-%dT%H:%M:%S"),
    ("absolute", "%+"),
    ("absolute", "%Y-%m-%dT%H:%M:%S%.f%#z"),
    ("local", "%Y-%m-%dT%H:%M:%S%.f"),
    ("local", "%Y-%m-%dT%H:%M"),
    ("local", "%Y-%m-%d"),
)
ZONES = {"absolute": "UTC", "local": None}
FEW = 100  # cells of other forms in a file: all forms are tried at once

DATE = r"(\d{4}-\d\d-\d\d|\d{8}|\d{4}-\d{3}|\d{4}-?[Ww]\d\d-?\d)"
TIME = r"(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?"
OFFSET = r"(?:([Zz]|UTC|GMT)|([+\-\x{2212}])(\d\d)(?::?(\d\d)(?::?(\d\d))?)?(?:\[[A-Za-z0-9_/+\-]+\])?)"
PATTERN = rf"^{DATE}(?:(?:[Tt]|\s+){TIME}(?:\s*{OFFSET})?)?$"
PARTS = ("date", "hour", "minute", "second", "fraction", "utc", "sign", "off_hour", "off_minute", "off_second")


def times(text: pl.Series) -> pl.DataFrame:
    """The times in some cells.

    Parameters
    ----------
    text
        The cells, without blanks around them.

    Returns
    -------
    DataFrame
        One row per cell: absolute (the moment, UTC, of a time with an offset) and local (any other time); both are
        null if the cell is no such time.
    """
    found = {
        "absolute": pl.repeat(None, text.len(), dtype=TIMESTAMP, eager=True),
        "local": pl.repeat(None, text.len(), dtype=pl.Datetime("us"), eager=True),
    }
    places = text.is_not_null().arg_true()
    unread = text.gather(places)
    for column, time_format in FAST:
        if places.len() <= FEW:
            break
        read = unread.to_frame("text").select(_read(column, time_format)).to_series()
        is_read = read.is_not_null()
        if is_read.any():
            found[column] = found[column].scatter(places.filter(is_read), read.filter(is_read))
            # each format only for cells that earlier ones could not read: most files use one, and reading is slow
            places, unread = places.filter(~is_read), unread.filter(~is_read)
    if not places.len():
        return pl.DataFrame(found)
    rest = _all_forms(unread)
    return pl.DataFrame({column: times.scatter(places, rest.get_column(column)) for column, times in found.items()})


def _read(column: str, time_format: str) -> pl.Expr:
    text = pl.col("text").str.replace(" ", "T", literal=True)
    return text.str.to_datetime(time_format, time_unit="us", time_zone=ZONES[column], strict=False)


def _all_forms(text: pl.Series) -> pl.DataFrame:
    """Like `times`, with every form tried for each cell."""
    frame = text.to_frame("text").select(*_fast_forms(), pl.col("text").str.extract_groups(PATTERN).alias("parts"))
    any_form = frame.select(pl.col("parts").struct.rename_fields(PARTS)).unnest("parts").select(*_any_form())
    is_read = pl.any_horizontal(pl.col(name for name in frame.columns if name != "parts").is_not_null())
    return frame.hstack(any_form).select(
        pl.coalesce(pl.col(rf"^{column}\d$"), pl.when(~is_read).then(column)).alias(column) for column in ZONES
    )


@cache
def _fast_forms() -> list[pl.Expr]:
    """The expressions of `FAST`, made once: a shop delivers hundreds of small files. No two columns read one cell."""
    return [_read(column, time_format).alias(f"{column}{n}") for n, (column, time_format) in enumerate(FAST)]


@cache
def _any_form() -> list[pl.Expr]:
    """The times of any form, from `PARTS`."""
    hours, minutes, seconds = (_number(name) for name in ("off_hour", "off_minute", "off_second"))
    offset = 3_600 * hours + 60 * minutes + seconds
    offset = pl.when(pl.col("sign") == "+").then(offset).otherwise(-offset)
    is_local = pl.col("utc").is_null() & pl.col("sign").is_null()
    has_offset = ~is_local & (hours < 24) & (minutes < 60) & (seconds < 60)
    clock = _clock()
    moment = (clock - pl.duration(seconds=offset)).dt.replace_time_zone("UTC")
    return [pl.when(has_offset).then(moment).alias("absolute"), pl.when(is_local).then(clock).alias("local")]


def _clock() -> pl.Expr:
    """Date and time as written. 24:00 is the end of the day, and a leap second the start of the next minute."""
    hour, minute, second = (_number(name) for name in ("hour", "minute", "second"))
    micros = pl.col("fraction").str.pad_end(6, "0").str.head(6).cast(pl.Int64).fill_null(0)
    whole_day = (hour == 24) & (minute == 0) & (second == 0) & (micros == 0)
    leap_second = (second == 60) & (minute == 59)
    valid = ((hour < 24) & (minute < 60) & ((second < 60) | leap_second)) | whole_day
    time = pl.duration(hours=hour, minutes=minute, seconds=second, microseconds=micros)
    return pl.when(valid).then(_date(pl.col("date")).cast(pl.Datetime("us")) + time)


def _date(text: pl.Expr) -> pl.Expr:
    digits = text.str.replace_all("-", "", literal=True).str.to_uppercase()
    forms = {r"^\d{8}$": "%Y%m%d", r"^\d{7}$": "%Y%j", r"^\d{4}W\d{3}$": "%GW%V%u"}
    read = (
        pl.when(digits.str.contains(pattern)).then(digits).str.to_date(time_format, strict=False)
        for pattern, time_format in forms.items()
    )
    return pl.coalesce(*read)


def _number(part: str) -> pl.Expr:
    """A part as a number, 0 where there is none."""
    return pl.col(part).cast(pl.Int64).fill_null(0)
